#include "data/glyphs.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <utility>

namespace {

using onelogit::GlyphShapes;
using onelogit::Stroke;

std::set<int> as_set(std::span<const Stroke> strokes) {
  std::set<int> set;
  for (const Stroke& stroke : strokes) set.insert((stroke.from * 16 + stroke.to) * 3 + static_cast<int>(stroke.bend));
  return set;
}

std::size_t differing(const std::set<int>& a, const std::set<int>& b) {
  std::vector<int> common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
  return a.size() + b.size() - 2 * common.size();
}

}  // namespace

TEST_CASE("none of a thousand glyphs is another with one stroke added, taken away or exchanged") {
  const GlyphShapes shapes(1000, 5);
  std::vector<std::set<int>> sets;
  for (std::int64_t label = 0; label < 1000; ++label) sets.push_back(as_set(shapes.strokes(label)));
  int close = 0;
  for (std::size_t a = 0; a < sets.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      const std::size_t difference = differing(sets[a], sets[b]);
      close += difference <= 1 || (difference == 2 && sets[a].size() == sets[b].size());
    }
  CHECK(close == 0);
}

TEST_CASE("200,000 glyphs are distinct, have no stroke twice, and fill the grid") {
  const GlyphShapes shapes(200000, 1);
  std::set<std::set<int>> seen;
  bool filled = true, once = true, ordered = true;
  for (std::int64_t label = 0; label < 200000; ++label) {
    const auto strokes = shapes.strokes(label);
    auto set = as_set(strokes);
    once = once && set.size() == strokes.size();
    int left = 4, right = 0, top = 4, bottom = 0;
    for (const Stroke& stroke : strokes) {
      ordered = ordered && stroke.from < stroke.to && stroke.to < 16;
      for (const int point : {stroke.from, stroke.to}) {
        left = std::min(left, point % 4), right = std::max(right, point % 4);
        top = std::min(top, point / 4), bottom = std::max(bottom, point / 4);
      }
    }
    filled = filled && left == 0 && right == 3 && top == 0 && bottom == 3;
    seen.insert(std::move(set));
  }
  CHECK(seen.size() == 200000);
  CHECK(once);
  CHECK(ordered);
  CHECK(filled);
}

TEST_CASE("more classes begin with the glyphs of fewer; another seed has others") {
  const GlyphShapes few(50, 9), many(5000, 9), other(50, 10);
  int same_as_other = 0;
  for (std::int64_t label = 0; label < 50; ++label) {
    CHECK(as_set(few.strokes(label)) == as_set(many.strokes(label)));
    same_as_other += as_set(few.strokes(label)) == as_set(other.strokes(label));
  }
  CHECK(same_as_other == 0);
}

TEST_CASE("glyphs of every size and distortion stay within their image") {
  // Images lie between guard bytes: what is drawn outside them shows, and under AddressSanitizer stops.
  const GlyphShapes shapes(20, 3);
  for (const std::int32_t size : {8, 9, 27, 28, 64, 1024})
    for (const std::int32_t distortion : {0, 1, 256, 1024}) {
      onelogit::GlyphOptions options;
      options.size = size;
      options.distortion = distortion;
      const std::size_t bytes = static_cast<std::size_t>(size) * size;
      for (std::int64_t label = 0; label < (size > 100 ? 2 : 20); ++label) {
        std::vector<std::uint8_t> memory(bytes + 128, 77);
        onelogit::draw_glyph(shapes.strokes(label), options, label, 0, memory.data() + 64);
        CHECK(std::count(memory.begin(), memory.begin() + 64, 77) == 64);
        CHECK(std::count(memory.end() - 64, memory.end(), 77) == 64);
        // Something is drawn, and not everything.
        const auto dark = std::count_if(memory.begin() + 64, memory.end() - 64, [](int v) { return v > 60; });
        if (distortion <= 256) CHECK(dark > static_cast<std::ptrdiff_t>(bytes / 50));
        CHECK(dark < static_cast<std::ptrdiff_t>(bytes * 3 / 4));
      }
    }
}

TEST_CASE("drawing stops when cancelled") {
  onelogit::GlyphOptions options;
  options.classes = 3;
  std::vector<std::uint8_t> images(9 * 784, 1);
  std::atomic<bool> cancelled{true};
  CHECK_FALSE(onelogit::draw_glyphs(options, 9, images.data(), &cancelled));
  cancelled = false;
  CHECK(onelogit::draw_glyphs(options, 9, images.data(), &cancelled));
}

TEST_CASE("glyphs are the same bytes on every machine") {
  // FNV-1a of 26 classes × 5 examples; also run on aarch64.
  onelogit::GlyphOptions options;
  options.classes = 26;
  options.seed = 1;
  std::vector<std::uint8_t> images(26 * 5 * 784);
  onelogit::draw_glyphs(options, 26 * 5, images.data(), nullptr);
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::uint8_t byte : images) hash = (hash ^ byte) * 0x100000001b3U;
  CHECK(hash == 0xfbd6e62a45a7f5c6U);
}
