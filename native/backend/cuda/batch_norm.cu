// A block for a strip of features, all m rows of it: statistics in one pass over memory, the output in a second one
// that finds the strip in the cache. Where there are many more rows than features, statistics of parts, what they come
// to, and the output are a launch each. Sums of two large numbers that nearly cancel are never formed: each run of rows
// is measured from its own mean, and what runs and threads found is merged (Chan, Golub and LeVeque 1979).

#include "backend/cuda/batch_norm.h"

#include <cmath>

#include "backend/cuda/column_parts.h"
#include "backend/cuda/pack.h"

namespace onelogit::cuda {
namespace {

// Of some rows of a feature: how many, their mean, the sum of their squared deviations from it.
struct Moments {
  double count, mean, squares;
};

struct MergeMoments {
  __device__ __forceinline__ Moments operator()(const Moments& a, const Moments& b) const {
    if (b.count == 0) return a;  // a later row of threads never has more than an earlier one
    const double count = a.count + b.count, share = b.count / count, distance = b.mean - a.mean;
    return {count, a.mean + distance * share, a.squares + b.squares + distance * distance * a.count * share};
  }
};

// x is a column. What varies between the means of runs is counted from the first run's.
__device__ __forceinline__ Moments thread_moments(const float* x, std::int64_t m, std::int64_t features) {
  float first = 0;
  double count = 0, sum = 0, squares = 0;
  for_each_run(m, [&](std::int64_t row, int rows) {
    float value[row_run], total = 0;
    for (int k = 0; k < row_run; ++k) {
      value[k] = k < rows ? x[(row + static_cast<std::int64_t>(k) * blockDim.y) * features] : 0.0f;
      total += value[k];
    }
    const auto length = static_cast<float>(rows);
    const float mean = total / length;
    // Of the deviations: their sum is what rounding of the mean has left.
    float deviations = 0, deviation_squares = 0;
    for (int k = 0; k < row_run; ++k) {
      const float deviation = k < rows ? value[k] - mean : 0.0f;
      deviations += deviation;
      deviation_squares += deviation * deviation;
    }
    if (count == 0) first = mean;
    const float rest = deviations / length;
    const double weight = static_cast<double>(rows);
    const double distance = static_cast<double>(mean) - static_cast<double>(first) + static_cast<double>(rest);
    count += weight;
    sum += weight * distance;
    squares += static_cast<double>(deviation_squares - deviations * rest) + weight * distance * distance;
  });
  if (count == 0) return {0, 0, 0};
  const double distance = sum / count;
  return {count, static_cast<double>(first) + distance, squares - sum * distance};
}

// What is written of a feature, and what its output takes. The mean that is saved is rounded to float32; what rounding
// took from it is subtracted from deviations on its own: where a feature varies by little compared with its mean it
// would be a large part of each.
struct Statistics {
  float *running_mean, *running_variance, *saved_mean, *saved_inverse_deviation;
  float epsilon, momentum;
};
struct Normalised {
  float mean, rest, inverse;
};
__device__ __forceinline__ Normalised normalised(const Moments& moments, std::int64_t m, float epsilon) {
  const auto mean = static_cast<float>(moments.mean);
  const auto variance = static_cast<float>(moments.squares / static_cast<double>(m));
  return {mean, static_cast<float>(moments.mean - static_cast<double>(mean)), 1.0f / sqrtf(variance + epsilon)};
}
__device__ __forceinline__ void save(const Moments& moments, const Normalised& feature, std::int64_t m,
                                     const Statistics& to, std::int64_t column) {
  const double degrees = static_cast<double>(m > 1 ? m - 1 : m);
  const auto unbiased = static_cast<float>(moments.squares / degrees);
  to.saved_mean[column] = feature.mean;
  to.saved_inverse_deviation[column] = feature.inverse;
  to.running_mean[column] += to.momentum * (feature.mean - to.running_mean[column]);
  to.running_variance[column] += to.momentum * (unbiased - to.running_variance[column]);
}

__global__ void training_kernel(const float* x, const float* gamma, const float* beta, Statistics to, float* y,
                                std::int64_t m, std::int64_t features) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const bool inside = column < features;
  const Moments moments =
      reduce_column(inside ? thread_moments(x + column, m, features) : Moments{0, 0, 0}, MergeMoments());
  if (!inside) return;
  const Normalised feature = normalised(moments, m, to.epsilon);
  if (threadIdx.y == 0) save(moments, feature, m, to, column);
  const float scale = gamma[column] * feature.inverse, shift = beta[column];
  for_each_row(m, [&](std::int64_t row) {
    const std::int64_t at = row * features + column;
    y[at] = (x[at] - feature.mean - feature.rest) * scale + shift;
  });
}

__global__ void moments_of_parts_kernel(const float* x, Moments* parts, std::int64_t rows, std::int64_t m,
                                        std::int64_t features) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const bool inside = column < features;
  const PartRows part = part_rows(m, rows);
  const Moments moments =
      reduce_column(inside ? thread_moments(x + part.first * features + column, part.rows, features) : Moments{0, 0, 0},
                    MergeMoments());
  if (inside && threadIdx.y == 0) parts[blockIdx.y * features + column] = moments;
}

// rest: features, of each mean.
__global__ void merge_moments_kernel(const Moments* parts, std::int64_t count, Statistics to, float* rest,
                                     std::int64_t m, std::int64_t features) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const Moments moments = merge_parts(parts, count, column, features, Moments{0, 0, 0}, MergeMoments());
  if (column >= features || threadIdx.y != 0) return;
  const Normalised feature = normalised(moments, m, to.epsilon);
  save(moments, feature, m, to, column);
  rest[column] = feature.rest;
}

// n columns a thread.
template <int n>
__global__ void normalise_kernel(const float* x, const float* gamma, const float* beta, const float* saved_mean,
                                 const float* rest, const float* saved_inverse_deviation, float* y, std::int64_t m,
                                 std::int64_t features) {
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * n;
  if (column >= features) return;
  float mean[n], left[n], scale[n], shift[n];
  for (int k = 0; k < n; ++k) {
    mean[k] = saved_mean[column + k];
    left[k] = rest[column + k];
    scale[k] = gamma[column + k] * saved_inverse_deviation[column + k];
    shift[k] = beta[column + k];
  }
  for_each_row(m, [&](std::int64_t row) {
    const std::int64_t at = row * features + column;
    Pack<float, n> pack = load_pack<n>(x + at);
    for (int k = 0; k < n; ++k) pack.at[k] = (pack.at[k] - mean[k] - left[k]) * scale[k] + shift[k];
    store_pack(y + at, pack);
  });
}

// n columns a thread.
template <int n>
__global__ void inference_kernel(const float* x, const float* gamma, const float* beta, float epsilon,
                                 const float* running_mean, const float* running_variance, float* y, std::int64_t m,
                                 std::int64_t features) {
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * n;
  if (column >= features) return;
  float mean[n], scale[n], shift[n];
  for (int k = 0; k < n; ++k) {
    mean[k] = running_mean[column + k];
    scale[k] = gamma[column + k] / sqrtf(running_variance[column + k] + epsilon);
    shift[k] = beta[column + k];
  }
  for_each_row(m, [&](std::int64_t row) {
    const std::int64_t at = row * features + column;
    Pack<float, n> pack = load_pack<n>(x + at);
    for (int k = 0; k < n; ++k) pack.at[k] = (pack.at[k] - mean[k]) * scale[k] + shift[k];
    store_pack(y + at, pack);
  });
}

// Over rows: Σ dy, Σ deviation, Σ dy · deviation, with deviations from the saved mean.
struct BackwardSums {
  double dy, deviation, product;
};
struct AddBackwardSums {
  __device__ __forceinline__ BackwardSums operator()(const BackwardSums& a, const BackwardSums& b) const {
    return {a.dy + b.dy, a.deviation + b.deviation, a.product + b.product};
  }
};

__device__ __forceinline__ BackwardSums thread_sums(const float* x, const float* dy, float mean, std::int64_t m,
                                                    std::int64_t features) {
  BackwardSums sums{0, 0, 0};
  for_each_run(m, [&](std::int64_t row, int rows) {
    float gradients = 0, deviations = 0, products = 0;
    for (int k = 0; k < row_run; ++k) {
      if (k >= rows) continue;
      const std::int64_t at = (row + static_cast<std::int64_t>(k) * blockDim.y) * features;
      const float deviation = x[at] - mean, gradient = dy[at];
      gradients += gradient;
      deviations += deviation;
      products += gradient * deviation;
    }
    sums.dy += static_cast<double>(gradients);
    sums.deviation += static_cast<double>(deviations);
    sums.product += static_cast<double>(products);
  });
  return sums;
}

// What dx of a feature takes: dx = gamma/σ · (dy − mean(dy) − xhat · mean(dy·xhat)) with xhat = deviation/σ.
struct Slopes {
  float rest, mean_dy, slope;
};
__device__ __forceinline__ Slopes finish_sums(const BackwardSums& sums, float inverse, float* dgamma, float* dbeta,
                                              bool write, std::int64_t m, std::int64_t column) {
  const double rows = static_cast<double>(m), mean_deviation = sums.deviation / rows;
  const double product = sums.product - mean_deviation * sums.dy;
  if (write) {
    dbeta[column] = static_cast<float>(sums.dy);
    dgamma[column] = static_cast<float>(product) * inverse;
  }
  return {static_cast<float>(mean_deviation), static_cast<float>(sums.dy / rows),
          static_cast<float>(product / rows) * inverse * inverse};
}

// All sums of a strip are there before any of its dx is written: dx may be dy.
__global__ void backward_kernel(const float* x, const float* dy, const float* gamma, const float* saved_mean,
                                const float* saved_inverse_deviation, float* dx, float* dgamma, float* dbeta,
                                std::int64_t m, std::int64_t features) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const bool inside = column < features;
  const float mean = inside ? saved_mean[column] : 0.0f;
  const BackwardSums sums = reduce_column(
      inside ? thread_sums(x + column, dy + column, mean, m, features) : BackwardSums{0, 0, 0}, AddBackwardSums());
  if (!inside) return;
  const float inverse = saved_inverse_deviation[column];
  const Slopes by = finish_sums(sums, inverse, dgamma, dbeta, threadIdx.y == 0, m, column);
  const float scale = gamma[column] * inverse;
  for_each_row(m, [&](std::int64_t row) {
    const std::int64_t at = row * features + column;
    dx[at] = scale * (dy[at] - by.mean_dy - (x[at] - mean - by.rest) * by.slope);
  });
}

__global__ void sums_of_parts_kernel(const float* x, const float* dy, const float* saved_mean, BackwardSums* parts,
                                     std::int64_t rows, std::int64_t m, std::int64_t features) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const bool inside = column < features;
  const PartRows part = part_rows(m, rows);
  const std::int64_t at = part.first * features + column;
  const BackwardSums sums = reduce_column(
      inside ? thread_sums(x + at, dy + at, saved_mean[column], part.rows, features) : BackwardSums{0, 0, 0},
      AddBackwardSums());
  if (inside && threadIdx.y == 0) parts[blockIdx.y * features + column] = sums;
}

__global__ void merge_sums_kernel(const BackwardSums* parts, std::int64_t count, const float* saved_inverse_deviation,
                                  Slopes* slopes, float* dgamma, float* dbeta, std::int64_t m, std::int64_t features) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const BackwardSums sums = merge_parts(parts, count, column, features, BackwardSums{0, 0, 0}, AddBackwardSums());
  if (column < features && threadIdx.y == 0)
    slopes[column] = finish_sums(sums, saved_inverse_deviation[column], dgamma, dbeta, true, m, column);
}

// n columns a thread.
template <int n>
__global__ void gradient_kernel(const float* x, const float* dy, const float* gamma, const float* saved_mean,
                                const float* saved_inverse_deviation, const Slopes* slopes, float* dx, std::int64_t m,
                                std::int64_t features) {
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * n;
  if (column >= features) return;
  float mean[n], scale[n];
  Slopes by[n];
  for (int k = 0; k < n; ++k) {
    mean[k] = saved_mean[column + k];
    scale[k] = gamma[column + k] * saved_inverse_deviation[column + k];
    by[k] = slopes[column + k];
  }
  for_each_row(m, [&](std::int64_t row) {
    const std::int64_t at = row * features + column;
    const Pack<float, n> input = load_pack<n>(x + at);
    Pack<float, n> pack = load_pack<n>(dy + at);
    for (int k = 0; k < n; ++k)
      pack.at[k] = scale[k] * (pack.at[k] - by[k].mean_dy - (input.at[k] - mean[k] - by[k].rest) * by[k].slope);
    store_pack(dx + at, pack);
  });
}

template <int n>
void launch_inference(cudaStream_t stream, const float* x, const float* gamma, const float* beta, float epsilon,
                      const float* running_mean, const float* running_variance, float* y, std::int64_t m,
                      std::int64_t features) {
  const MatrixThreads threads = matrix_threads(m, features / n);
  launch("batch_norm_forward_inference", inference_kernel<n>, threads.grid, threads.block, 0, stream, x, gamma, beta,
         epsilon, running_mean, running_variance, y, m, features);
}

}  // namespace

void batch_norm_forward_training(cudaStream_t stream, ColumnScratch& scratch, const float* x, const float* gamma,
                                 const float* beta, float epsilon, float momentum, float* running_mean,
                                 float* running_variance, float* saved_mean, float* saved_inverse_deviation, float* y,
                                 std::int64_t m, std::int64_t features) {
  if (m == 0 || features == 0) return;
  constexpr const char* name = "batch_norm_forward_training";
  constexpr std::size_t shared = column_reduce_bytes<Moments>;
  const Statistics to{running_mean, running_variance, saved_mean, saved_inverse_deviation, epsilon, momentum};
  const ColumnParts parts = column_parts(m, features);
  if (parts.count == 1) {
    launch(name, training_kernel, parts.threads.grid, parts.threads.block, shared, stream, x, gamma, beta, to, y, m,
           features);
    return;
  }
  const std::lock_guard<std::mutex> lock(scratch.mutex);
  auto* const moments = parts_memory<Moments>(scratch);
  float* const rest = after_parts<Moments>(scratch, parts, features);
  launch(name, moments_of_parts_kernel, parts.threads.grid, parts.threads.block, shared, stream, x, moments, parts.rows,
         m, features);
  launch(name, merge_moments_kernel, parts.strips(), parts.threads.block, shared, stream, moments, parts.count, to,
         rest, m, features);
  const bool packs = features % 4 == 0 && is_aligned<4>(x) && is_aligned<4>(y);
  const MatrixThreads threads = matrix_threads(m, packs ? features / 4 : features);
  launch(name, packs ? normalise_kernel<4> : normalise_kernel<1>, threads.grid, threads.block, 0, stream, x, gamma,
         beta, saved_mean, rest, saved_inverse_deviation, y, m, features);
}

void batch_norm_forward_inference(cudaStream_t stream, const float* x, const float* gamma, const float* beta,
                                  float epsilon, const float* running_mean, const float* running_variance, float* y,
                                  std::int64_t m, std::int64_t features) {
  if (m == 0 || features == 0) return;
  const bool packs = features % 4 == 0 && is_aligned<4>(x) && is_aligned<4>(y);
  (packs ? launch_inference<4> : launch_inference<1>)(stream, x, gamma, beta, epsilon, running_mean, running_variance,
                                                      y, m, features);
}

void batch_norm_backward(cudaStream_t stream, ColumnScratch& scratch, const float* x, const float* dy,
                         const float* gamma, const float* saved_mean, const float* saved_inverse_deviation, float* dx,
                         float* dgamma, float* dbeta, std::int64_t m, std::int64_t features) {
  if (features == 0) return;
  if (m == 0) {
    const std::size_t bytes = static_cast<std::size_t>(features) * sizeof(float);
    check(cudaMemsetAsync(dgamma, 0, bytes, stream), "batch_norm_backward");
    check(cudaMemsetAsync(dbeta, 0, bytes, stream), "batch_norm_backward");
    return;
  }
  constexpr const char* name = "batch_norm_backward";
  constexpr std::size_t shared = column_reduce_bytes<BackwardSums>;
  const ColumnParts parts = column_parts(m, features);
  if (parts.count == 1) {
    launch(name, backward_kernel, parts.threads.grid, parts.threads.block, shared, stream, x, dy, gamma, saved_mean,
           saved_inverse_deviation, dx, dgamma, dbeta, m, features);
    return;
  }
  const std::lock_guard<std::mutex> lock(scratch.mutex);
  auto* const sums = parts_memory<BackwardSums>(scratch);
  auto* const slopes = reinterpret_cast<Slopes*>(after_parts<BackwardSums>(scratch, parts, features));
  launch(name, sums_of_parts_kernel, parts.threads.grid, parts.threads.block, shared, stream, x, dy, saved_mean, sums,
         parts.rows, m, features);
  launch(name, merge_sums_kernel, parts.strips(), parts.threads.block, shared, stream, sums, parts.count,
         saved_inverse_deviation, slopes, dgamma, dbeta, m, features);
  const bool packs = features % 4 == 0 && is_aligned<4>(x) && is_aligned<4>(dy) && is_aligned<4>(dx);
  const MatrixThreads threads = matrix_threads(m, packs ? features / 4 : features);
  launch(name, packs ? gradient_kernel<4> : gradient_kernel<1>, threads.grid, threads.block, 0, stream, x, dy, gamma,
         saved_mean, saved_inverse_deviation, slopes, dx, m, features);
}

}  // namespace onelogit::cuda
