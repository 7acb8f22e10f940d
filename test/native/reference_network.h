// Layers, in a chain or a graph, in plain float64 loops: what the model's passes are compared with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "model/graph.h"
#include "model/model.h"
#include "random/keys.h"
#include "reference_layers.h"

namespace onelogit::test {

struct ReferenceNetwork {
  ModelSpec spec;
  std::vector<Shape> shapes;                       // of the input, then of each layer's output
  std::map<std::string, Doubles> tensors;          // "0.weight" …
  std::map<std::size_t, Doubles> dropout_factors;  // per layer, m×size: 0 or 1/(1 − rate)
  std::vector<Doubles> values;                     // of the last forward: the input, then what each layer made
  // Of the last forward: how near the closest relu and maxPool were to taking the other side.
  double margin = 0;

  explicit ReferenceNetwork(const Model& model) : spec(model.spec()), shapes{spec.input_shape} {
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
      std::vector<Shape> inputs;
      for (const std::size_t value : inputs_of(i)) inputs.push_back(shapes[value]);
      shapes.push_back(make_layer(spec.layers[i], inputs)->output_shape());
    }
    for (const NamedTensor& tensor : model.tensors()) {
      std::vector<float> host(static_cast<std::size_t>(shape_size(tensor.shape)));
      model.backend().download(host.data(), tensor.data, host.size() * sizeof(float));
      tensors[tensor.name] = Doubles(host.begin(), host.end());
    }
  }

  // Of a layer, as places in `shapes` and `values`.
  std::vector<std::size_t> inputs_of(std::size_t layer) const {
    if (spec.layers[layer].inputs.empty()) return {layer};
    std::vector<std::size_t> inputs;
    for (const std::int64_t input : spec.layers[layer].inputs) inputs.push_back(static_cast<std::size_t>(input + 1));
    return inputs;
  }

  // The factors that a training pass with this seed and step uses, taken from the backend: only its share of zeros and
  // its scale are tested elsewhere.
  void draw_dropout(Backend& backend, std::int64_t m, std::uint64_t seed, std::uint64_t step) {
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
      if (spec.layers[i].type != "dropout") continue;
      std::vector<float> ones(static_cast<std::size_t>(m * shape_size(shapes[i + 1])), 1.0f), factors(ones.size());
      backend.dropout(ones.data(), factors.data(), static_cast<std::int64_t>(ones.size()), spec.layers[i].rate,
                      mix_key(seed, i), step);
      dropout_factors[i] = Doubles(factors.begin(), factors.end());
    }
  }

  // x is m×input; returns the logits. In training, batch statistics are used, dropout_factors applied and running
  // statistics updated when asked for.
  Doubles forward(const Doubles& x, std::int64_t m, bool training, bool update_statistics = false) {
    margin = std::numeric_limits<double>::infinity();
    values.assign(1, x);
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
      if (i + 1 == spec.layers.size() && spec.layers[i].type == "softmax") break;
      values.push_back(output_of(i, m, training, update_statistics));
    }
    return values.back();
  }

  // The input of the last dense layer, after a forward.
  const Doubles& features() const { return values.at(inputs_of(values.size() - 2).front()); }

 private:
  Doubles output_of(std::size_t i, std::int64_t m, bool training, bool update_statistics) {
    const LayerSpec& layer = spec.layers[i];
    const std::vector<std::size_t> inputs = inputs_of(i);
    const Shape& shape = shapes[inputs.front()];
    const Doubles& x = values[inputs.front()];
    const std::string prefix = tensor_prefix(layer, i) + ".";
    const Doubles* const bias =
        layer.bias && tensors.count(prefix + "bias") > 0 ? &tensors.at(prefix + "bias") : nullptr;
    if (layer.type == "dense") return reference_dense(layer, x, m, tensors.at(prefix + "weight"), bias);
    if (layer.type == "conv2d") return reference_conv2d(layer, shape, x, m, tensors.at(prefix + "weight"), bias);
    if (layer.type == "maxPool") return reference_max_pool(layer, shape, x, m, margin);
    if (layer.type == "avgPool") return reference_avg_pool(layer, shape, x, m);
    if (layer.type == "globalAvgPool") return reference_global_avg_pool(shape, x, m);
    if (layer.type == "zeroPadding") return reference_zero_padding(layer.padding, shape, x, m);
    if (layer.type == "localResponseNorm")
      return reference_local_response_norm(layer.local_response_norm, shape.back(), x);
    if (layer.type == "softmax") return reference_softmax(x, shape.back());
    if (layer.type == "batchNorm")
      return batch_norm(x, prefix, layer, shape.back(), training && !layer.frozen, update_statistics);
    if (layer.type == "relu") return relu(x);
    if (layer.type == "dropout") return training ? dropped(x, dropout_factors.at(i)) : x;
    if (layer.type == "add") return sum(inputs);
    if (layer.type == "concat") return concat(inputs);
    return x;  // flatten
  }

  Doubles relu(Doubles x) {
    for (double& value : x) {
      // Exact zeros are what was dropped, or zero before: no rounding moves them.
      if (value != 0.0) margin = std::min(margin, std::abs(value));
      value = std::max(value, 0.0);
    }
    return x;
  }

  static Doubles dropped(Doubles x, const Doubles& factors) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= factors[i];
    return x;
  }

  Doubles sum(const std::vector<std::size_t>& inputs) const {
    Doubles y(values[inputs.front()].size());
    for (const std::size_t value : inputs)
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += values[value][i];
    return y;
  }

  Doubles concat(const std::vector<std::size_t>& inputs) const {
    std::vector<const Doubles*> x;
    std::vector<std::int64_t> columns;
    for (const std::size_t value : inputs) {
      x.push_back(&values[value]);
      columns.push_back(shapes[value].back());
    }
    return reference_concat(x, columns);
  }

  Doubles batch_norm(Doubles x, const std::string& prefix, const LayerSpec& layer, std::int64_t features, bool training,
                     bool update) {
    const Doubles &gamma = tensors.at(prefix + "weight"), &beta = tensors.at(prefix + "bias");
    Doubles &running_mean = tensors.at(prefix + "running_mean"), &running_variance = tensors.at(prefix + "running_var");
    const auto rows = static_cast<std::int64_t>(x.size()) / features;
    for (std::int64_t c = 0; c < features; ++c) {
      double mean = running_mean[c], variance = running_variance[c];
      if (training) {
        mean = variance = 0;
        for (std::int64_t r = 0; r < rows; ++r) mean += x[r * features + c] / static_cast<double>(rows);
        for (std::int64_t r = 0; r < rows; ++r)
          variance += std::pow(x[r * features + c] - mean, 2) / static_cast<double>(rows);
        if (update) {
          const double unbiased =
              variance * static_cast<double>(rows) / static_cast<double>(std::max<std::int64_t>(rows - 1, 1));
          running_mean[c] += layer.momentum * (mean - running_mean[c]);
          running_variance[c] += layer.momentum * (unbiased - running_variance[c]);
        }
      }
      const double scale = gamma[c] / std::sqrt(variance + static_cast<double>(layer.epsilon));
      for (std::int64_t r = 0; r < rows; ++r) x[r * features + c] = (x[r * features + c] - mean) * scale + beta[c];
    }
    return x;
  }
};

}  // namespace onelogit::test
