#include "layer/windows.h"

#include <algorithm>
#include <string>

#include "layer/reject.h"

namespace onelogit {
namespace {

// Beyond any image, so that sums and products of a few of them stay far below 2^63.
constexpr std::int64_t largest_extent = std::int64_t{1} << 20;

struct Axis {
  std::int64_t before, outputs;
};

Axis place_windows(const LayerSpec& spec, const char* name, std::int64_t length, std::int64_t kernel,
                   std::int64_t stride, std::int64_t before, std::int64_t after) {
  const auto what = [&](const char* option) { return std::string(name) + " " + option + " of " + spec.type; };
  if (length > largest_extent) reject_layer("at most 2^20 pixels", what("extent"), std::to_string(length));
  if (kernel < 1 || kernel > largest_extent)
    reject_layer("an integer from 1 to 2^20", what("kernel"), std::to_string(kernel));
  if (stride < 1 || stride > largest_extent)
    reject_layer("an integer from 1 to 2^20", what("stride"), std::to_string(stride));
  if (spec.padding.same) {
    const std::int64_t outputs = (length + stride - 1) / stride;
    const std::int64_t padding = std::max<std::int64_t>((outputs - 1) * stride + kernel - length, 0);
    return {padding / 2, outputs};
  }
  for (const std::int64_t padding : {before, after})
    if (padding < 0 || padding >= kernel)
      reject_layer("from 0 to below the kernel's " + std::to_string(kernel) + " pixels", what("padding"),
                   std::to_string(padding));
  if (length + before + after < kernel)
    reject_layer("an image of at least " + std::to_string(kernel) + " pixels with its padding", what("extent"),
                 std::to_string(length + before + after));
  return {before, (length + before + after - kernel) / stride + 1};
}

}  // namespace

Pool2dGeometry window_geometry(const LayerSpec& spec, const Shape& input_shape) {
  check_image(spec, input_shape);
  const Axis y = place_windows(spec, "vertical", input_shape[0], spec.kernel[0], spec.stride[0], spec.padding.top,
                               spec.padding.bottom);
  const Axis x = place_windows(spec, "horizontal", input_shape[1], spec.kernel[1], spec.stride[1], spec.padding.left,
                               spec.padding.right);
  Pool2dGeometry geometry;
  geometry.height = input_shape[0];
  geometry.width = input_shape[1];
  geometry.channels = input_shape[2];
  geometry.kernel_height = spec.kernel[0];
  geometry.kernel_width = spec.kernel[1];
  geometry.stride_y = spec.stride[0];
  geometry.stride_x = spec.stride[1];
  geometry.top = y.before;
  geometry.left = x.before;
  geometry.out_height = y.outputs;
  geometry.out_width = x.outputs;
  return geometry;
}

void check_image(const LayerSpec& spec, const Shape& input_shape) {
  if (input_shape.size() != 3)
    reject_layer("images, height × width × channels", "the input of " + spec.type, describe_shape(input_shape));
}

Shape output_shape(const Pool2dGeometry& geometry, std::int64_t channels) {
  return {geometry.out_height, geometry.out_width, channels};
}

}  // namespace onelogit
