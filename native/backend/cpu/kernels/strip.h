// Vectors of neighbouring columns: whole ones are loaded as such, the last partial one element by element. Only for
// kernels/*.cc (see dispatch.h).
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

struct Whole {
  ONELOGIT_INLINE VectorF get(const float* p) const { return load(p); }
  ONELOGIT_INLINE void put(float* p, VectorF v) const { store(p, v); }
};
struct Partial {
  std::int64_t count;
  ONELOGIT_INLINE VectorF get(const float* p) const { return load_partial(p, count, 0.0f); }
  ONELOGIT_INLINE void put(float* p, VectorF v) const { store_partial(p, v, count); }
};

}  // namespace
}  // namespace onelogit::ONELOGIT_SIMD
