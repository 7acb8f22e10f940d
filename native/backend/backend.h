// The table of operations that a device offers. Everything that touches more than a few thousand numbers goes through
// here; layers, losses and optimizers say what, a backend says how. All matrices are row-major float32 unless stated,
// all pointers are memory of this backend, m is the number of examples. Operations on one backend are ordered (a queue
// on CUDA, synchronous on the CPU); `download` waits. Operations may be called from any one thread at a time per object
// graph; the CPU backend itself may be used from several threads at once. A backend that a shared_ptr owns lives as
// long as anybody has memory of it (tensor/buffer.h); each model on a GPU has its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "backend/images.h"
#include "backend/precision.h"
#include "head/linear_loss.h"
#include "layer/embedding_training.h"
#include "loss/loss.h"
#include "optimizer/optimizer.h"

namespace onelogit {

enum class Transpose { no, yes };

// Element type of examples as they come from the user.
enum class ExampleType { uint8, float32, int32 };
inline std::size_t element_bytes(ExampleType type) { return type == ExampleType::uint8 ? 1 : 4; }

// What the examples of a batch are called in messages: their places in the data that the batch is a part of.
struct ExampleNumbers {
  const std::int64_t* listed = nullptr;  // null: counted from `first`
  std::int64_t first = 0;
  std::int64_t of(std::int64_t i) const { return listed == nullptr ? first + i : listed[i]; }
};

// x → (x · scale − mean_c) / standard_deviation_c, c the position modulo `channels` (the last axis of the example).
struct PreprocessingView {
  float scale = 1.0f;
  std::int64_t channels = 0;                  // 0: no mean and standard deviation
  const float* mean = nullptr;                // float32[channels], host memory
  const float* standard_deviation = nullptr;  // float32[channels], host memory
};

// A loss made ready for one class count: holds its workspace and noise tables in device memory.
class LossKernel {
 public:
  virtual ~LossKernel() = default;
  // logits m×k, labels m → *value (one float64 in device memory) and gradient m×k (d value / d logits, written in full;
  // may be null: value only). `step` selects the noise draws of sampled nce. m may vary up to the planned maximum.
  virtual void value_and_gradient(const float* logits, const std::int32_t* labels, std::int64_t m, std::uint64_t step,
                                  double* value, float* gradient) = 0;
};

// A convolution made ready for prediction: its weight arranged as the device reads it best.
class Conv2dInference {
 public:
  virtual ~Conv2dInference() = default;
  // y = windows of x · weightᵀ + bias, plus `residual` (of y's shape, and may be y) unless it is null, then max(·, 0)
  // if `relu`. May be called from several threads at once where the backend may.
  virtual void run(const float* x, const float* residual, bool relu, float* y, std::int64_t m) const = 0;
};

// Runs the steps of one training.
class StepRunner {
 public:
  virtual ~StepRunner() = default;
  // `body` queues the operations of step number `step`, from 0. A device may queue again what an earlier body queued
  // for as many examples, without calling this one: nothing outside may rely on its being called, and operations may
  // get what differs between steps only as their `step` and `learning_rate`, or in device memory.
  virtual void run(std::int64_t examples, std::uint64_t step, float learning_rate,
                   const std::function<void()>& body) = 0;
};

// How a backend's steps were run so far; where replaying is nothing to gain by (the CPU), nothing is counted.
struct StepUse {
  std::uint64_t plain = 0, replayed = 0;  // operation by operation; as a whole
  std::string refusal;                    // why steps could not be kept for replay; empty: they could
};

class Backend : public std::enable_shared_from_this<Backend> {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;  // "cpu" or "cuda"

  // ---- memory ----
  virtual void* allocate(std::size_t bytes) = 0;  // 64-byte aligned, zero-filled
  virtual void release(void* memory, std::size_t bytes) noexcept = 0;
  virtual void upload(void* device, const void* host, std::size_t bytes) = 0;    // `host` may go when it returns
  virtual void download(void* host, const void* device, std::size_t bytes) = 0;  // waits for queued operations
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
  virtual void zero(void* memory, std::size_t bytes) = 0;

  // ---- matrix products ----
  // C (m×n) = alpha · op(A) · op(B) + beta · C; with beta = 0, C is not read (NaN there does not spread).
  virtual void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                    float alpha, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta,
                    float* c, std::int64_t ldc) = 0;

  // ---- dense: weight is outputs×inputs (one output unit, so one class, is one contiguous row), bias outputs or null
  // ---- y (m×outputs) = x (m×inputs) · weightᵀ + bias
  virtual void dense_forward(const float* x, const float* weight, const float* bias, float* y, std::int64_t m,
                             std::int64_t inputs, std::int64_t outputs) = 0;
  // The same with a bfloat16 weight.
  virtual void dense_forward_bfloat16(const float* x, const std::uint16_t* weight, const float* bias, float* y,
                                      std::int64_t m, std::int64_t inputs, std::int64_t outputs) = 0;
  // dx (m×inputs) = dy (m×outputs) · weight
  virtual void dense_backward_input(const float* dy, const float* weight, float* dx, std::int64_t m,
                                    std::int64_t inputs, std::int64_t outputs) = 0;
  // dweight (outputs×inputs) = dyᵀ · x; dbias (outputs, or null) = column sums of dy. Both overwritten.
  virtual void dense_backward_weight(const float* x, const float* dy, float* dweight, float* dbias, std::int64_t m,
                                     std::int64_t inputs, std::int64_t outputs) = 0;

  // ---- batch normalisation over m, per feature (Ioffe and Szegedy 2015) ----
  // Training: y = gamma · (x − mean)/sqrt(variance + epsilon) + beta with the batch's biased variance; saves mean and
  // 1/sqrt(variance + epsilon); running ← running + momentum · (batch − running), with the unbiased variance
  // (m/(m−1); biased when m = 1), as PyTorch does.
  virtual void batch_norm_forward_training(const float* x, const float* gamma, const float* beta, float epsilon,
                                           float momentum, float* running_mean, float* running_variance,
                                           float* saved_mean, float* saved_inverse_deviation, float* y, std::int64_t m,
                                           std::int64_t features) = 0;
  virtual void batch_norm_forward_inference(const float* x, const float* gamma, const float* beta, float epsilon,
                                            const float* running_mean, const float* running_variance, float* y,
                                            std::int64_t m, std::int64_t features) = 0;
  // dx may alias dy. dgamma and dbeta are overwritten.
  virtual void batch_norm_backward(const float* x, const float* dy, const float* gamma, const float* saved_mean,
                                   const float* saved_inverse_deviation, float* dx, float* dgamma, float* dbeta,
                                   std::int64_t m, std::int64_t features) = 0;

  // ---- elementwise; y may alias x, dx may alias dy ----
  virtual void relu_forward(const float* x, float* y, std::int64_t size) = 0;                     // NaN stays NaN
  virtual void relu_backward(const float* y, const float* dy, float* dx, std::int64_t size) = 0;  // y > 0 ? dy : 0
  // y = keep ? x/(1−rate) : 0; keep is a function of (seed, step, element index) alone: the backward pass is the same
  // call on dy. Philox4x32-10, key = seed, counter = (element/4, step).
  virtual void dropout(const float* x, float* y, std::int64_t size, float rate, std::uint64_t seed,
                       std::uint64_t step) = 0;
  // Softmax of each row, max-shifted.
  virtual void softmax_forward(const float* x, float* y, std::int64_t m, std::int64_t n) = 0;
  // dx_ij = y_ij (dy_ij − Σ_l dy_il y_il); dx may alias dy.
  virtual void softmax_backward(const float* y, const float* dy, float* dx, std::int64_t m, std::int64_t n) = 0;

  // y = a + b; y may alias either.
  virtual void add(const float* a, const float* b, float* y, std::int64_t size) = 0;
  // y (rows of ldy) = x (rows of ldx), `columns` of each; what lies between the rows of y stays. x and y do not
  // overlap.
  virtual void copy_columns(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                            std::int64_t columns) = 0;

  // ---- images: m × height × width × channels (images.h); no operation works in place unless stated ----
  // y (m × out_height × out_width × filters) = windows of x · weightᵀ + bias. weight is filters × kernel_height ×
  // kernel_width × channels/groups: one filter is one contiguous row. bias filters, or null.
  virtual void conv2d_forward(const Conv2dGeometry& geometry, const float* x, const float* weight, const float* bias,
                              float* y, std::int64_t m) = 0;
  virtual void conv2d_backward_input(const Conv2dGeometry& geometry, const float* dy, const float* weight, float* dx,
                                     std::int64_t m) = 0;
  // dweight, and dbias unless it is null; both overwritten.
  virtual void conv2d_backward_weight(const Conv2dGeometry& geometry, const float* x, const float* dy, float* dweight,
                                      float* dbias, std::int64_t m) = 0;
  // The forward pass for prediction. Copies what it needs of weight and bias (this backend's memory; bias may be null).
  virtual std::unique_ptr<Conv2dInference> make_conv2d_inference(const Conv2dGeometry& geometry, const float* weight,
                                                                 const float* bias) = 0;

  // y = the largest of each window and channel; padding is never the largest, NaN is. `places` (of y's size, or null:
  // not wanted) = where it was, row · width + column, the first of equals; an image has less than 2^31 pixels then.
  virtual void max_pool_forward(const Pool2dGeometry& geometry, const float* x, float* y, std::int32_t* places,
                                std::int64_t m) = 0;
  // dx at each pixel = the sum of dy over the windows that have their largest value there.
  virtual void max_pool_backward(const Pool2dGeometry& geometry, const std::int32_t* places, const float* dy, float* dx,
                                 std::int64_t m) = 0;
  // y = the mean of each window and channel: its sum over the window's size, or, unless `count_padding`, over as many
  // of its pixels as lie in the image.
  virtual void avg_pool_forward(const Pool2dGeometry& geometry, bool count_padding, const float* x, float* y,
                                std::int64_t m) = 0;
  virtual void avg_pool_backward(const Pool2dGeometry& geometry, bool count_padding, const float* dy, float* dx,
                                 std::int64_t m) = 0;
  // y = x at (top, left) in zeros of another size; where that is outside, x is cropped (top or left below 0, or too
  // small an output). The backward pass is the same call with the shapes exchanged and −top, −left.
  virtual void place_images(const float* x, std::int64_t height, std::int64_t width, float* y, std::int64_t out_height,
                            std::int64_t out_width, std::int64_t channels, std::int64_t top, std::int64_t left,
                            std::int64_t m) = 0;
  // Across channels (Krizhevsky et al. 2012, 3.3): y = x · scale^−beta, scale = k + alpha/size · Σ x² over the `size`
  // channels around, channel c − size/2 to c + (size − 1)/2, as far as there are. `scale` (rows × channels) is kept for
  // the backward pass; null: not wanted.
  virtual void local_response_norm_forward(const LocalResponseNorm& norm, const float* x, float* y, float* scale,
                                           std::int64_t rows, std::int64_t channels) = 0;
  virtual void local_response_norm_backward(const LocalResponseNorm& norm, const float* x, const float* scale,
                                            const float* dy, float* dx, std::int64_t rows, std::int64_t channels) = 0;

  // ---- embedding ----
  // y (n×columns) = rows `ids` (n, in range) of the table
  virtual void embedding_forward(const std::int32_t* ids, const float* table, float* y, std::int64_t n,
                                 std::int64_t columns) = 0;
  virtual std::unique_ptr<EmbeddingTraining> make_embedding_training(const ParameterRows& table,
                                                                     const OptimizerSpec& optimizer) = 0;

  // ---- losses ----
  // `max_examples` is the largest m that will be asked for. The spec has been checked with check_loss.
  virtual std::unique_ptr<LossKernel> make_loss(const LossSpec& spec, std::int64_t classes,
                                                std::int64_t max_examples) = 0;

  // The last dense layer and its loss together, without the m×k logits. `workspace_bytes` bounds what the logits of a
  // block of classes may take; sums of m×d come on top. The spec has been checked with check_loss.
  virtual std::unique_ptr<LinearLossKernel> make_linear_loss(const LossSpec& spec, std::int64_t max_examples,
                                                             std::int64_t features, std::int64_t classes,
                                                             std::size_t workspace_bytes) = 0;

  // The same with its optimizer, for training. Throws ERR_ONELOGIT_OUT_OF_MEMORY.
  virtual std::unique_ptr<LinearLossTraining> make_linear_loss_training(const LinearLossTrainingPlan& plan) = 0;

  // ---- optimizer ----
  // *scale (float32, device) = min(1, clip_norm / ‖all gradients‖₂); NaN norm gives NaN. `more` is one device float64
  // that is added to the slices' sum of squares, or null.
  virtual void clip_scale(std::span<const ParameterSlice> slices, float clip_norm, const double* more,
                          float* scale) = 0;
  // One update of all slices. `learning_rate` is the scheduled one, `step` counts from 1 (adam's bias correction),
  // `gradient_scale` is one device float32 that multiplies every gradient, or null.
  virtual void optimizer_step(const OptimizerSpec& spec, float learning_rate, std::uint64_t step,
                              std::span<const ParameterSlice> slices, const float* gradient_scale) = 0;

  // To be gone when memory is released that its steps used.
  virtual std::unique_ptr<StepRunner> make_step_runner() = 0;
  virtual StepUse step_use() const = 0;

  // ---- data ----
  // out (m×features float32, device) = preprocessed rows of `source` (host memory, n×features of `type`) named by
  // `indices` (host, m; null: rows 0 … m−1).
  virtual void load_examples(const void* source, ExampleType type, const std::int64_t* indices, std::int64_t m,
                             std::int64_t features, const PreprocessingView& preprocessing, float* out) = 0;
  // out (m×length int32, device) = rows of `source` as above, each integer in [0, vocabulary). Throws
  // ERR_ONELOGIT_INDEX_RANGE otherwise, naming the example by `numbers`.
  virtual void load_indices(const std::int32_t* source, const std::int64_t* rows, std::int64_t m, std::int64_t length,
                            std::int64_t vocabulary, ExampleNumbers numbers, std::int32_t* out) = 0;
  // out (m int32, device) = labels (host, m)
  virtual void load_labels(const std::int32_t* labels, std::int64_t m, std::int32_t* out) = 0;
  // How many rows have their largest logit (lowest index on ties) at the label; rows with a NaN count as wrong.
  // *count: one int64 in device memory.
  virtual void count_correct(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                             std::int64_t* count) = 0;

  // ---- one column of the last layer ----
  // out_i = hidden_i · weight_row + bias, hidden m×d: the single-column GEMV.
  virtual void score_column(const float* hidden, const float* weight_row, float bias, float* out, std::int64_t m,
                            std::int64_t d) = 0;
};

// The process-wide CPU backend.
Backend& cpu_backend();

// What select_backend takes for "auto", and whatever else the device is called.
std::string used_device(const std::string& device);

struct BackendChoice {
  std::shared_ptr<Backend> backend;
  std::string reason;  // why CUDA was not used when `auto` fell back to the CPU; empty if it was, or was not asked for
};
// device: "auto" | "cpu" | "cuda". On a GPU each call makes a backend. "cuda" throws ERR_ONELOGIT_DEVICE_UNAVAILABLE
// with the one-sentence reason; a precision other than float32 throws ERR_ONELOGIT_PRECISION on the CPU.
BackendChoice select_backend(const std::string& device, Precision precision = Precision::float32);

}  // namespace onelogit
