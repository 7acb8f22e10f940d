#include "backend/cuda/cuda_loss.h"

#include "backend/cuda/loss/batch_softmax.h"
#include "backend/cuda/loss/logistic.h"
#include "backend/cuda/loss/margin.h"
#include "backend/cuda/loss/sampled_nce.h"
#include "backend/cuda/loss/softmax.h"

namespace onelogit::cuda {
namespace {

// The families are C++17, for nvcc; LossKernel is not.
template <class Family>
class CudaLoss final : public LossKernel {
 public:
  CudaLoss(cudaStream_t stream, Step& step, const LossSpec& spec, std::int64_t classes, std::int64_t max_examples)
      : stream_(stream), step_(step), family_(stream, spec, classes, max_examples) {}

  void value_and_gradient(const float* logits, const std::int32_t* labels, std::int64_t m, std::uint64_t step,
                          double* value, float* gradient) override {
    step_.set(step);
    family_.value_and_gradient(stream_, logits, labels, m, step_.values(), value, gradient);
  }

 private:
  cudaStream_t stream_;
  Step& step_;
  Family family_;
};

}  // namespace

std::unique_ptr<LossKernel> make_cuda_loss(cudaStream_t stream, Step& step, const LossSpec& spec, std::int64_t classes,
                                           std::int64_t max_examples) {
  switch (spec.kind) {
    case LossKind::cross_entropy:
    case LossKind::self_normalization:
      return std::make_unique<CudaLoss<SoftmaxLoss>>(stream, step, spec, classes, max_examples);
    case LossKind::batch_cross_entropy:
      return std::make_unique<CudaLoss<BatchSoftmaxLoss>>(stream, step, spec, classes, max_examples);
    case LossKind::max_margin:
    case LossKind::batch_max_margin:
      return std::make_unique<CudaLoss<MarginLoss>>(stream, step, spec, classes, max_examples);
    case LossKind::nce:
      if (spec.num_sampled > 0)
        return std::make_unique<CudaLoss<SampledNce>>(stream, step, spec, classes, max_examples);
      [[fallthrough]];
    case LossKind::binary_cross_entropy:
      return std::make_unique<CudaLoss<LogisticLoss>>(stream, step, spec, classes, max_examples);
  }
  return nullptr;
}

}  // namespace onelogit::cuda
