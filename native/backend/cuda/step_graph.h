// The steps of a training as a CUDA graph: the first step is queued operation by operation, and allocates what it
// needs; the second is captured; from then on a step is one launch. What differs between steps is in device memory
// (step_values.h). A step that cannot be captured is queued plainly, and the reason is kept. The next ones try again, a
// few times: a capture is also broken by whoever waits for the whole device meanwhile, as cuBLAS does where another
// model is disposed of.
#pragma once

#include <cuda_runtime.h>

#include <mutex>
#include <string>

#include "backend/backend.h"
#include "backend/cuda/queue.h"

namespace onelogit::cuda {

// Of a backend's trainings, one after another; any thread.
class StepLog {
 public:
  void plain();
  void replayed();
  void refused(const std::string& reason);
  StepUse use() const;

 private:
  mutable std::mutex mutex_;
  StepUse use_;
};

class StepGraph final : public StepRunner {
 public:
  // `queue` and `log` must outlive this.
  StepGraph(Queue& queue, StepLog& log) : queue_(queue), log_(log) {}
  ~StepGraph() override { forget(); }
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  void run(std::int64_t examples, std::uint64_t step, float learning_rate, const std::function<void()>& body) override;

 private:
  static constexpr int most_refusals = 3;
  // What the launches of a step depend on.
  struct Key {
    std::int64_t examples = -1;
    std::uint64_t replacements = 0;  // of the products' memory
    bool operator==(const Key& other) const { return examples == other.examples && replacements == other.replacements; }
  };
  Key key_of(std::int64_t examples) const { return {examples, queue_.products.replacements()}; }
  bool capture(const std::function<void()>& body);
  void forget();

  Queue& queue_;
  StepLog& log_;
  Key seen_;          // of the latest step
  int refusals_ = 0;  // of captures of steps like that one
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace onelogit::cuda
