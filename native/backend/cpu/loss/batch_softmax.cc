// batch-cross-entropy: one normaliser over all m·k logits, so the matrix is one flat run. Its tiles leave (M_t, S_t),
// which merge to the batch's; the gradient is exp(z − M_t) · exp(M_t − M)/S where the first pass kept its exponentials,
// or exp(z − M)/S anew where the matrix is too large to be still in cache.

#include <vector>

#include "backend/cpu/kernels/loss_softmax.h"
#include "backend/cpu/loss/families.h"
#include "backend/cpu/loss/tiles.h"
#include "loss/batch_cross_entropy.h"

namespace onelogit {
namespace {

constexpr std::int64_t keep_exponentials_up_to = 1 << 18;  // logits: 1 MiB of them

class BatchSoftmaxLoss final : public LossKernel {
 public:
  BatchSoftmaxLoss(std::int64_t classes, std::int64_t max_examples) : classes_(classes) {
    const auto tiles = static_cast<std::size_t>(flat_tile_count(max_examples * classes));
    maximum_.resize(tiles);
    sum_.resize(tiles);
  }

  void value_and_gradient(const float* logits, const std::int32_t* labels, std::int64_t m, std::uint64_t, double* value,
                          float* gradient) override {
    const SoftmaxLossKernels& kernels = softmax_loss_kernels();
    const std::int64_t size = m * classes_;
    const bool keep = gradient != nullptr && size <= keep_exponentials_up_to;
    parallel_flat_tiles(size, [&](std::int64_t t, std::int64_t first, std::int64_t count) {
      kernels.statistics(logits + first, count, 1, count, &maximum_[t], &sum_[t], keep ? gradient + first : nullptr);
    });
    SoftmaxState batch;
    for (std::int64_t t = 0; t < flat_tile_count(size); ++t) batch = merge(batch, {maximum_[t], sum_[t]});

    const auto examples = static_cast<double>(m);
    double gap = 0;
    for (std::int64_t i = 0; i < m; ++i)
      gap += static_cast<double>(batch.maximum) - static_cast<double>(logits[i * classes_ + labels[i]]);
    *value = batch_cross_entropy_value(batch, gap, examples);
    if (gradient == nullptr) return;

    parallel_flat_tiles(size, [&](std::int64_t t, std::int64_t first, std::int64_t count) {
      if (keep) {
        const double factor = probability(maximum_[t], batch);
        kernels.scale(gradient + first, count, static_cast<float>(factor));
      } else {
        kernels.exponential(logits + first, count, batch.maximum, static_cast<float>(1.0 / batch.sum),
                            gradient + first);
      }
    });
    for (std::int64_t i = 0; i < m; ++i) {
      const std::int64_t at = i * classes_ + labels[i];
      gradient[at] = static_cast<float>(batch_cross_entropy_label_gradient(batch, logits[at], examples));
    }
  }

 private:
  std::int64_t classes_;
  std::vector<float> maximum_;  // of each tile
  std::vector<double> sum_;
};

}  // namespace

std::unique_ptr<LossKernel> make_cpu_batch_softmax_loss(std::int64_t classes, std::int64_t max_examples) {
  return std::make_unique<BatchSoftmaxLoss>(classes, max_examples);
}

}  // namespace onelogit
