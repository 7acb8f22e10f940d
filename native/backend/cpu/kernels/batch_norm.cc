// A strip of `width` vectors of columns is walked down three times: sums, squared deviations, output. At 128 rows a
// strip is 32 KiB at most, so the second and third walk find it in the first-level cache.

#include "backend/cpu/kernels/batch_norm.h"

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

// Rows that are summed in float32 before they go into a float64.
constexpr std::int64_t float_run = 64;

// A column strip of up to `lanes` columns: whole vectors are loaded as such, the last partial one element by element.
struct Whole {
  ONELOGIT_INLINE VectorF get(const float* p) const { return load(p); }
  ONELOGIT_INLINE void put(float* p, VectorF v) const { store(p, v); }
};
struct Partial {
  std::int64_t count;
  ONELOGIT_INLINE VectorF get(const float* p) const { return load_partial(p, count, 0.0f); }
  ONELOGIT_INLINE void put(float* p, VectorF v) const { store_partial(p, v, count); }
};

// Σ_i f(i) over the rows for `width` vectors of columns.
template <int width, class F>
ONELOGIT_INLINE void sum_rows(std::int64_t m, VectorD (&total)[width], F&& f) {
  for (int w = 0; w < width; ++w) total[w] = VectorD{};
  for (std::int64_t i = 0; i < m;) {
    const std::int64_t end = i + float_run < m ? i + float_run : m;
    VectorF part[width] = {};
    for (; i < end; ++i)
      for (int w = 0; w < width; ++w) part[w] += f(i, w);
    for (int w = 0; w < width; ++w) total[w] += __builtin_convertvector(part[w], VectorD);
  }
}

template <int width, class Access>
ONELOGIT_INLINE void training_strip(const BatchNormTraining& p, std::int64_t column, const Access access) {
  const float* x = p.x + column;
  float* y = p.y + column;
  const double m = static_cast<double>(p.m);
  VectorD total[width];
  sum_rows<width>(p.m, total, [&](std::int64_t i, int w) { return access.get(x + i * p.features + w * lanes); });
  VectorF mean[width], scale[width], beta[width];
  for (int w = 0; w < width; ++w) mean[w] = __builtin_convertvector(total[w] / m, VectorF);
  sum_rows<width>(p.m, total, [&](std::int64_t i, int w) {
    const VectorF d = access.get(x + i * p.features + w * lanes) - mean[w];
    return d * d;
  });
  for (int w = 0; w < width; ++w) {
    const std::int64_t j = column + w * lanes;
    const VectorF variance = __builtin_convertvector(total[w] / m, VectorF);
    const VectorF unbiased = p.m > 1 ? __builtin_convertvector(total[w] / (m - 1.0), VectorF) : variance;
    const VectorF inverse = 1.0f / square_root(variance + p.epsilon);
    access.put(p.saved_mean + j, mean[w]);
    access.put(p.saved_inverse_deviation + j, inverse);
    const VectorF old_mean = access.get(p.running_mean + j), old_variance = access.get(p.running_variance + j);
    access.put(p.running_mean + j, old_mean + p.momentum * (mean[w] - old_mean));
    access.put(p.running_variance + j, old_variance + p.momentum * (unbiased - old_variance));
    scale[w] = access.get(p.gamma + j) * inverse;
    beta[w] = access.get(p.beta + j);
  }
  for (std::int64_t i = 0; i < p.m; ++i)
    for (int w = 0; w < width; ++w) {
      const std::int64_t at = i * p.features + w * lanes;
      access.put(y + at, (access.get(x + at) - mean[w]) * scale[w] + beta[w]);
    }
}

template <int width, class Access>
ONELOGIT_INLINE void backward_strip(const BatchNormBackward& p, std::int64_t column, const Access access) {
  const float* x = p.x + column;
  const float* dy = p.dy + column;
  float* dx = p.dx + column;
  VectorF mean[width], inverse[width];
  for (int w = 0; w < width; ++w) {
    mean[w] = access.get(p.saved_mean + column + w * lanes);
    inverse[w] = access.get(p.saved_inverse_deviation + column + w * lanes);
  }
  VectorD sum_dy[width], sum_dy_x[width];
  sum_rows<width>(p.m, sum_dy, [&](std::int64_t i, int w) { return access.get(dy + i * p.features + w * lanes); });
  sum_rows<width>(p.m, sum_dy_x, [&](std::int64_t i, int w) {
    const std::int64_t at = i * p.features + w * lanes;
    return access.get(dy + at) * ((access.get(x + at) - mean[w]) * inverse[w]);
  });
  // dx = gamma/deviation · (dy − mean(dy) − xhat · mean(dy·xhat))
  const double m = static_cast<double>(p.m);
  VectorF scale[width], mean_dy[width], mean_dy_x[width];
  for (int w = 0; w < width; ++w) {
    const std::int64_t j = column + w * lanes;
    access.put(p.dbeta + j, __builtin_convertvector(sum_dy[w], VectorF));
    access.put(p.dgamma + j, __builtin_convertvector(sum_dy_x[w], VectorF));
    mean_dy[w] = __builtin_convertvector(sum_dy[w] / m, VectorF);
    mean_dy_x[w] = __builtin_convertvector(sum_dy_x[w] / m, VectorF) * inverse[w];
    scale[w] = access.get(p.gamma + j) * inverse[w];
  }
  for (std::int64_t i = 0; i < p.m; ++i)
    for (int w = 0; w < width; ++w) {
      const std::int64_t at = i * p.features + w * lanes;
      const VectorF deviation = access.get(x + at) - mean[w];
      access.put(dx + at, scale[w] * (access.get(dy + at) - mean_dy[w] - deviation * mean_dy_x[w]));
    }
}

void training(const BatchNormTraining& pass, std::int64_t begin, std::int64_t end) {
  std::int64_t column = begin;
  for (; column + 4 * lanes <= end; column += 4 * lanes) training_strip<4>(pass, column, Whole{});
  for (; column + lanes <= end; column += lanes) training_strip<1>(pass, column, Whole{});
  if (column < end) training_strip<1>(pass, column, Partial{end - column});
}

void backward(const BatchNormBackward& pass, std::int64_t begin, std::int64_t end) {
  std::int64_t column = begin;
  for (; column + 2 * lanes <= end; column += 2 * lanes) backward_strip<2>(pass, column, Whole{});
  for (; column + lanes <= end; column += lanes) backward_strip<1>(pass, column, Whole{});
  if (column < end) backward_strip<1>(pass, column, Partial{end - column});
}

template <class Access>
ONELOGIT_INLINE void inference_strip(const BatchNormInference& p, std::int64_t column, std::int64_t row_begin,
                                     std::int64_t row_end, const Access access) {
  const VectorF mean = access.get(p.running_mean + column), beta = access.get(p.beta + column);
  const VectorF scale = access.get(p.gamma + column) / square_root(access.get(p.running_variance + column) + p.epsilon);
  for (std::int64_t i = row_begin; i < row_end; ++i) {
    const std::int64_t at = i * p.features + column;
    access.put(p.y + at, (access.get(p.x + at) - mean) * scale + beta);
  }
}

void inference(const BatchNormInference& pass, std::int64_t row_begin, std::int64_t row_end) {
  std::int64_t column = 0;
  for (; column + lanes <= pass.features; column += lanes) inference_strip(pass, column, row_begin, row_end, Whole{});
  if (column < pass.features) inference_strip(pass, column, row_begin, row_end, Partial{pass.features - column});
}

}  // namespace

const BatchNormKernels batch_norm_kernels_table = {training, inference, backward};

}  // namespace onelogit::ONELOGIT_SIMD
