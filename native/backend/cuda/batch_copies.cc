#include "backend/cuda/batch_copies.h"

#include "backend/cuda/check.h"

namespace onelogit::cuda {
namespace {
constexpr const char* what = "copying a batch to the GPU";
}

BatchCopies::~BatchCopies() {
  if (stream_ != nullptr) static_cast<void>(cudaStreamSynchronize(stream_));
  for (const Batch& batch : batches_)
    for (const cudaEvent_t event : {batch.copied, batch.read})
      if (event != nullptr) static_cast<void>(cudaEventDestroy(event));
  if (stream_ != nullptr) static_cast<void>(cudaStreamDestroy(stream_));
}

unsigned char* BatchCopies::begin(std::size_t bytes) {
  if (stream_ == nullptr) check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), what);
  for (Batch& batch : batches_)
    for (cudaEvent_t* const event : {&batch.copied, &batch.read})
      if (*event == nullptr) check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), what);
  if (2 * bytes > memory_.size()) {
    const std::size_t aligned = (bytes + 255) / 256 * 256;  // as cudaMalloc's
    memory_ = DeviceBuffer<unsigned char>(2 * aligned, "two batches of examples");
  }
  current_ ^= 1;
  check(cudaStreamWaitEvent(stream_, batches_[current_].read, 0), what);  // at once if it was never recorded
  return memory_.data() + (current_ == 0 ? 0 : memory_.size() / 2);
}

void BatchCopies::copy(unsigned char* to, const unsigned char* piece, std::size_t bytes) {
  check(cudaMemcpyAsync(to, piece, bytes, cudaMemcpyHostToDevice, stream_), what);
  staging_.sent(stream_);
}

void BatchCopies::begin_reading(cudaStream_t stream) {
  check(cudaEventRecord(batches_[current_].copied, stream_), what);
  check(cudaStreamWaitEvent(stream, batches_[current_].copied, 0), what);
}
void BatchCopies::end_reading(cudaStream_t stream) { check(cudaEventRecord(batches_[current_].read, stream), what); }

}  // namespace onelogit::cuda
