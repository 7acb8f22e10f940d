// Random changes of training images: padding and cropping back (a shift that moves zeros in), horizontal mirroring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "train/trainer.h"

namespace onelogit {

// What happens to one example: output pixel (y, x) is input pixel (y + down, x' + right) with x' = x, or W − 1 − x when
// mirrored; 0, in the units of the source, where there is no such pixel.
struct ImageChange {
  std::int64_t down = 0, right = 0;  // each in [−padding, padding]
  bool mirrored = false;
};

// Depends on its arguments alone, so that a run continues bit for bit and a reader may go ahead.
ImageChange image_change(const AugmentationSpec& spec, std::uint64_t seed, std::int64_t step, std::int64_t example);

// `out` = `image` changed; both height × width pixels of `pixel_bytes`, and not the same.
void change_image(const AugmentationSpec& spec, const ImageChange& change, std::size_t pixel_bytes,
                  const std::byte* image, std::byte* out);

// Changes the batch of a step in place; its examples are those of `indices`. Not from two threads at once.
class Augmentation {
 public:
  Augmentation(const AugmentationSpec& spec, std::uint64_t seed) : spec_(spec), seed_(seed) {}
  void apply(std::int64_t step, const std::vector<std::int64_t>& indices, HostBatch& batch);

 private:
  AugmentationSpec spec_;
  std::uint64_t seed_;
  std::vector<std::byte> image_;
};

// For checkpoints: "none", or everything that the changes depend on but the seed.
std::string describe_augmentation(const AugmentationSpec& spec);

}  // namespace onelogit
