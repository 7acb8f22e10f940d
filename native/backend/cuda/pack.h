// n consecutive elements that are read and written by one instruction, where their address allows it.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace onelogit::cuda {

template <class T, int n>
struct alignas(sizeof(T) * n) Pack {
  T at[n];
};

template <int n, class T>
__device__ __forceinline__ Pack<T, n> load_pack(const T* p) {
  return *reinterpret_cast<const Pack<T, n>*>(p);
}
template <class T, int n>
__device__ __forceinline__ void store_pack(T* p, const Pack<T, n>& pack) {
  *reinterpret_cast<Pack<T, n>*>(p) = pack;
}

// Whether packs of n can begin here.
template <int n, class T>
__host__ __device__ __forceinline__ bool is_aligned(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % (sizeof(T) * n) == 0;
}

}  // namespace onelogit::cuda
