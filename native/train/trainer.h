// The training loop: order of the data, batches, steps, schedule, validation, progress, cancelling, checkpoints.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "format/safetensors.h"
#include "head/linear_loss.h"
#include "loss/loss.h"
#include "model/model.h"
#include "optimizer/optimizer.h"

namespace onelogit {

// One batch in host memory.
struct HostBatch {
  std::vector<std::byte> inputs;
  ExampleType type = ExampleType::float32;
  std::vector<std::int32_t> labels;
};

// n labelled examples, in memory or behind a reader. `read` may block (a JavaScript source); it is called from a thread
// that is not JavaScript's. It throws on failure, and returns false when cancelled.
class ExampleSource {
 public:
  virtual ~ExampleSource() = default;
  virtual std::int64_t length() const = 0;
  virtual std::int64_t features() const = 0;
  virtual std::int64_t classes() const = 0;
  // The whole data, when it is in host memory: batches are then gathered without a copy. inputs null otherwise.
  struct InMemory {
    const void* inputs = nullptr;
    ExampleType type = ExampleType::float32;
    const std::int32_t* labels = nullptr;
  };
  virtual InMemory in_memory() const { return {}; }
  virtual bool read(const std::int64_t* indices, std::int64_t count, HostBatch& batch) = 0;
};

// Learning rate at a step (counted from 0) as a multiple of the base rate; schedules nest only as warm-up before
// another.
struct ScheduleSpec {
  enum class Kind { constant, step, cosine } kind = Kind::constant;
  std::int64_t every = 0;  // step: multiply by `factor` after every `every` steps
  double factor = 0.1;
  std::int64_t steps = 0;         // cosine: length (0: what is left of the fit)
  double minimum = 0.0;           // cosine: last multiple
  std::int64_t warmup_steps = 0;  // (step + 1) / warmup_steps over these, then the rest as if it began there
  double multiple(std::int64_t step, std::int64_t total_steps) const;
};

// Random changes of the training images, anew in every step; see augmentation.h.
struct AugmentationSpec {
  std::int64_t padding = 0;  // pixels of zeros on each side, of which a window of the image's size is taken
  bool flip = false;         // mirrored from left to right, or not, equally often
  std::int64_t height = 0, width = 0, channels = 0;  // of an example
  bool any() const { return padding > 0 || flip; }
};

// How the last layer is computed, and what of it is kept: the m×k logits and the gradient of the class matrix
// (`logits`, the fastest for few classes); blocks of classes, and the gradient of the class matrix where an update has
// to wait for it
// (`store`); or nothing of the class matrix's size, at the price of computing the logits twice (`recompute`).
enum class HeadMemory { automatic, logits, store, recompute };

struct TrainOptions {
  LossSpec loss;
  OptimizerSpec optimizer;
  ScheduleSpec schedule;
  std::int64_t steps = 0;
  std::int64_t batch_size = 0;
  std::uint64_t seed = 0;  // order of the data, augmentation, dropout; noise has the loss's
  AugmentationSpec augmentation;
  HeadMemory memory = HeadMemory::automatic;
  std::size_t workspace_bytes = default_linear_loss_workspace;  // of the fused last layer's blocks
  std::shared_ptr<ExampleSource> training;
  std::vector<std::int64_t>
      training_indices;  // empty: all; else the part of `training` to use (validation fraction set aside)
  std::shared_ptr<ExampleSource> validation;     // may be the same source
  std::vector<std::int64_t> validation_indices;  // empty: all
  std::int64_t validate_every = 0;               // steps; 0: only after the last (if there is a validation part)
  bool prior_bias = true;                        // biasInit: 'prior'
  std::string checkpoint_path;                   // empty: none
  std::int64_t checkpoint_every = 0;
  // Metadata of a checkpoint beside the trainer's own "training.…" entries: whatever Model.load needs. Called on the
  // training thread when one is written, because preprocessing may be fixed by the first batch only.
  std::function<std::map<std::string, std::string>(const Model&)> metadata;
  std::vector<TensorToWrite> extra_tensors;  // of a checkpoint, beside the model's and the trainer's own: class names
  std::string resume_path;                   // continue bit for bit from this checkpoint
  std::int64_t record_every = 0;             // steps in a record for hooks.record; 0: no records
};

struct ValidationResult {
  double loss = 0, accuracy = 0;
};

struct Progress {
  std::int64_t step = 0, steps = 0;  // steps done
  double loss = 0;                   // mean over the steps since the last report
  // Share of those steps' examples whose largest logit is the label's; NaN where not all logits were computed (sampled
  // nce, fused).
  double accuracy = 0;
  double examples_per_second = 0, seconds_left = 0, learning_rate = 0;
  std::optional<ValidationResult> validation;  // the latest, in the report that follows it
};

// For logs. A record of steps ends where the number of steps is a multiple of record_every, at every checkpoint and at
// the end: a run that is resumed from a checkpoint continues with the records of one that was never stopped.
struct TrainRecord {
  enum class Kind { begin, steps, validation } kind = Kind::begin;
  std::int64_t step = 0;           // steps done
  std::int64_t over_steps = 0;     // steps: how many, the last of them `step`
  double loss = 0;                 // steps: mean over them
  double accuracy = 0;             // as of Progress
  double learning_rate = 0;        // of the last step
  double examples_per_second = 0;  // since the record before; validation and checkpoints in between included
  double seconds = 0;              // since this run began
};

struct TrainResult {
  std::int64_t steps = 0;  // steps done, those before resuming included
  bool cancelled = false;
  double seconds = 0, examples_per_second = 0;
  double final_loss = 0, final_accuracy = 0;  // mean of the last min(100, steps) steps
  std::optional<ValidationResult> validation;
  bool prior_bias_applied = false;
};

struct TrainHooks {
  std::function<void(const Progress&)>
      progress;  // at most about 10 a second, and once at the end; from the training thread
  std::function<void(const TrainRecord&)> record = {};  // every one, in order; from the training thread
  const std::atomic<bool>* cancelled = nullptr;         // polled every step
  std::atomic<bool>* changed = nullptr;  // set once a checkpoint was read or a step done: the model is another now
};

// A loss that is not finite is found before it reaches the weights where the loss can be read at no cost (the CPU; of a
// fused last layer, whose pass may update the class matrix: only where the layer's input is not finite), else within
// this many steps; at the end and before a checkpoint the weights themselves are checked.
inline constexpr std::int64_t not_finite_within = 32;

// Runs on the calling thread. When cancelled: stops after the current step, writes a checkpoint if a path was given
// and a step done, returns. Throws ERR_ONELOGIT_LOSS_NOT_FINITE naming the step and what to try (lower learning rate,
// clipNorm, check the data), after which the model holds the weights of that step; ERR_ONELOGIT_CHECKPOINT when
// `resume_path` does not belong to this model, loss, optimizer, batch size, data length or seed.
TrainResult train(Model& model, const TrainOptions& options, const TrainHooks& hooks);

// The order of the data: position p of the endless stream over n examples is element p mod n of the permutation of
// epoch p / n, which depends on (seed, epoch) alone.
class DataOrder {
 public:
  DataOrder(std::int64_t n, std::uint64_t seed) : n_(n), seed_(seed) {}
  void indices(std::int64_t first_position, std::int64_t count, std::int64_t* out);

 private:
  std::int64_t n_;
  std::uint64_t seed_;
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> permutation_;
};

}  // namespace onelogit
