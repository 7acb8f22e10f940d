#include "backend/through_device.h"

#include "tensor/buffer.h"

namespace onelogit {
namespace {

Buffer uploaded(Backend& backend, const void* host, std::size_t bytes) {
  if (host == nullptr) return {};
  Buffer buffer(backend, bytes);
  backend.upload(buffer.data(), host, bytes);
  return buffer;
}
// For what the host wants; none if it does not.
Buffer for_result(Backend& backend, const void* host, std::size_t bytes) {
  return host == nullptr ? Buffer() : Buffer(backend, bytes);
}
void download(Backend& backend, const Buffer& from, void* host) {
  if (host != nullptr) backend.download(host, from.data(), from.bytes());
}

}  // namespace

double loss_through_device(Backend& backend, LossKernel& kernel, const float* logits, const std::int32_t* labels,
                           std::int64_t m, std::int64_t classes, float* gradient) {
  const Buffer device_logits = uploaded(backend, logits, bytes_of(m * classes));
  const Buffer device_labels = uploaded(backend, labels, bytes_of(m, sizeof(std::int32_t)));
  const Buffer device_gradient(backend, bytes_of(m * classes)), device_value(backend, sizeof(double));
  kernel.value_and_gradient(device_logits.as<float>(), device_labels.as<std::int32_t>(), m, 0,
                            device_value.as<double>(), device_gradient.as<float>());
  double value = 0;
  download(backend, device_gradient, gradient);
  download(backend, device_value, &value);
  return value;
}

double linear_loss_through_device(Backend& backend, LinearLossKernel& kernel, const LinearLossArguments& host) {
  const std::int64_t hidden_size = host.m * host.d, weight_size = host.k * host.d;
  const Buffer hidden = uploaded(backend, host.hidden, bytes_of(hidden_size));
  const Buffer weight = uploaded(backend, host.weight, bytes_of(weight_size, weight_bytes(host.weight_type)));
  const Buffer bias = uploaded(backend, host.bias, bytes_of(host.k));
  const Buffer labels = uploaded(backend, host.labels, bytes_of(host.m, sizeof(std::int32_t)));
  const Buffer gradient_hidden = for_result(backend, host.gradient_hidden, bytes_of(hidden_size));
  const Buffer gradient_weight = for_result(backend, host.gradient_weight, bytes_of(weight_size));
  const Buffer gradient_bias = for_result(backend, host.gradient_bias, bytes_of(host.k));
  const Buffer device_value(backend, sizeof(double));
  LinearLossArguments arguments = host;
  arguments.hidden = hidden.as<float>();
  arguments.weight = weight.data();
  arguments.bias = bias.as<float>();
  arguments.labels = labels.as<std::int32_t>();
  arguments.gradient_hidden = gradient_hidden.as<float>();
  arguments.gradient_weight = gradient_weight.as<float>();
  arguments.gradient_bias = gradient_bias.as<float>();
  kernel.run(arguments, device_value.as<double>());
  double value = 0;
  download(backend, gradient_hidden, host.gradient_hidden);
  download(backend, gradient_weight, host.gradient_weight);
  download(backend, gradient_bias, host.gradient_bias);
  download(backend, device_value, &value);
  return value;
}

}  // namespace onelogit
