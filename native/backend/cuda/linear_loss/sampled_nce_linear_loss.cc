// Sampled nce: only the rows of the labels and of the draws are touched, O(m·S·d), whatever k is. Shared draws are
// gathered into a small class matrix in runs that fit the cache, and multiplied; draws of each example, and labels, are
// dot products.

#include <algorithm>

#include "backend/cuda/dense.h"
#include "backend/cuda/id_groups.h"
#include "backend/cuda/linear_loss/class_gradients.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "backend/cuda/linear_loss/sampled_nce.h"
#include "backend/cuda/loss/device_noise.h"
#include "backend/cuda/loss/row_sum.h"

namespace onelogit::cuda {
namespace {

class SampledNceLinearLoss final : public CudaLinearLoss {
 public:
  SampledNceLinearLoss(Queue& queue, const LinearLossPlan& plan)
      : CudaLinearLoss(queue),
        plan_(plan),
        shared_(plan.loss.samples == NoiseSamples::shared),
        noise_(queue.stream, plan.loss, plan.k),
        draw_weight_(static_cast<float>(noise_ratio(plan.loss, plan.k) / static_cast<double>(plan.loss.num_sampled))),
        row_value_(static_cast<std::size_t>(plan.max_examples), "sampled logits"),
        class_(static_cast<std::size_t>(draws(plan.max_examples) + plan.max_examples), "sampled logits"),
        coefficient_(static_cast<std::size_t>(plan.max_examples * (1 + draws_of_example())), "sampled logits"),
        finder_(static_cast<std::int64_t>(class_.size()), plan.k),
        bias_gradient_(std::min(class_.size(), static_cast<std::size_t>(plan.k)), "sampled class rows"),
        gradient_(bias_gradient_.size() * static_cast<std::size_t>(plan.d), "sampled class rows") {
    if (!shared_) return;
    const std::int64_t drawn = plan.loss.num_sampled;
    const auto budget =
        static_cast<std::int64_t>(std::min(plan.workspace_bytes, queue.cache_bytes / 2) / sizeof(float));
    run_ = std::clamp<std::int64_t>(budget / (plan.max_examples + plan.d), 1, drawn);
    weight_rows_ = DeviceBuffer<float>(static_cast<std::size_t>(run_ * plan.d), "sampled class rows");
    logits_ = DeviceBuffer<float>(static_cast<std::size_t>(plan.max_examples * run_), "sampled logits");
    draw_gradient_ = DeviceBuffer<float>(static_cast<std::size_t>(drawn * plan.d), "sampled class rows");
    draw_bias_gradient_ = DeviceBuffer<float>(static_cast<std::size_t>(drawn), "sampled class rows");
  }

  void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) override {
    const cudaStream_t stream = queue_.stream;
    const std::int64_t m = arguments.m, d = arguments.d, drawn = draws(m);
    const DrawTerms terms{noise_.tables(), draw_weight_, plan_.loss.remove_accidental_hits,
                          static_cast<float>(plan_.scale(m))};
    std::int32_t* const labels = class_.data() + drawn;
    queue_.step.set(arguments.step);
    draw_classes(stream, terms.noise, queue_.step.values(), drawn, class_.data());
    check(cudaMemcpyAsync(labels, arguments.labels, static_cast<std::size_t>(m) * sizeof(std::int32_t),
                          cudaMemcpyDeviceToDevice, stream),
          "nce");
    check(cudaMemsetAsync(row_value_.data(), 0, static_cast<std::size_t>(m) * sizeof(double), stream), "nce");
    Groups groups{};
    if (classes.wanted()) {
      groups = finder_.find(stream, class_.data(), drawn + m);
      classes.before_read_rows(groups.ids, groups.count, groups.most);
    }

    if (shared_)
      for (std::int64_t first = 0; first < drawn; first += run_)
        run_of_draws(arguments, terms, first, std::min(run_, drawn - first), classes.wanted());
    single_logits(stream, arguments, terms, class_.data(), draws_of_example(), coefficient_.data(), row_value_.data());
    add_to_hidden(arguments, labels);

    sum_of_rows(stream, row_value_.data(), m, plan_.scale(m), value);
    if (arguments.correct != nullptr)  // −1
      check(cudaMemsetAsync(arguments.correct, 0xff, sizeof(*arguments.correct), stream), "nce");
    if (!classes.wanted()) return;
    ListedRows rows{d, draw_gradient_.data(), shared_ ? drawn : 0, coefficient_.data(), arguments.hidden,
                    m, draws_of_example()};
    sum_groups(stream, groups, rows, gradient_.data());
    rows.columns = 1;
    rows.rows = draw_bias_gradient_.data();
    rows.hidden = nullptr;
    sum_groups(stream, groups, rows, bias_gradient_.data());
    classes.rows(arguments, {groups.ids, groups.count, groups.most, gradient_.data(), bias_gradient_.data()}, nullptr);
  }

 private:
  std::int64_t draws_of_example() const { return shared_ ? 0 : plan_.loss.num_sampled; }
  std::int64_t draws(std::int64_t m) const { return shared_ ? plan_.loss.num_sampled : m * plan_.loss.num_sampled; }

  // Shared draws first … first + n − 1: their terms of the value, of the gradient of hidden, and their own gradients.
  void run_of_draws(const LinearLossArguments& arguments, const DrawTerms& terms, std::int64_t first, std::int64_t n,
                    bool rows_wanted) {
    const std::int64_t m = arguments.m, d = arguments.d;
    const std::int32_t* const drawn = class_.data() + first;
    gather_rows(queue_.stream, arguments, drawn, n, weight_rows_.data());
    queue_.products.multiply({.transpose_b = true,
                              .m = m,
                              .n = n,
                              .k = d,
                              .a = arguments.hidden,
                              .lda = d,
                              .b = weight_rows_.data(),
                              .ldb = d,
                              .c = logits_.data(),
                              .ldc = n});
    shared_draws(queue_.stream, arguments, terms, drawn, n, logits_.data(), row_value_.data());
    if (arguments.gradient_hidden != nullptr)
      queue_.products.multiply({.m = m,
                                .n = d,
                                .k = n,
                                .a = logits_.data(),
                                .lda = n,
                                .b = weight_rows_.data(),
                                .ldb = d,
                                .beta = first == 0 ? 0.0f : 1.0f,
                                .c = arguments.gradient_hidden,
                                .ldc = d});
    if (!rows_wanted) return;
    queue_.products.multiply({.transpose_a = true,
                              .m = n,
                              .n = d,
                              .k = m,
                              .a = logits_.data(),
                              .lda = n,
                              .b = arguments.hidden,
                              .ldb = d,
                              .c = draw_gradient_.data() + first * d,
                              .ldc = d});
    column_sums(queue_.stream, queue_.scratch, logits_.data(), draw_bias_gradient_.data() + first, m, n);
  }

  // What single_logits left.
  void add_to_hidden(const LinearLossArguments& arguments, const std::int32_t* labels) {
    if (arguments.gradient_hidden == nullptr) return;
    const std::int64_t m = arguments.m, d = arguments.d, draws = draws_of_example();
    const auto add = [&](const std::int32_t* classes, const float* coefficient, std::int64_t per_row) {
      add_sparse_to_hidden(queue_.stream, {nullptr, classes, coefficient, per_row, m * per_row}, m, d, arguments.weight,
                           arguments.weight_type == WeightType::bfloat16, arguments.gradient_hidden);
    };
    if (!shared_) {
      fill(queue_.stream, arguments.gradient_hidden, m * d, nullptr);
      add(class_.data(), coefficient_.data(), draws);
    }
    add(labels, coefficient_.data() + m * draws, 1);
  }

  LinearLossPlan plan_;
  bool shared_;  // draws by all examples
  DeviceNoise noise_;
  float draw_weight_;                 // t/S
  DeviceBuffer<double> row_value_;    // of each example, before scaling
  DeviceBuffer<std::int32_t> class_;  // draws, then labels
  DeviceBuffer<float> coefficient_;   // at the logits that are dot products
  IdGroups finder_;
  DeviceBuffer<float> bias_gradient_, gradient_;            // of the different classes
  std::int64_t run_ = 0;                                    // shared draws at a time
  DeviceBuffer<float> weight_rows_, logits_;                // of a run
  DeviceBuffer<float> draw_gradient_, draw_bias_gradient_;  // of each shared draw
};

}  // namespace

std::unique_ptr<CudaLinearLoss> make_sampled_nce_linear_loss(Queue& queue, const LinearLossPlan& plan) {
  return std::make_unique<SampledNceLinearLoss>(queue, plan);
}

}  // namespace onelogit::cuda
