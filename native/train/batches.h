// A sequence of batches out of a source: gathered from memory, or read (and augmented) ahead by one batch on a thread
// of its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "train/augmentation.h"
#include "train/trainer.h"

namespace onelogit {

// A batch in host memory, valid until the next one is asked for.
struct Batch {
  const void* inputs = nullptr;
  ExampleType type = ExampleType::float32;
  const std::int64_t* rows = nullptr;     // rows of `inputs`; null: 0 … count−1
  const std::int64_t* indices = nullptr;  // the same examples' numbers in the source
  std::int64_t count = 0;
  const std::int32_t* labels = nullptr;

  const void* example(std::int64_t i, std::int64_t features) const {
    const std::int64_t row = rows != nullptr ? rows[i] : i;
    return static_cast<const std::byte*>(inputs) + static_cast<std::size_t>(row * features) * element_bytes(type);
  }
};

// A read of one batch, waiting, running or done.
struct PendingRead {
  std::int64_t number = 0;  // of the batch
  std::vector<std::int64_t> indices;
  HostBatch batch;
  std::function<void(PendingRead&)> finish;  // runs on the reading thread after the read; may be empty
  enum class State { idle, queued, done } state = State::idle;
  bool cancelled = false;
  std::exception_ptr error;
};

// Runs reads in the order they were submitted, on one thread that starts with the first.
class ReaderThread {
 public:
  ReaderThread() = default;
  ReaderThread(const ReaderThread&) = delete;
  ReaderThread& operator=(const ReaderThread&) = delete;
  ~ReaderThread();
  void submit(ExampleSource& source, PendingRead& read);
  // Rethrows what the source threw. False: the source was cancelled.
  bool wait(PendingRead& read);
  // Returns when `read` is not used any more: taken back if it had not begun, else waited for.
  void withdraw(PendingRead& read);

 private:
  struct Request {
    ExampleSource* source;
    PendingRead* read;
  };
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request> queue_;
  bool stop_ = false;
  std::thread thread_;
};

class BatchSequence {
 public:
  // Writes the examples of batch `number` and returns how many.
  using IndicesOf = std::function<std::int64_t(std::int64_t number, std::int64_t* out)>;

  // Batches first … end−1, each of at most `largest` examples. `reader` must outlive this. With an augmentation, also
  // what is in memory is read.
  BatchSequence(ExampleSource& source, ReaderThread& reader, std::int64_t classes, std::int64_t largest,
                std::int64_t first, std::int64_t end, IndicesOf indices_of, const AugmentationSpec& augmentation = {},
                std::uint64_t seed = 0);
  BatchSequence(const BatchSequence&) = delete;
  BatchSequence& operator=(const BatchSequence&) = delete;
  ~BatchSequence();

  // The next batch; null when the source was cancelled. Throws ERR_ONELOGIT_LABEL_RANGE for a label outside [0,
  // classes) and ERR_ONELOGIT_BATCH for a read batch of another size than asked for.
  const Batch* next();

 private:
  void start(std::int64_t number);
  void check_size(const PendingRead& read) const;

  ExampleSource& source_;
  ReaderThread& reader_;
  ExampleSource::InMemory memory_;
  std::int64_t classes_, largest_, next_, end_;
  IndicesOf indices_of_;
  std::optional<Augmentation> augmentation_;
  PendingRead reads_[2];              // batch n uses n mod 2; from memory only reads_[0].indices is used
  std::vector<std::int32_t> labels_;  // gathered from memory
  Batch batch_;
};

// Batches of `rows` (the last may be shorter) of the first `length` examples, or of `indices` when there are any, in
// order.
BatchSequence::IndicesOf in_order(const std::vector<std::int64_t>& indices, std::int64_t length, std::int64_t rows);

}  // namespace onelogit
