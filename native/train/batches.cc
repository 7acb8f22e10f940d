#include "train/batches.h"

#include <algorithm>
#include <system_error>

#include "error.h"

namespace onelogit {

ReaderThread::~ReaderThread() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ReaderThread::submit(ExampleSource& source, PendingRead& read) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // First what may fail: nobody would do a read that waits without a thread, and whoever withdraws it would wait too.
    if (!thread_.joinable()) {
      try {
        thread_ = std::thread([this] { work(); });
      } catch (const std::system_error&) {
        throw_no_thread();
      }
    }
    queue_.push_back({&source, &read});
    read.state = PendingRead::State::queued;
    read.cancelled = false;
    read.error = nullptr;
  }
  changed_.notify_all();
}

bool ReaderThread::wait(PendingRead& read) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return read.state != PendingRead::State::queued; });
  if (read.error) std::rethrow_exception(read.error);
  return !read.cancelled;
}

void ReaderThread::withdraw(PendingRead& read) {
  std::unique_lock<std::mutex> lock(mutex_);
  // The one at the front may be running.
  for (std::size_t i = 1; i < queue_.size(); ++i) {
    if (queue_[i].read != &read) continue;
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(i));
    read.state = PendingRead::State::idle;
    return;
  }
  changed_.wait(lock, [&] { return read.state != PendingRead::State::queued; });
}

void ReaderThread::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    const Request request = queue_.front();
    lock.unlock();
    bool completed = false;
    std::exception_ptr error;
    try {
      const auto& indices = request.read->indices;
      completed = request.source->read(indices.data(), static_cast<std::int64_t>(indices.size()), request.read->batch);
      if (completed && request.read->finish) request.read->finish(*request.read);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    request.read->cancelled = !completed;
    request.read->error = error;
    request.read->state = PendingRead::State::done;
    queue_.pop_front();
    changed_.notify_all();
  }
}

BatchSequence::BatchSequence(ExampleSource& source, ReaderThread& reader, std::int64_t classes, std::int64_t largest,
                             std::int64_t first, std::int64_t end, IndicesOf indices_of,
                             const AugmentationSpec& augmentation, std::uint64_t seed)
    : source_(source),
      reader_(reader),
      memory_(augmentation.any() ? ExampleSource::InMemory{} : source.in_memory()),
      classes_(classes),
      largest_(largest),
      next_(first),
      end_(end),
      indices_of_(std::move(indices_of)) {
  for (PendingRead& read : reads_) read.indices.reserve(static_cast<std::size_t>(largest));
  if (augmentation.any()) {
    augmentation_.emplace(augmentation, seed);
    for (PendingRead& read : reads_)
      read.finish = [this](PendingRead& done) {
        check_size(done);
        augmentation_->apply(done.number, done.indices, done.batch);
      };
  }
  if (memory_.inputs != nullptr)
    labels_.reserve(static_cast<std::size_t>(largest));
  else if (next_ < end_)
    start(next_);
}

BatchSequence::~BatchSequence() {
  for (PendingRead& read : reads_) reader_.withdraw(read);
}

void BatchSequence::start(std::int64_t number) {
  PendingRead& read = reads_[number % 2];
  read.number = number;
  read.indices.resize(static_cast<std::size_t>(largest_));
  read.indices.resize(static_cast<std::size_t>(indices_of_(number, read.indices.data())));
  reader_.submit(source_, read);
}

const Batch* BatchSequence::next() {
  const std::int64_t number = next_++;
  if (memory_.inputs != nullptr) {
    std::vector<std::int64_t>& indices = reads_[0].indices;
    indices.resize(static_cast<std::size_t>(largest_));
    indices.resize(static_cast<std::size_t>(indices_of_(number, indices.data())));
    labels_.resize(indices.size());
    for (std::size_t i = 0; i < indices.size(); ++i) labels_[i] = memory_.labels[indices[i]];
    batch_ = {memory_.inputs, memory_.type, indices.data(), indices.data(), static_cast<std::int64_t>(indices.size()),
              labels_.data()};
  } else {
    PendingRead& read = reads_[number % 2];
    if (!reader_.wait(read)) return nullptr;
    if (next_ < end_) start(next_);
    check_size(read);
    batch_ = {read.batch.inputs.data(),
              read.batch.type,
              nullptr,
              read.indices.data(),
              static_cast<std::int64_t>(read.indices.size()),
              read.batch.labels.data()};
  }
  // From memory too, although it was checked as a whole before: its owner may have written into it since.
  check_labels(batch_.labels, batch_.count, classes_);
  return &batch_;
}

void BatchSequence::check_size(const PendingRead& read) const {
  const std::size_t numbers = read.indices.size() * static_cast<std::size_t>(source_.features());
  const std::size_t received = read.batch.inputs.size() / element_bytes(read.batch.type);
  if (read.batch.inputs.size() != numbers * element_bytes(read.batch.type))
    throw Error(ErrorKind::range, "ERR_ONELOGIT_BATCH",
                "Expected " + std::to_string(numbers) + " numbers (" + std::to_string(read.indices.size()) +
                    " examples) for the inputs of a batch but received " + std::to_string(received));
  if (read.batch.labels.size() != read.indices.size())
    throw Error(ErrorKind::range, "ERR_ONELOGIT_BATCH",
                "Expected " + std::to_string(read.indices.size()) + " labels for a batch but received " +
                    std::to_string(read.batch.labels.size()));
}

BatchSequence::IndicesOf in_order(const std::vector<std::int64_t>& indices, std::int64_t length, std::int64_t rows) {
  return [&indices, length, rows](std::int64_t number, std::int64_t* out) {
    const std::int64_t first = number * rows, count = std::min(rows, length - first);
    for (std::int64_t i = 0; i < count; ++i)
      out[i] = indices.empty() ? first + i : indices[static_cast<std::size_t>(first + i)];
    return count;
  };
}

}  // namespace onelogit
