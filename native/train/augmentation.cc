#include "train/augmentation.h"

#include <algorithm>
#include <cstring>

#include "random/keys.h"
#include "random/philox.h"

namespace onelogit {
namespace {

constexpr std::uint64_t purpose = 0x6175676d656e74;  // "augment": no other draws of a fit have this key

// Uniform on [−padding, padding], up to a bias of (2·padding + 1)/2³².
std::int64_t shift(std::uint32_t random, std::int64_t padding) {
  const auto choices = static_cast<std::uint64_t>(2 * padding + 1);
  return static_cast<std::int64_t>(random * choices >> 32) - padding;
}

}  // namespace

ImageChange image_change(const AugmentationSpec& spec, std::uint64_t seed, std::int64_t step, std::int64_t example) {
  const std::uint64_t key = mix_key(mix_key(seed, purpose), static_cast<std::uint64_t>(step));
  const PhiloxWords words = philox4x32(key, static_cast<std::uint64_t>(example), 0);
  return {shift(words.word[0], spec.padding), shift(words.word[1], spec.padding),
          spec.flip && words.word[2] >> 31 != 0};
}

void change_image(const AugmentationSpec& spec, const ImageChange& change, std::size_t pixel_bytes,
                  const std::byte* image, std::byte* out) {
  const std::int64_t width = spec.width;
  const std::size_t row_bytes = static_cast<std::size_t>(width) * pixel_bytes;
  // The columns of the input that are seen, and where they begin in an output row that is not mirrored.
  const std::int64_t begin = std::max<std::int64_t>(change.right, 0), end = std::min(width, width + change.right);
  const std::int64_t to = std::max<std::int64_t>(-change.right, 0);
  for (std::int64_t y = 0; y < spec.height; ++y, out += row_bytes) {
    const std::int64_t from = y + change.down;
    if (from < 0 || from >= spec.height) {
      std::memset(out, 0, row_bytes);
      continue;
    }
    const std::byte* row = image + static_cast<std::size_t>(from) * row_bytes;
    if (end - begin < width) std::memset(out, 0, row_bytes);
    if (!change.mirrored) {
      std::memcpy(out + static_cast<std::size_t>(to) * pixel_bytes, row + static_cast<std::size_t>(begin) * pixel_bytes,
                  static_cast<std::size_t>(end - begin) * pixel_bytes);
      continue;
    }
    for (std::int64_t x = begin; x < end; ++x)
      std::memcpy(out + static_cast<std::size_t>(width - 1 - (x - change.right)) * pixel_bytes,
                  row + static_cast<std::size_t>(x) * pixel_bytes, pixel_bytes);
  }
}

void Augmentation::apply(std::int64_t step, const std::vector<std::int64_t>& indices, HostBatch& batch) {
  const std::size_t pixel_bytes = static_cast<std::size_t>(spec_.channels) * element_bytes(batch.type);
  image_.resize(static_cast<std::size_t>(spec_.height * spec_.width) * pixel_bytes);
  std::byte* example = batch.inputs.data();
  for (const std::int64_t index : indices) {
    std::memcpy(image_.data(), example, image_.size());
    change_image(spec_, image_change(spec_, seed_, step, index), pixel_bytes, image_.data(), example);
    example += image_.size();
  }
}

std::string describe_augmentation(const AugmentationSpec& spec) {
  if (!spec.any()) return "none";
  return "padding=" + std::to_string(spec.padding) + " flip=" + std::to_string(static_cast<int>(spec.flip)) + " of " +
         std::to_string(spec.height) + "x" + std::to_string(spec.width) + "x" + std::to_string(spec.channels);
}

}  // namespace onelogit
