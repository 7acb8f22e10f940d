// For arithmetic that several builds share: the scalar reference, the CPU kernels (compiled once per instruction set)
// and the CUDA kernels. Always inlined, because a symbol compiled for one instruction set must never serve another.
#pragma once

#if defined(__CUDACC__)
#define ONELOGIT_SHARED_INLINE __host__ __device__ __forceinline__
#else
#define ONELOGIT_SHARED_INLINE [[gnu::always_inline]] inline
#endif
