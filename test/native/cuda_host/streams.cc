// Streams as queues of work. Each piece of work holds copies of its arguments, as a GPU's queue does: what a captured
// launch was given by value stays what it was, however often its graph is replayed.

#include "streams.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace cuda_host {
namespace {

constexpr std::uint64_t all = std::numeric_limits<std::uint64_t>::max();

struct Point {  // of a stream: after so many pieces of work
  cudaStream_t stream;
  std::uint64_t position;
};

struct Piece {
  Work kind;
  std::function<void()> run;  // empty: waits for `after`
  Point after{};
  const unsigned char* pinned = nullptr;  // what is copied from there
  std::size_t bytes = 0;
};

struct Stream {
  std::deque<Piece> left;
  std::uint64_t submitted = 0;
  bool capturing = false, broken = false;
  std::vector<std::function<void()>> captured;
  std::uint64_t done() const { return submitted - left.size(); }
};

struct Streams {
  std::recursive_mutex mutex;
  std::map<cudaStream_t, Stream> of;
  Delay delay = Delay::none;
  bool refuse_capture = false, lost = false;
  Counts counts{};
  std::int64_t open = 0;  // made and not destroyed
};
Streams& streams() {
  static auto* const only = new Streams;
  return *only;
}
using Lock = std::lock_guard<std::recursive_mutex>;

thread_local cudaError_t last_error = cudaSuccess;
thread_local Stream* captured_here = nullptr;  // the stream whose capture this thread began

bool has_kernels_left(const Stream& queue) {
  return std::any_of(queue.left.begin(), queue.left.end(),
                     [](const Piece& piece) { return piece.run && piece.kind == Work::kernel; });
}

// Of a copy on `stream` that is done now.
void count_overlap(cudaStream_t stream) {
  for (const auto& [name, queue] : streams().of)
    if (name != stream && has_kernels_left(queue)) {
      ++streams().counts.overlapping_copies;
      return;
    }
}

void advance(cudaStream_t stream, std::uint64_t position) {
  Stream& queue = streams().of[stream];
  while (!queue.left.empty() && queue.done() < position) {
    const Piece piece = queue.left.front();
    if (piece.pinned != nullptr) count_overlap(stream);
    if (piece.run)
      piece.run();
    else
      advance(piece.after.stream, piece.after.position);
    queue.left.pop_front();
  }
}

// Copies that nothing before them on their stream holds up.
void copy_early() {
  for (bool again = true; again;) {
    again = false;
    for (auto& [name, queue] : streams().of)
      while (!queue.left.empty()) {
        const Piece& front = queue.left.front();
        const bool ready =
            front.run ? front.pinned != nullptr : streams().of[front.after.stream].done() >= front.after.position;
        if (!ready) break;
        advance(name, queue.done() + 1);
        again = true;
      }
  }
}

void add(cudaStream_t stream, Piece piece) {
  Stream& queue = streams().of[stream];
  queue.left.push_back(std::move(piece));
  ++queue.submitted;
  if (streams().delay == Delay::none) advance(stream, all);
  if (streams().delay == Delay::kernels) copy_early();
}

}  // namespace

cudaError_t failed(cudaError_t error) {
  last_error = error;
  return error;
}

cudaError_t forbidden_in_capture() {
  if (captured_here == nullptr) return cudaSuccess;
  captured_here->broken = true;
  return failed(cudaErrorStreamCaptureUnsupported);
}

void submit(cudaStream_t stream, Work kind, std::function<void()> work) {
  const Lock lock(streams().mutex);
  if (streams().lost) {
    failed(cudaErrorIllegalAddress);
    return;
  }
  Stream& queue = streams().of[stream];
  if (queue.capturing) {
    if (queue.broken)
      failed(cudaErrorStreamCaptureInvalidated);
    else
      queue.captured.push_back(std::move(work));
    return;
  }
  if (kind == Work::kernel) ++streams().counts.launches;
  add(stream, {kind, std::move(work)});
}

void submit_pinned_copy(cudaStream_t stream, void* to, const unsigned char* from, std::size_t bytes) {
  const Lock lock(streams().mutex);
  Piece piece{Work::copy, [=] {
                const DeviceAccess access;
                std::memcpy(to, from, bytes);
              }};
  piece.pinned = from;
  piece.bytes = bytes;
  add(stream, std::move(piece));
}

bool is_copy_pending(const unsigned char* begin, std::size_t bytes) {
  const Lock lock(streams().mutex);
  for (const auto& [name, queue] : streams().of)
    for (const Piece& piece : queue.left)
      if (piece.pinned != nullptr && piece.pinned < begin + bytes && begin < piece.pinned + piece.bytes) return true;
  return false;
}

std::size_t delayed_copies() {
  const Lock lock(streams().mutex);
  std::size_t count = 0;
  for (const auto& [name, queue] : streams().of)
    for (const Piece& piece : queue.left) count += piece.pinned != nullptr;
  return count;
}

void finish(cudaStream_t stream) {
  const Lock lock(streams().mutex);
  advance(stream, all);
}

void finish_work() {
  const Lock lock(streams().mutex);
  for (auto& [name, queue] : streams().of) advance(name, all);
}

void delay_work(Delay delay) {
  finish_work();
  streams().delay = delay;
}

void lose_device(bool lost) {
  finish_work();
  streams().lost = lost;
  last_error = cudaSuccess;
}
bool is_lost() {
  const Lock lock(streams().mutex);
  return streams().lost;
}

void refuse_capture(bool refuse) { streams().refuse_capture = refuse; }

std::int64_t open_streams() {
  const Lock lock(streams().mutex);
  return streams().open;
}

bool is_capturing(cudaStream_t stream) {
  const Lock lock(streams().mutex);
  return streams().of[stream].capturing;
}

Counts counts() {
  const Lock lock(streams().mutex);
  return streams().counts;
}
void reset_counts() {
  const Lock lock(streams().mutex);
  streams().counts = {};
}
void count_allocation() {
  const Lock lock(streams().mutex);
  ++streams().counts.allocations;
}
void count_free() {
  const Lock lock(streams().mutex);
  ++streams().counts.frees;
}
void count_wait() {
  const Lock lock(streams().mutex);
  ++streams().counts.waits;
}

}  // namespace cuda_host

using cuda_host::failed;
using cuda_host::Lock;
using cuda_host::Point;
using cuda_host::streams;

struct CUgraph_st {
  std::vector<std::function<void()>> work;
};
struct CUgraphExec_st {
  std::vector<std::function<void()>> work;
};

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const Lock lock(streams().mutex);
  ++streams().open;
  *stream = reinterpret_cast<cudaStream_t>(new char);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(streams().mutex);
  --streams().open;
  cuda_host::finish(stream);
  // Events of it that others wait for are past.
  cuda_host::finish_work();
  streams().of.erase(stream);
  delete reinterpret_cast<char*>(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (const cudaError_t error = cuda_host::forbidden_in_capture(); error != cudaSuccess) return error;
  if (cuda_host::is_lost()) return failed(cudaErrorIllegalAddress);
  cuda_host::count_wait();
  cuda_host::finish(stream);
  return cudaSuccess;
}

// Also of streams that are captured: cross-stream captures are not what we use.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Lock lock(streams().mutex);
  if (streams().of[stream].capturing) return cuda_host::forbidden_in_capture();
  cuda_host::add(stream, {cuda_host::Work::copy, {}, *reinterpret_cast<Point*>(event)});
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new Point{nullptr, 0});
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete reinterpret_cast<Point*>(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock(streams().mutex);
  if (streams().of[stream].capturing) return cuda_host::forbidden_in_capture();
  *reinterpret_cast<Point*>(event) = {stream, streams().of[stream].submitted};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (const cudaError_t error = cuda_host::forbidden_in_capture(); error != cudaSuccess) return error;
  const Lock lock(streams().mutex);
  const Point point = *reinterpret_cast<Point*>(event);
  cuda_host::advance(point.stream, point.position);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const Lock lock(streams().mutex);
  if (stream == nullptr || streams().refuse_capture) return failed(cudaErrorStreamCaptureUnsupported);
  auto& queue = streams().of[stream];
  if (queue.capturing || cuda_host::captured_here != nullptr) return failed(cudaErrorInvalidValue);
  queue.capturing = true;
  queue.broken = false;
  queue.captured.clear();
  cuda_host::captured_here = &queue;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Lock lock(streams().mutex);
  *graph = nullptr;
  auto& queue = streams().of[stream];
  if (!queue.capturing || cuda_host::captured_here != &queue) return failed(cudaErrorInvalidValue);
  queue.capturing = false;
  cuda_host::captured_here = nullptr;
  if (queue.broken) return failed(cudaErrorStreamCaptureInvalidated);
  *graph = new CUgraph_st{std::move(queue.captured)};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const Lock lock(streams().mutex);
  if (streams().of[stream].capturing) return cuda_host::forbidden_in_capture();
  ++streams().counts.graph_launches;
  for (const auto& work : executable->work) cuda_host::add(stream, {cuda_host::Work::kernel, work});
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() { return std::exchange(cuda_host::last_error, cudaSuccess); }
