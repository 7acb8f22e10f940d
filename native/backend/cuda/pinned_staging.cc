#include "backend/cuda/pinned_staging.h"

#include "backend/cuda/check.h"

namespace onelogit::cuda {
namespace {
constexpr const char* what = "copying to the GPU";
}

PinnedStaging::~PinnedStaging() {
  for (const Side& side : sides_) {
    if (side.copied != nullptr) {
      static_cast<void>(cudaEventSynchronize(side.copied));
      static_cast<void>(cudaEventDestroy(side.copied));
    }
    static_cast<void>(cudaFreeHost(side.memory));
  }
}

unsigned char* PinnedStaging::take(std::size_t bytes) {
  Side& side = sides_[next_];
  if (side.copied == nullptr) check(cudaEventCreateWithFlags(&side.copied, cudaEventDisableTiming), what);
  check(cudaEventSynchronize(side.copied), what);  // at once if it was never recorded
  if (bytes > side.bytes) {
    std::size_t size = 4096;  // doubled, so that sizes that vary a little settle
    while (size < bytes) size *= 2;
    static_cast<void>(cudaFreeHost(side.memory));
    side.memory = nullptr;
    side.bytes = 0;
    check(cudaMallocHost(reinterpret_cast<void**>(&side.memory), size), what);
    side.bytes = size;
  }
  return side.memory;
}

void PinnedStaging::sent(cudaStream_t stream) {
  check(cudaEventRecord(sides_[next_].copied, stream), what);
  next_ ^= 1;
}

}  // namespace onelogit::cuda
