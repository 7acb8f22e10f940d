// Augmentation: images against a plain reference, the draws, and batches as they reach training.
#include "train/augmentation.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "backend/cpu/cpu_backend.h"
#include "error.h"
#include "train/batches.h"
#include "training_data.h"

namespace onelogit {
namespace {

using namespace test;

// Written as the operations are named: pad, crop, mirror.
template <class T>
std::vector<T> reference(const AugmentationSpec& spec, const ImageChange& change, const T* image) {
  const std::int64_t h = spec.height, w = spec.width, c = spec.channels, p = spec.padding;
  const std::int64_t padded_width = w + 2 * p;
  std::vector<T> padded(static_cast<std::size_t>((h + 2 * p) * padded_width * c)), out;
  for (std::int64_t y = 0; y < h; ++y)
    for (std::int64_t x = 0; x < w; ++x)
      for (std::int64_t k = 0; k < c; ++k)
        padded[static_cast<std::size_t>(((y + p) * padded_width + x + p) * c + k)] = image[(y * w + x) * c + k];
  const std::int64_t top = p + change.down, left = p + change.right;
  for (std::int64_t y = 0; y < h; ++y)
    for (std::int64_t x = 0; x < w; ++x)
      for (std::int64_t k = 0; k < c; ++k) {
        const std::int64_t column = change.mirrored ? w - 1 - x : x;
        out.push_back(padded[static_cast<std::size_t>(((y + top) * padded_width + column + left) * c + k)]);
      }
  return out;
}

template <class T>
void compare(const AugmentationSpec& spec, const ImageChange& change, const std::vector<T>& image) {
  std::vector<T> out(image.size(), T(77));
  change_image(spec, change, static_cast<std::size_t>(spec.channels) * sizeof(T),
               reinterpret_cast<const std::byte*>(image.data()), reinterpret_cast<std::byte*>(out.data()));
  const std::vector<T> expected = reference(spec, change, image.data());
  CHECK(std::memcmp(out.data(), expected.data(), out.size() * sizeof(T)) == 0);
}

TEST_CASE("augmentation: every shift and mirroring of every kind of shape is the reference's, bit for bit") {
  const std::int64_t shapes[][4] = {{1, 1, 1, 0}, {1, 1, 3, 0}, {2, 2, 1, 1}, {3, 5, 3, 2}, {5, 3, 1, 2},
                                    {7, 8, 4, 6}, {1, 9, 2, 0}, {9, 1, 2, 0}, {4, 4, 5, 3}};
  std::uint32_t seed = 1;
  for (const auto& [height, width, channels, padding] : shapes) {
    const AugmentationSpec spec{padding, true, height, width, channels};
    const std::vector<float> numbers = hostile_values(height * width * channels, ++seed);
    std::vector<std::uint8_t> bytes;
    for (std::size_t i = 0; i < numbers.size(); ++i) bytes.push_back(static_cast<std::uint8_t>(i * 29 + seed));
    for (std::int64_t down = -padding; down <= padding; ++down)
      for (std::int64_t right = -padding; right <= padding; ++right)
        for (const bool mirrored : {false, true}) {
          compare(spec, {down, right, mirrored}, numbers);
          compare(spec, {down, right, mirrored}, bytes);
        }
  }
}

TEST_CASE("augmentation: draws are uniform, and a function of seed, step and example alone") {
  const AugmentationSpec spec{2, true, 8, 8, 1};
  constexpr std::int64_t draws = 50'000;
  // Cells of (down, right, mirrored), along examples and along steps.
  for (const bool along_steps : {false, true}) {
    std::int64_t counts[5][5][2] = {};
    for (std::int64_t i = 0; i < draws; ++i) {
      const ImageChange change = image_change(spec, 7, along_steps ? i : 3, along_steps ? 3 : i);
      REQUIRE(std::abs(change.down) <= 2);
      REQUIRE(std::abs(change.right) <= 2);
      ++counts[change.down + 2][change.right + 2][change.mirrored ? 1 : 0];
    }
    double chi_squared = 0;
    const double expected = draws / 50.0;
    for (const auto& rows : counts)
      for (const auto& cells : rows)
        for (const std::int64_t count : cells)
          chi_squared += (static_cast<double>(count) - expected) * (static_cast<double>(count) - expected) / expected;
    // 49 degrees of freedom: above 85.4 once in a thousand; the draws are fixed.
    CHECK(chi_squared < 85.4);
  }
  const auto same = [&](std::uint64_t seed, std::int64_t step, std::int64_t example) {
    std::int64_t equal = 0;
    for (std::int64_t i = 0; i < 1000; ++i) {
      const ImageChange a = image_change(spec, 7, 3, i), b = image_change(spec, seed, step, example + i);
      equal += a.down == b.down && a.right == b.right && a.mirrored == b.mirrored ? 1 : 0;
    }
    return equal;
  };
  CHECK(same(7, 3, 0) == 1000);
  // By chance one in 50.
  CHECK(same(8, 3, 0) < 60);
  CHECK(same(7, 4, 0) < 60);
  CHECK(same(7, 3, 1) < 60);
  for (std::int64_t i = 0; i < 100; ++i) {
    CHECK_FALSE(image_change({2, false, 8, 8, 1}, 7, 0, i).mirrored);
    const ImageChange still = image_change({0, true, 8, 8, 1}, 7, 0, i);
    CHECK(still.down == 0);
    CHECK(still.right == 0);
  }
}

TEST_CASE(
    "augmentation: the examples of a batch are changed by their own numbers and step, in memory and behind a reader") {
  const AugmentationSpec spec{1, true, 3, 2, 2};
  const auto memory = std::make_shared<MemorySource>(40, 12, 4, 3);
  memory->readable = true;
  const auto stream = std::make_shared<StreamSource>(40, 12, 4, 3);
  for (const std::shared_ptr<MemorySource>& source : {memory, std::shared_ptr<MemorySource>(stream)}) {
    ReaderThread reader;
    BatchSequence batches(
        *source, reader, 4, 7, 5, 9,
        [](std::int64_t number, std::int64_t* out) {
          for (std::int64_t i = 0; i < 7; ++i) out[i] = (number * 11 + i * 13) % 40;
          return 7;
        },
        spec, 42);
    for (std::int64_t number = 5; number < 9; ++number) {
      const Batch* batch = batches.next();
      REQUIRE(batch != nullptr);
      CHECK(batch->count == 7);
      for (std::int64_t i = 0; i < 7; ++i) {
        const std::int64_t example = (number * 11 + i * 13) % 40;
        CHECK(batch->indices[i] == example);
        CHECK(batch->labels[i] == source->labels[static_cast<std::size_t>(example)]);
        const auto expected =
            reference(spec, image_change(spec, 42, number, example), source->inputs.data() + example * 12);
        CHECK(std::memcmp(batch->example(i, 12), expected.data(), 12 * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("augmentation: memory and a reader train the same model, another than without, and not validation data") {
  const auto memory = std::make_shared<MemorySource>(210, 12, 4, 3);
  memory->readable = true;
  const auto stream = std::make_shared<StreamSource>(210, 12, 4, 3);
  const auto trained = [&](std::shared_ptr<ExampleSource> source, const AugmentationSpec& spec) {
    Model model(small_network(12, 4), cpu_backend());
    TrainOptions options = small_options(source);
    options.steps = 60;
    options.augmentation = spec;
    options.validation = std::make_shared<MemorySource>(50, 12, 4, 3);  // which cannot be read
    options.validate_every = 20;
    train(model, options, {});
    return tensors_of(model);
  };
  const auto augmented = trained(memory, {1, true, 3, 2, 2});
  CHECK(same_bits(trained(stream, {1, true, 3, 2, 2}), augmented));
  CHECK(stream->overlaps == 0);
  CHECK_FALSE(same_bits(trained(memory, {}), augmented));
  CHECK_FALSE(same_bits(trained(memory, {0, true, 3, 2, 2}), augmented));
  CHECK_FALSE(same_bits(trained(memory, {1, true, 2, 3, 2}), augmented));
}

TEST_CASE("augmentation: what does not fit the model is an error before any step, a source that misbehaves its own") {
  const auto source = std::make_shared<StreamSource>(64, 12, 3, 2);
  Model model(small_network(12, 3), cpu_backend());
  const auto code = [&](const AugmentationSpec& spec) {
    TrainOptions options = small_options(source);
    options.steps = 5;
    options.augmentation = spec;
    try {
      train(model, options, {});
    } catch (const Error& error) {
      return error.code();
    }
    return std::string("none");
  };
  CHECK(code({1, false, 3, 2, 3}) == "ERR_ONELOGIT_SHAPE");
  CHECK(code({1, false, 3, 4, 0}) == "ERR_ONELOGIT_SHAPE");
  CHECK(code({1, false, -3, -4, 1}) == "ERR_ONELOGIT_SHAPE");
  CHECK(code({1, false, 5, 2, 1}) == "ERR_ONELOGIT_SHAPE");
  CHECK(code({1, false, std::int64_t{1} << 62, std::int64_t{1} << 62, 12}) == "ERR_ONELOGIT_SHAPE");
  CHECK(code({2, false, 3, 2, 2}) == "ERR_ONELOGIT_RANGE");
  CHECK(code({-1, true, 3, 2, 2}) == "ERR_ONELOGIT_RANGE");
  CHECK(source->reads == 0);
  CHECK(code({1, false, 3, 2, 2}) == "none");
  for (const Fault fault : {Fault::few_inputs, Fault::few_labels}) {
    source->fault = fault;
    source->at = source->reads + 2;
    CHECK(code({1, true, 3, 2, 2}) == "ERR_ONELOGIT_BATCH");
  }
}

}  // namespace
}  // namespace onelogit
