// Layers as a caller would describe them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "layer/layer.h"

namespace onelogit::test {

inline LayerSpec layer(const char* type) {
  LayerSpec spec;
  spec.type = type;
  return spec;
}
inline LayerSpec dense(std::int64_t units, bool bias = true) {
  LayerSpec spec = layer("dense");
  spec.units = units;
  spec.bias = bias;
  return spec;
}
inline LayerSpec dropout(float rate) {
  LayerSpec spec = layer("dropout");
  spec.rate = rate;
  return spec;
}
// maxPool, avgPool or conv2d: vertical, horizontal.
inline LayerSpec windows(const char* type, std::int64_t kernel_y, std::int64_t kernel_x, std::int64_t stride_y = 1,
                         std::int64_t stride_x = 1) {
  LayerSpec spec = layer(type);
  spec.kernel[0] = kernel_y;
  spec.kernel[1] = kernel_x;
  spec.stride[0] = stride_y;
  spec.stride[1] = stride_x;
  return spec;
}
inline LayerSpec conv2d(std::int64_t filters, std::int64_t kernel_y, std::int64_t kernel_x, std::int64_t stride_y = 1,
                        std::int64_t stride_x = 1) {
  LayerSpec spec = windows("conv2d", kernel_y, kernel_x, stride_y, stride_x);
  spec.filters = filters;
  return spec;
}
inline LayerSpec local_response_norm(std::int64_t size, float alpha, float beta, float k) {
  LayerSpec spec = layer("localResponseNorm");
  spec.local_response_norm = {size, alpha, beta, k};
  return spec;
}

inline LayerSpec same(LayerSpec spec) {
  spec.padding.same = true;
  return spec;
}
inline LayerSpec padded(LayerSpec spec, std::int64_t top, std::int64_t bottom, std::int64_t left, std::int64_t right) {
  spec.padding = {false, top, bottom, left, right};
  return spec;
}
inline LayerSpec grouped(LayerSpec spec, std::int64_t groups) {
  spec.groups = groups;
  return spec;
}
inline LayerSpec without_bias(LayerSpec spec) {
  spec.bias = false;
  return spec;
}
inline LayerSpec frozen(LayerSpec spec) {
  spec.frozen = true;
  return spec;
}
inline LayerSpec named(LayerSpec spec, std::string name) {
  spec.name = std::move(name);
  return spec;
}
inline LayerSpec of(std::vector<std::int64_t> inputs, LayerSpec spec) {
  spec.inputs = std::move(inputs);
  return spec;
}

}  // namespace onelogit::test
