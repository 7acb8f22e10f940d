// A chain of layers in plain float64 loops, straight from the definitions: what the model's passes are compared with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/model.h"
#include "random/keys.h"

namespace onelogit::test {

using Doubles = std::vector<double>;

struct ReferenceNetwork {
  ModelSpec spec;
  std::map<std::string, Doubles> tensors;          // "0.weight" …
  std::map<std::size_t, Doubles> dropout_factors;  // per layer, m×size: 0 or 1/(1 − rate)

  explicit ReferenceNetwork(const Model& model) : spec(model.spec()) {
    for (const NamedTensor& tensor : model.tensors()) {
      std::vector<float> values(static_cast<std::size_t>(shape_size(tensor.shape)));
      model.backend().download(values.data(), tensor.data, values.size() * sizeof(float));
      tensors[tensor.name] = Doubles(values.begin(), values.end());
    }
  }

  // The factors that a training pass with this seed and step uses, taken from the backend: only its share of zeros and
  // its scale are tested elsewhere.
  void draw_dropout(Backend& backend, std::int64_t m, std::uint64_t seed, std::uint64_t step) {
    Shape shape = spec.input_shape;
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
      shape = make_layer(spec.layers[i], shape)->output_shape();
      if (spec.layers[i].type != "dropout") continue;
      std::vector<float> ones(static_cast<std::size_t>(m * shape_size(shape)), 1.0f), factors(ones.size());
      backend.dropout(ones.data(), factors.data(), static_cast<std::int64_t>(ones.size()), spec.layers[i].rate,
                      mix_key(seed, i), step);
      dropout_factors[i] = Doubles(factors.begin(), factors.end());
    }
  }

  // x is m×input. In training, batch statistics are used, dropout_factors applied and running statistics updated when
  // asked for.
  Doubles forward(Doubles x, std::int64_t m, bool training, bool update_statistics = false) {
    for (std::size_t i = 0; i < spec.layers.size(); ++i) {
      const LayerSpec& layer = spec.layers[i];
      if (i + 1 == spec.layers.size() && layer.type == "softmax") break;
      const std::string prefix = std::to_string(i) + ".";
      if (layer.type == "dense") x = dense(x, m, prefix, layer);
      if (layer.type == "relu")
        for (double& value : x) value = std::max(value, 0.0);
      if (layer.type == "softmax") x = softmax(x, last_axis(i));
      if (layer.type == "batchNorm") x = batch_norm(x, prefix, layer, last_axis(i), training, update_statistics);
      if (layer.type == "dropout" && training)
        for (std::size_t j = 0; j < x.size(); ++j) x[j] *= dropout_factors.at(i)[j];
    }
    return x;
  }

 private:
  std::int64_t last_axis(std::size_t layer) const {
    Shape shape = spec.input_shape;
    for (std::size_t i = 0; i < layer; ++i) shape = make_layer(spec.layers[i], shape)->output_shape();
    return shape.back();
  }

  Doubles dense(const Doubles& x, std::int64_t m, const std::string& prefix, const LayerSpec& layer) const {
    const Doubles& weight = tensors.at(prefix + "weight");
    const auto inputs = static_cast<std::int64_t>(x.size()) / m;
    Doubles y(static_cast<std::size_t>(m * layer.units));
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < layer.units; ++j) {
        double sum = layer.bias ? tensors.at(prefix + "bias")[j] : 0.0;
        for (std::int64_t l = 0; l < inputs; ++l) sum += x[i * inputs + l] * weight[j * inputs + l];
        y[i * layer.units + j] = sum;
      }
    return y;
  }

  static Doubles softmax(Doubles x, std::int64_t n) {
    for (std::size_t row = 0; row < x.size(); row += n) {
      const double largest = *std::max_element(x.begin() + row, x.begin() + row + n);
      double sum = 0;
      for (std::int64_t j = 0; j < n; ++j) sum += x[row + j] = std::exp(x[row + j] - largest);
      for (std::int64_t j = 0; j < n; ++j) x[row + j] /= sum;
    }
    return x;
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
