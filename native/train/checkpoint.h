// Checkpoints of a fit: the model's tensors, the optimizer's state, and what tells whether a run may continue from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/trainer.h"

namespace onelogit {

// Loss and correct answers of the latest steps, for the means that are reported.
class RecentSteps {
 public:
  static constexpr std::int64_t capacity = 100;
  // `correct` is −1 where it is not known.
  void add(double loss, std::int64_t correct) {
    const auto slot = static_cast<std::size_t>(added_++ % capacity);
    losses_[slot] = loss;
    correct_[slot] = correct;
  }
  std::int64_t size() const { return added_ < capacity ? added_ : capacity; }
  // The i-th oldest of size().
  double loss(std::int64_t i) const { return losses_[slot_of(i)]; }
  std::int64_t correct(std::int64_t i) const { return correct_[slot_of(i)]; }
  double mean_loss() const;
  double mean_correct() const;  // NaN if one of them is not known

 private:
  std::size_t slot_of(std::int64_t i) const { return static_cast<std::size_t>((added_ - size() + i) % capacity); }
  double losses_[capacity] = {};
  std::int64_t correct_[capacity] = {};
  std::int64_t added_ = 0;
};

// What a run knows beside the model's tensors and the optimizer's state.
struct TrainingState {
  std::int64_t step =
      0;  // steps done; position in the data order is step · batch_size, and every draw depends on it alone
  bool prior_bias_applied = false;
  RecentSteps recent;
};

// Atomic. The model must be planned for training, its optimizer state allocated.
void write_checkpoint(Model& model, const TrainOptions& options, const TrainingState& state);

// Loads options.resume_path into the model and its optimizer state. Throws ERR_ONELOGIT_CHECKPOINT when it is none, or
// of another run (loss, optimizer, batch size, seed, data, preprocessing); ERR_ONELOGIT_FORMAT when its tensors are not
// this model's. Nothing changes before all that was checked and every byte was read once; a failure after that leaves
// `model.mixed`.
TrainingState read_checkpoint(Model& model, const TrainOptions& options);

}  // namespace onelogit
