// The loss kernels on logits that exist: time against that of moving the bytes that must move, taking turns with a copy
// on the device of as many bytes.
#include "loss/loss.h"

#include "backend/cuda/cuda_loss.h"
#include "measure.h"

namespace onelogit::bench {
namespace {

// How often the logits must be read. A row of 262,144 does not fit a multiprocessor, nor does a batch: where the
// normaliser comes first, they are read twice. The margin losses and binary-cross-entropy write what they have read.
int reads(LossKind kind, std::int64_t k) {
  switch (kind) {
    case LossKind::batch_cross_entropy:
      return 2;
    case LossKind::cross_entropy:
    case LossKind::self_normalization:
      return k > 32'768 ? 2 : 1;
    default:
      return 1;
  }
}

void measure(std::int64_t m, std::int64_t k) {
  const std::size_t size = static_cast<std::size_t>(m * k);
  const auto logits = normal_values(size, 3.0f, "logits");
  const cuda::DeviceBuffer<float> gradient(size, "the gradient");
  const auto labels = random_labels(static_cast<std::size_t>(m), k);
  const cuda::DeviceBuffer<double> value(1, "the value");
  cuda::Step step(nullptr);
  for (const LossKind kind :
       {LossKind::cross_entropy, LossKind::max_margin, LossKind::self_normalization, LossKind::nce,
        LossKind::binary_cross_entropy, LossKind::batch_cross_entropy, LossKind::batch_max_margin}) {
    LossSpec spec;
    spec.kind = kind;
    const auto loss = cuda::make_cuda_loss(nullptr, step, spec, k, m);
    const std::function<void()> ours = [&] {
      loss->value_and_gradient(logits.data(), labels.data(), m, 0, value.data(), gradient.data());
    };
    const std::function<void()> copy = [&] {
      cuda::check(
          cudaMemcpyAsync(gradient.data(), logits.data(), size * sizeof(float), cudaMemcpyDeviceToDevice, nullptr),
          "a copy");
    };
    const auto times = alternate(nullptr, {ours, copy});
    const double matrix = static_cast<double>(size) * sizeof(float), bytes = (reads(kind, k) + 1) * matrix;
    Line("losses")
        .text("loss", std::string(loss_name(kind)))
        .number("m", static_cast<double>(m))
        .number("k", static_cast<double>(k))
        .number("bytes", bytes)
        .seconds("seconds", times[0])
        .seconds("copySeconds", times[1])
        .number("shareOfCopy", (bytes / times[0].median) / (2 * matrix / times[1].median));
  }
}

}  // namespace

void losses(bool) {
  measure(4096, 32'768);
  measure(4096, 262'144);
}

}  // namespace onelogit::bench
