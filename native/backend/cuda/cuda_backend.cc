#include "backend/cuda/cuda_backend.h"

#include <algorithm>

#include "backend/cuda/batch_norm.h"
#include "backend/cuda/count_correct.h"
#include "backend/cuda/cuda_loss.h"
#include "backend/cuda/dense.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/embedding.h"
#include "backend/cuda/embedding_training.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "backend/cuda/linear_loss/linear_loss_training.h"
#include "backend/cuda/score_column.h"

namespace onelogit {
namespace {

// A bfloat16 weight is converted so many bytes at a time.
constexpr std::int64_t widened_bytes = std::int64_t{16} << 20;

std::size_t cache_bytes() {
  cudaDeviceProp properties;
  cuda::check(cudaGetDeviceProperties(&properties, 0), "device 0");
  return static_cast<std::size_t>(properties.l2CacheSize);
}

}  // namespace

CudaBackend::Stream::Stream() {
  cuda::check(cudaSetDevice(0), "device 0");
  cuda::check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "a stream");
}
CudaBackend::Stream::~Stream() { static_cast<void>(cudaStreamDestroy(handle)); }

CudaBackend::CudaBackend(Precision precision, std::size_t convolution_workspace)
    : stream_(own_stream_.handle),
      queue_(std::make_unique<cuda::Queue>(stream_, cache_bytes(), precision)),
      convolutions_(*queue_, convolution_workspace) {}

CudaBackend::~CudaBackend() { static_cast<void>(cudaStreamSynchronize(stream_)); }

void* CudaBackend::allocate(std::size_t bytes) {
  void* memory = nullptr;
  // At least one byte, so that every allocation has an address.
  cuda::check(cudaMalloc(&memory, std::max<std::size_t>(bytes, 1)), "a tensor");
  try {
    zero(memory, bytes);
  } catch (...) {
    release(memory, bytes);
    throw;
  }
  return memory;
}
void CudaBackend::release(void* memory, std::size_t) noexcept { static_cast<void>(cudaFree(memory)); }
void CudaBackend::upload(void* device, const void* host, std::size_t bytes) {
  cuda::check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "a copy to the GPU");
  // Memory that is not pinned may be read after that returns, where the GPU can read it itself.
  cuda::check(cudaStreamSynchronize(stream_), "a copy to the GPU");
}
void CudaBackend::download(void* host, const void* device, std::size_t bytes) {
  cuda::check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "a copy from the GPU");
  cuda::check(cudaStreamSynchronize(stream_), "what was queued");
}
void CudaBackend::copy(void* to, const void* from, std::size_t bytes) {
  cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "a copy");
}
void CudaBackend::zero(void* memory, std::size_t bytes) {
  cuda::check(cudaMemsetAsync(memory, 0, bytes, stream_), "zeros");
}

void CudaBackend::gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                       float alpha, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta,
                       float* c, std::int64_t ldc) {
  queue_->products.multiply({.transpose_a = transpose_a == Transpose::yes,
                             .transpose_b = transpose_b == Transpose::yes,
                             .m = m,
                             .n = n,
                             .k = k,
                             .alpha = alpha,
                             .a = a,
                             .lda = lda,
                             .b = b,
                             .ldb = ldb,
                             .beta = beta,
                             .c = c,
                             .ldc = ldc});
}

void CudaBackend::dense_forward(const float* x, const float* weight, const float* bias, float* y, std::int64_t m,
                                std::int64_t inputs, std::int64_t outputs) {
  gemm(Transpose::no, Transpose::yes, m, outputs, inputs, 1.0f, x, inputs, weight, inputs, 0.0f, y, outputs);
  if (bias != nullptr) cuda::add_bias(stream_, bias, y, m, outputs);
}

// y = x · weightᵀ, a few converted rows of the weight after others.
void CudaBackend::multiply_widened(const float* x, const std::uint16_t* weight, float* y, std::int64_t m,
                                   std::int64_t inputs, std::int64_t outputs) {
  const std::lock_guard<std::mutex> lock(widened_mutex_);
  const std::int64_t rows =
      std::clamp<std::int64_t>(widened_bytes / (4 * std::max<std::int64_t>(inputs, 1)), 1, outputs);
  if (const auto size = static_cast<std::size_t>(rows * inputs); widened_.size() < size)
    widened_ = cuda::DeviceBuffer<float>(size, "rows of a bfloat16 weight");
  for (std::int64_t first = 0; first < outputs; first += rows) {
    const std::int64_t n = std::min(rows, outputs - first);
    cuda::bfloat16_to_float32(stream_, weight + first * inputs, widened_.data(), n * inputs);
    gemm(Transpose::no, Transpose::yes, m, n, inputs, 1.0f, x, inputs, widened_.data(), inputs, 0.0f, y + first,
         outputs);
  }
}

void CudaBackend::dense_forward_bfloat16(const float* x, const std::uint16_t* weight, const float* bias, float* y,
                                         std::int64_t m, std::int64_t inputs, std::int64_t outputs) {
  if (queue_->products.precision() == Precision::bfloat16) {
    queue_->products.multiply({.transpose_b = true,
                               .m = m,
                               .n = outputs,
                               .k = inputs,
                               .a = x,
                               .lda = inputs,
                               .b = weight,
                               .b_type = cuda::CublasType::bfloat16,
                               .ldb = inputs,
                               .c = y,
                               .ldc = outputs});
  } else {
    multiply_widened(x, weight, y, m, inputs, outputs);
  }
  if (bias != nullptr) cuda::add_bias(stream_, bias, y, m, outputs);
}

void CudaBackend::dense_backward_input(const float* dy, const float* weight, float* dx, std::int64_t m,
                                       std::int64_t inputs, std::int64_t outputs) {
  gemm(Transpose::no, Transpose::no, m, inputs, outputs, 1.0f, dy, outputs, weight, inputs, 0.0f, dx, inputs);
}

void CudaBackend::dense_backward_weight(const float* x, const float* dy, float* dweight, float* dbias, std::int64_t m,
                                        std::int64_t inputs, std::int64_t outputs) {
  gemm(Transpose::yes, Transpose::no, outputs, inputs, m, 1.0f, dy, outputs, x, inputs, 0.0f, dweight, inputs);
  if (dbias != nullptr) cuda::column_sums(stream_, queue_->scratch, dy, dbias, m, outputs);
}

void CudaBackend::batch_norm_forward_training(const float* x, const float* gamma, const float* beta, float epsilon,
                                              float momentum, float* running_mean, float* running_variance,
                                              float* saved_mean, float* saved_inverse_deviation, float* y,
                                              std::int64_t m, std::int64_t features) {
  cuda::batch_norm_forward_training(stream_, queue_->scratch, x, gamma, beta, epsilon, momentum, running_mean,
                                    running_variance, saved_mean, saved_inverse_deviation, y, m, features);
}
void CudaBackend::batch_norm_forward_inference(const float* x, const float* gamma, const float* beta, float epsilon,
                                               const float* running_mean, const float* running_variance, float* y,
                                               std::int64_t m, std::int64_t features) {
  cuda::batch_norm_forward_inference(stream_, x, gamma, beta, epsilon, running_mean, running_variance, y, m, features);
}
void CudaBackend::batch_norm_backward(const float* x, const float* dy, const float* gamma, const float* saved_mean,
                                      const float* saved_inverse_deviation, float* dx, float* dgamma, float* dbeta,
                                      std::int64_t m, std::int64_t features) {
  cuda::batch_norm_backward(stream_, queue_->scratch, x, dy, gamma, saved_mean, saved_inverse_deviation, dx, dgamma,
                            dbeta, m, features);
}

void CudaBackend::relu_forward(const float* x, float* y, std::int64_t size) { cuda::relu_forward(stream_, x, y, size); }
void CudaBackend::relu_backward(const float* y, const float* dy, float* dx, std::int64_t size) {
  cuda::relu_backward(stream_, y, dy, dx, size);
}
void CudaBackend::add(const float* a, const float* b, float* y, std::int64_t size) {
  cuda::add(stream_, a, b, y, size);
}
void CudaBackend::dropout(const float* x, float* y, std::int64_t size, float rate, std::uint64_t seed,
                          std::uint64_t step) {
  queue_->step.set(step);
  cuda::dropout(stream_, x, y, size, rate, seed, queue_->step.values());
}
void CudaBackend::softmax_forward(const float* x, float* y, std::int64_t m, std::int64_t n) {
  cuda::softmax_forward(stream_, x, y, m, n);
}
void CudaBackend::softmax_backward(const float* y, const float* dy, float* dx, std::int64_t m, std::int64_t n) {
  cuda::softmax_backward(stream_, y, dy, dx, m, n);
}

void CudaBackend::embedding_forward(const std::int32_t* ids, const float* table, float* y, std::int64_t n,
                                    std::int64_t columns) {
  cuda::embedding_forward(stream_, ids, table, y, n, columns);
}
std::unique_ptr<EmbeddingTraining> CudaBackend::make_embedding_training(const ParameterRows& table,
                                                                        const OptimizerSpec& optimizer) {
  return cuda::make_embedding_training(*queue_, table, optimizer);
}

std::unique_ptr<LossKernel> CudaBackend::make_loss(const LossSpec& spec, std::int64_t classes,
                                                   std::int64_t max_examples) {
  return cuda::make_cuda_loss(stream_, queue_->step, spec, classes, max_examples);
}

std::unique_ptr<LinearLossKernel> CudaBackend::make_linear_loss(const LossSpec& spec, std::int64_t max_examples,
                                                                std::int64_t features, std::int64_t classes,
                                                                std::size_t workspace_bytes) {
  return cuda::make_cuda_linear_loss(*queue_, {spec, max_examples, features, classes, workspace_bytes});
}

std::unique_ptr<LinearLossTraining> CudaBackend::make_linear_loss_training(const LinearLossTrainingPlan& plan) {
  return cuda::make_cuda_linear_loss_training(*queue_, plan);
}

void CudaBackend::clip_scale(std::span<const ParameterSlice> slices, float clip_norm, const double* more,
                             float* scale) {
  optimizer_.clip_scale(stream_, slices.data(), slices.size(), clip_norm, more, scale);
}
void CudaBackend::optimizer_step(const OptimizerSpec& spec, float learning_rate, std::uint64_t step,
                                 std::span<const ParameterSlice> slices, const float* gradient_scale) {
  queue_->step.set(step - 1, learning_rate);  // there it counts from 0
  optimizer_.step(stream_, spec, queue_->step.values(), slices.data(), slices.size(), gradient_scale);
}

std::unique_ptr<StepRunner> CudaBackend::make_step_runner() {
  return std::make_unique<cuda::StepGraph>(*queue_, step_log_);
}

void CudaBackend::load_examples(const void* source, ExampleType type, const std::int64_t* indices, std::int64_t m,
                                std::int64_t features, const PreprocessingView& preprocessing, float* out) {
  loader_.load_examples(stream_, source, type, indices, m, features, preprocessing, out);
}
void CudaBackend::load_indices(const std::int32_t* source, const std::int64_t* rows, std::int64_t m,
                               std::int64_t length, std::int64_t vocabulary, ExampleNumbers numbers,
                               std::int32_t* out) {
  loader_.load_indices(stream_, source, rows, m, length, vocabulary, numbers, out);
}
void CudaBackend::load_labels(const std::int32_t* labels, std::int64_t m, std::int32_t* out) {
  loader_.load_labels(stream_, labels, m, out);
}
void CudaBackend::count_correct(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                                std::int64_t* count) {
  cuda::count_correct(stream_, logits, labels, m, k, count);
}
void CudaBackend::score_column(const float* hidden, const float* weight_row, float bias, float* out, std::int64_t m,
                               std::int64_t d) {
  cuda::score_column(stream_, hidden, weight_row, bias, out, m, d);
}

}  // namespace onelogit
