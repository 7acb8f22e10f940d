// Streams, events and graphs of the CUDA runtime on the CPU.
#pragma once

#include <cstddef>

#include "cuda_runtime.h"

namespace cuda_host {

// Keeps the error for cudaGetLastError and gives it back.
cudaError_t failed(cudaError_t error);

// A call that a capture by the calling thread forbids breaks that capture and fails. Otherwise success.
cudaError_t forbidden_in_capture();

// As submit, for a copy from pinned memory.
void submit_pinned_copy(cudaStream_t stream, void* to, const unsigned char* from, std::size_t bytes);
// Whether a copy from [begin, begin + bytes) is still to be done.
bool is_copy_pending(const unsigned char* begin, std::size_t bytes);
// Does what is left of a stream, and what that waits for.
void finish(cudaStream_t stream);
bool is_capturing(cudaStream_t stream);
bool is_lost();

void count_allocation();
void count_free();
void count_wait();

}  // namespace cuda_host
