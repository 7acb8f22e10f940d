#include "backend/cuda/step_graph.h"

#include <exception>

#include "backend/cuda/check.h"

namespace onelogit::cuda {
namespace {
constexpr const char* what = "a graph of a training step";
}

void StepLog::plain() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++use_.plain;
}
void StepLog::replayed() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++use_.replayed;
}
void StepLog::refused(const std::string& reason) {
  const std::lock_guard<std::mutex> lock(mutex_);
  use_.refusal = reason;
}
StepUse StepLog::use() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return use_;
}

void StepGraph::run(std::int64_t examples, std::uint64_t step, float learning_rate, const std::function<void()>& body) {
  queue_.step.set(step, learning_rate);
  if (!(seen_ == key_of(examples))) {
    forget();
    body();
    seen_ = key_of(examples);  // after it: it may have replaced memory
    log_.plain();
    return;
  }
  if (graph_ == nullptr && (refusals_ == most_refusals || !capture(body))) {
    body();
    log_.plain();
    return;
  }
  check(cudaGraphLaunch(graph_, queue_.stream), what);
  log_.replayed();
}

bool StepGraph::capture(const std::function<void()>& body) {
  cudaGraph_t graph = nullptr;
  try {
    // Only this thread is kept from what would break a capture: others go on.
    check(cudaStreamBeginCapture(queue_.stream, cudaStreamCaptureModeThreadLocal), what);
    queue_.step.hold(true);
    std::exception_ptr error;
    try {
      body();
    } catch (...) {
      error = std::current_exception();
    }
    queue_.step.hold(false);
    const cudaError_t ended = cudaStreamEndCapture(queue_.stream, &graph);
    if (error) {
      static_cast<void>(cudaGetLastError());
      std::rethrow_exception(error);
    }
    check(ended, what);
    check(cudaGraphInstantiate(&graph_, graph, 0), what);
  } catch (const std::exception& error) {
    ++refusals_;
    log_.refused(error.what());
  }
  if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  return graph_ != nullptr;
}

void StepGraph::forget() {
  refusals_ = 0;
  if (graph_ == nullptr) return;
  static_cast<void>(cudaStreamSynchronize(queue_.stream));  // it may be running
  static_cast<void>(cudaGraphExecDestroy(graph_));
  graph_ = nullptr;
}

}  // namespace onelogit::cuda
