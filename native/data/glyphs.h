// Generated characters: labelled images of any number of classes, for a first run without data and for tests at scale.
//
// A class is a few pen strokes between the points of a 4×4 grid. An example is that glyph with its grid points moved,
// under a random affine map, with its own pen width and brightness, pixel noise, and now and then a part hidden.
// Everything is a function of (seed, split, class, index) alone and computed in integers, so that the same call gives
// the same bytes on every machine and with any number of threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

namespace onelogit {

// A pen stroke between two grid points, numbered row by row from 0 to 15, from < to.
struct Stroke {
  enum class Bend : std::uint8_t { straight, left, right };
  std::uint8_t from, to;
  Bend bend;
  bool operator==(const Stroke&) const = default;
};

// The glyphs of classes 0 … classes − 1. Those of fewer classes are the first of those of more. No two are the same,
// and as long as such glyphs are found none is another with one stroke added, taken away or exchanged.
class GlyphShapes {
 public:
  GlyphShapes(std::int64_t classes, std::uint64_t seed);
  std::span<const Stroke> strokes(std::int64_t label) const {
    return {strokes_.data() + begin_[label], static_cast<std::size_t>(begin_[label + 1] - begin_[label])};
  }

 private:
  std::vector<Stroke> strokes_;
  std::vector<std::int64_t> begin_;
};

struct GlyphOptions {
  std::int64_t classes = 0;
  std::uint64_t seed = 0;
  std::uint64_t split = 0;        // 0 train, 1 test: the same shapes, other examples
  std::int32_t size = 28;         // pixels per side, 8 … 1024
  std::int32_t distortion = 256;  // 256ths: 0 draws the bare glyphs
};

// One image, size×size bytes: 0 background, up to 255.
void draw_glyph(std::span<const Stroke> strokes, const GlyphOptions& options, std::int64_t label, std::int64_t index,
                std::uint8_t* image);

// `count` images: the n-th is example n / classes of class n mod classes. Returns false if it was cancelled (may be
// null).
bool draw_glyphs(const GlyphOptions& options, std::int64_t count, std::uint8_t* images,
                 const std::atomic<bool>* cancelled);

}  // namespace onelogit
