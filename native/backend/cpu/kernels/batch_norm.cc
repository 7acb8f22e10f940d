// A strip of `width` vectors of columns is walked down three times: sums, squared deviations, output. At 128 rows a
// strip is 32 KiB at most, so the second and third walk find it in the first-level cache.

#include "backend/cpu/kernels/batch_norm.h"

#include "backend/cpu/kernels/simd.h"
#include "backend/cpu/kernels/strip.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

// Rows that are summed in float32 before they go into a float64.
constexpr std::int64_t float_run = 64;

// total[s][w] = Σ_i f(i, w, s): `sums` sums over the rows for `width` vectors of columns.
template <int sums, int width, class F>
ONELOGIT_INLINE void sum_rows(std::int64_t m, VectorD (&total)[sums][width], F&& f) {
  for (int s = 0; s < sums; ++s)
    for (int w = 0; w < width; ++w) total[s][w] = VectorD{};
  for (std::int64_t i = 0; i < m;) {
    const std::int64_t end = i + float_run < m ? i + float_run : m;
    VectorF part[sums][width] = {};
    for (; i < end; ++i)
      for (int w = 0; w < width; ++w)
        for (int s = 0; s < sums; ++s) part[s][w] += f(i, w, s);
    for (int s = 0; s < sums; ++s)
      for (int w = 0; w < width; ++w) total[s][w] += __builtin_convertvector(part[s][w], VectorD);
  }
}

// The mean is rounded to float32, and deviations are taken from that. Their own mean, about an ulp of the mean, is
// taken away again: where a feature varies by little compared with its mean it would be a large part of each deviation.

template <int width, class Access>
ONELOGIT_INLINE void training_strip(const BatchNormTraining& p, std::int64_t column, const Access access) {
  const float* x = p.x + column;
  float* y = p.y + column;
  const double m = static_cast<double>(p.m);
  VectorD total[1][width];
  sum_rows<1, width>(p.m, total,
                     [&](std::int64_t i, int w, int) { return access.get(x + i * p.features + w * lanes); });
  VectorF mean[width], rest[width], scale[width], beta[width];
  for (int w = 0; w < width; ++w) mean[w] = __builtin_convertvector(total[0][w] / m, VectorF);
  VectorD moments[2][width];  // of the deviations
  sum_rows<2, width>(p.m, moments, [&](std::int64_t i, int w, int power) {
    const VectorF d = access.get(x + i * p.features + w * lanes) - mean[w];
    return power == 0 ? d : d * d;
  });
  for (int w = 0; w < width; ++w) {
    const std::int64_t j = column + w * lanes;
    const VectorD mean_deviation = moments[0][w] / m;
    const VectorD squares = moments[1][w] - mean_deviation * moments[0][w];
    const VectorF variance = __builtin_convertvector(squares / m, VectorF);
    const VectorF unbiased = p.m > 1 ? __builtin_convertvector(squares / (m - 1.0), VectorF) : variance;
    const VectorF inverse = 1.0f / square_root(variance + p.epsilon);
    access.put(p.saved_mean + j, mean[w]);
    access.put(p.saved_inverse_deviation + j, inverse);
    const VectorF old_mean = access.get(p.running_mean + j), old_variance = access.get(p.running_variance + j);
    access.put(p.running_mean + j, old_mean + p.momentum * (mean[w] - old_mean));
    access.put(p.running_variance + j, old_variance + p.momentum * (unbiased - old_variance));
    rest[w] = __builtin_convertvector(mean_deviation, VectorF);
    scale[w] = access.get(p.gamma + j) * inverse;
    beta[w] = access.get(p.beta + j);
  }
  for (std::int64_t i = 0; i < p.m; ++i)
    for (int w = 0; w < width; ++w) {
      const std::int64_t at = i * p.features + w * lanes;
      access.put(y + at, (access.get(x + at) - mean[w] - rest[w]) * scale[w] + beta[w]);
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
  // Over the examples: Σ dy, Σ deviation, Σ dy · deviation.
  VectorD total[3][width];
  sum_rows<3, width>(p.m, total, [&](std::int64_t i, int w, int what) {
    const std::int64_t at = i * p.features + w * lanes;
    const VectorF deviation = access.get(x + at) - mean[w];
    return what == 0 ? access.get(dy + at) : what == 1 ? deviation : access.get(dy + at) * deviation;
  });
  // dx = gamma/σ · (dy − mean(dy) − xhat · mean(dy·xhat)) with xhat = deviation/σ
  const double m = static_cast<double>(p.m);
  VectorF scale[width], rest[width], mean_dy[width], slope[width];
  for (int w = 0; w < width; ++w) {
    const std::int64_t j = column + w * lanes;
    const VectorD mean_deviation = total[1][w] / m;
    const VectorD sum_dy_deviation = total[2][w] - mean_deviation * total[0][w];
    access.put(p.dbeta + j, __builtin_convertvector(total[0][w], VectorF));
    access.put(p.dgamma + j, __builtin_convertvector(sum_dy_deviation, VectorF) * inverse[w]);
    rest[w] = __builtin_convertvector(mean_deviation, VectorF);
    mean_dy[w] = __builtin_convertvector(total[0][w] / m, VectorF);
    slope[w] = __builtin_convertvector(sum_dy_deviation / m, VectorF) * inverse[w] * inverse[w];
    scale[w] = access.get(p.gamma + j) * inverse[w];
  }
  for (std::int64_t i = 0; i < p.m; ++i)
    for (int w = 0; w < width; ++w) {
      const std::int64_t at = i * p.features + w * lanes;
      const VectorF deviation = access.get(x + at) - mean[w] - rest[w];
      access.put(dx + at, scale[w] * (access.get(dy + at) - mean_dy[w] - deviation * slope[w]));
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
