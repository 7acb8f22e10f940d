// The operations of backend.h on one GPU: memory is the device's, operations are queued on one stream and done in its
// order, examples and labels copied beside it (batch_copies.h). Host code waits in `download`, and when it is batches
// ahead.
#pragma once

#include <memory>
#include <mutex>

#include "backend/backend.h"
#include "backend/cuda/conv2d.h"
#include "backend/cuda/example_loader.h"
#include "backend/cuda/optimizer.h"
#include "backend/cuda/queue.h"
#include "backend/cuda/step_graph.h"

namespace onelogit {

class CudaBackend : public Backend {
 public:
  // Device 0. Throws ERR_ONELOGIT_CUDA when it cannot be used.
  explicit CudaBackend(Precision precision = Precision::float32,
                       std::size_t convolution_workspace = cuda::Convolutions::default_workspace);
  ~CudaBackend() override;

  std::string_view name() const override { return "cuda"; }

  void* allocate(std::size_t bytes) override;
  void release(void* memory, std::size_t bytes) noexcept override;
  void upload(void* device, const void* host, std::size_t bytes) override;
  void download(void* host, const void* device, std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void zero(void* memory, std::size_t bytes) override;

  void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
            const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c,
            std::int64_t ldc) override;
  void dense_forward(const float* x, const float* weight, const float* bias, float* y, std::int64_t m,
                     std::int64_t inputs, std::int64_t outputs) override;
  void dense_forward_bfloat16(const float* x, const std::uint16_t* weight, const float* bias, float* y, std::int64_t m,
                              std::int64_t inputs, std::int64_t outputs) override;
  void dense_backward_input(const float* dy, const float* weight, float* dx, std::int64_t m, std::int64_t inputs,
                            std::int64_t outputs) override;
  void dense_backward_weight(const float* x, const float* dy, float* dweight, float* dbias, std::int64_t m,
                             std::int64_t inputs, std::int64_t outputs) override;

  void batch_norm_forward_training(const float* x, const float* gamma, const float* beta, float epsilon, float momentum,
                                   float* running_mean, float* running_variance, float* saved_mean,
                                   float* saved_inverse_deviation, float* y, std::int64_t m,
                                   std::int64_t features) override;
  void batch_norm_forward_inference(const float* x, const float* gamma, const float* beta, float epsilon,
                                    const float* running_mean, const float* running_variance, float* y, std::int64_t m,
                                    std::int64_t features) override;
  void batch_norm_backward(const float* x, const float* dy, const float* gamma, const float* saved_mean,
                           const float* saved_inverse_deviation, float* dx, float* dgamma, float* dbeta, std::int64_t m,
                           std::int64_t features) override;

  void relu_forward(const float* x, float* y, std::int64_t size) override;
  void relu_backward(const float* y, const float* dy, float* dx, std::int64_t size) override;
  void dropout(const float* x, float* y, std::int64_t size, float rate, std::uint64_t seed,
               std::uint64_t step) override;
  void softmax_forward(const float* x, float* y, std::int64_t m, std::int64_t n) override;
  void softmax_backward(const float* y, const float* dy, float* dx, std::int64_t m, std::int64_t n) override;

  void add(const float* a, const float* b, float* y, std::int64_t size) override;
  void copy_columns(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                    std::int64_t columns) override;

  void conv2d_forward(const Conv2dGeometry& geometry, const float* x, const float* weight, const float* bias, float* y,
                      std::int64_t m) override;
  void conv2d_backward_input(const Conv2dGeometry& geometry, const float* dy, const float* weight, float* dx,
                             std::int64_t m) override;
  void conv2d_backward_weight(const Conv2dGeometry& geometry, const float* x, const float* dy, float* dweight,
                              float* dbias, std::int64_t m) override;
  std::unique_ptr<Conv2dInference> make_conv2d_inference(const Conv2dGeometry& geometry, const float* weight,
                                                         const float* bias) override;
  void max_pool_forward(const Pool2dGeometry& geometry, const float* x, float* y, std::int32_t* places,
                        std::int64_t m) override;
  void max_pool_backward(const Pool2dGeometry& geometry, const std::int32_t* places, const float* dy, float* dx,
                         std::int64_t m) override;
  void avg_pool_forward(const Pool2dGeometry& geometry, bool count_padding, const float* x, float* y,
                        std::int64_t m) override;
  void avg_pool_backward(const Pool2dGeometry& geometry, bool count_padding, const float* dy, float* dx,
                         std::int64_t m) override;
  void place_images(const float* x, std::int64_t height, std::int64_t width, float* y, std::int64_t out_height,
                    std::int64_t out_width, std::int64_t channels, std::int64_t top, std::int64_t left,
                    std::int64_t m) override;
  void local_response_norm_forward(const LocalResponseNorm& norm, const float* x, float* y, float* scale,
                                   std::int64_t rows, std::int64_t channels) override;
  void local_response_norm_backward(const LocalResponseNorm& norm, const float* x, const float* scale, const float* dy,
                                    float* dx, std::int64_t rows, std::int64_t channels) override;

  void embedding_forward(const std::int32_t* ids, const float* table, float* y, std::int64_t n,
                         std::int64_t columns) override;
  std::unique_ptr<EmbeddingTraining> make_embedding_training(const ParameterRows& table,
                                                             const OptimizerSpec& optimizer) override;

  std::unique_ptr<LossKernel> make_loss(const LossSpec& spec, std::int64_t classes, std::int64_t max_examples) override;
  std::unique_ptr<LinearLossKernel> make_linear_loss(const LossSpec& spec, std::int64_t max_examples,
                                                     std::int64_t features, std::int64_t classes,
                                                     std::size_t workspace_bytes) override;
  std::unique_ptr<LinearLossTraining> make_linear_loss_training(const LinearLossTrainingPlan& plan) override;

  void clip_scale(std::span<const ParameterSlice> slices, float clip_norm, const double* more, float* scale) override;
  void optimizer_step(const OptimizerSpec& spec, float learning_rate, std::uint64_t step,
                      std::span<const ParameterSlice> slices, const float* gradient_scale) override;

  std::unique_ptr<StepRunner> make_step_runner() override;
  StepUse step_use() const override { return step_log_.use(); }

  void load_examples(const void* source, ExampleType type, const std::int64_t* indices, std::int64_t m,
                     std::int64_t features, const PreprocessingView& preprocessing, float* out) override;
  void load_indices(const std::int32_t* source, const std::int64_t* rows, std::int64_t m, std::int64_t length,
                    std::int64_t vocabulary, ExampleNumbers numbers, std::int32_t* out) override;
  void load_labels(const std::int32_t* labels, std::int64_t m, std::int32_t* out) override;
  void count_correct(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                     std::int64_t* count) override;
  void score_column(const float* hidden, const float* weight_row, float bias, float* out, std::int64_t m,
                    std::int64_t d) override;

 private:
  void multiply_widened(const float* x, const std::uint16_t* weight, float* y, std::int64_t m, std::int64_t inputs,
                        std::int64_t outputs);

  // Destroyed after all that is queued on it, and after a constructor that failed.
  struct Stream {
    Stream();
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    cudaStream_t handle = nullptr;
  };

  Stream own_stream_;
  cudaStream_t stream_;
  std::unique_ptr<cuda::Queue> queue_;
  cuda::Convolutions convolutions_;
  cuda::Optimizer optimizer_;
  cuda::StepLog step_log_;
  cuda::ExampleLoader loader_;
  std::mutex widened_mutex_;
  cuda::DeviceBuffer<float> widened_;  // rows of a bfloat16 weight
};

}  // namespace onelogit
