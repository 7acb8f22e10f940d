// What windows sum is written into the workspace first, with zeros on both sides: no window has an edge then.

#include "backend/cpu/kernels/local_response_norm.h"

#include "backend/cpu/kernels/simd.h"
#include "backend/cpu/kernels/strip.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

// base^−beta. Krizhevsky's ¾ is two square roots.
struct ThreeQuarters {
  ONELOGIT_INLINE VectorF operator()(VectorF base) const {
    const VectorF root = square_root(base);
    return 1.0f / (root * square_root(root));
  }
};
struct AnyPower {
  float beta;
  ONELOGIT_INLINE VectorF operator()(VectorF base) const {
    VectorF result;
    for (int i = 0; i < lanes; ++i) result[i] = __builtin_powf(base[i], -beta);
    return result;
  }
};

// f(channel, access) for all channels, a vector at a time.
template <class F>
ONELOGIT_INLINE void for_vectors(std::int64_t channels, F&& f) {
  std::int64_t channel = 0;
  for (; channel + lanes <= channels; channel += lanes) f(channel, Whole{});
  if (channel < channels) f(channel, Partial{channels - channel});
}

ONELOGIT_INLINE void zero_sides(float* workspace, std::int64_t left, std::int64_t channels, std::int64_t right) {
  for (std::int64_t i = 0; i < left; ++i) workspace[i] = 0.0f;
  for (std::int64_t i = 0; i < right; ++i) workspace[left + channels + i] = 0.0f;
}

template <class Access>
ONELOGIT_INLINE VectorF window_sum(const float* first, std::int64_t size, const Access access) {
  VectorF total = {};
  for (std::int64_t i = 0; i < size; ++i) total += access.get(first + i);
  return total;
}

template <class Power>
ONELOGIT_INLINE void forward_rows(const LocalResponseNormForward& pass, std::int64_t rows, float* workspace,
                                  const Power inverse_power) {
  const std::int64_t channels = pass.channels, size = pass.before + 1 + pass.after;
  zero_sides(workspace, pass.before, channels, pass.after);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t start = row * channels;
    for_vectors(channels, [&](std::int64_t channel, const auto access) {
      const VectorF x = access.get(pass.x + start + channel);
      access.put(workspace + pass.before + channel, x * x);
    });
    for_vectors(channels, [&](std::int64_t channel, const auto access) {
      const VectorF scale = pass.k + pass.alpha * window_sum(workspace + channel, size, access);
      if (pass.scale != nullptr) access.put(pass.scale + start + channel, scale);
      access.put(pass.y + start + channel, access.get(pass.x + start + channel) * inverse_power(scale));
    });
  }
}

// dx_i = dy_i · scale_i^−beta − factor · x_i · Σ dy_j · x_j · scale_j^(−beta − 1) over the j whose windows i is in:
// from i − after to i + before.
template <class Power>
ONELOGIT_INLINE void backward_rows(const LocalResponseNormBackward& pass, std::int64_t rows, float* workspace,
                                   const Power inverse_power) {
  const std::int64_t channels = pass.channels, size = pass.before + 1 + pass.after;
  zero_sides(workspace, pass.after, channels, pass.before);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t start = row * channels;
    for_vectors(channels, [&](std::int64_t channel, const auto access) {
      const std::int64_t at = start + channel;
      const VectorF scale = access.get(pass.scale + at);
      const VectorF own = access.get(pass.dy + at) * inverse_power(scale);
      access.put(workspace + pass.after + channel, own * access.get(pass.x + at) / scale);
      access.put(pass.dx + at, own);
    });
    for_vectors(channels, [&](std::int64_t channel, const auto access) {
      const std::int64_t at = start + channel;
      const VectorF others = window_sum(workspace + channel, size, access);
      access.put(pass.dx + at, access.get(pass.dx + at) - pass.factor * access.get(pass.x + at) * others);
    });
  }
}

void forward(const LocalResponseNormForward& pass, std::int64_t rows, float* workspace) {
  if (pass.beta == 0.75f)
    forward_rows(pass, rows, workspace, ThreeQuarters{});
  else
    forward_rows(pass, rows, workspace, AnyPower{pass.beta});
}

void backward(const LocalResponseNormBackward& pass, std::int64_t rows, float* workspace) {
  if (pass.beta == 0.75f)
    backward_rows(pass, rows, workspace, ThreeQuarters{});
  else
    backward_rows(pass, rows, workspace, AnyPower{pass.beta});
}

}  // namespace

const LocalResponseNormKernels local_response_norm_kernels_table = {forward, backward};

}  // namespace onelogit::ONELOGIT_SIMD
