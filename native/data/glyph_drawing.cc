// From strokes to pixels. Lengths are in 256ths of a pixel of a 28×28 image until the last step, which scales them to
// the image's size; all arithmetic is in integers.

#include <algorithm>
#include <cstring>

#include "backend/cpu/threads.h"
#include "data/glyphs.h"
#include "data/random.h"

namespace onelogit {
namespace {

constexpr std::int32_t pixel = 256;
constexpr std::int32_t nominal_size = 28;

struct Point {
  std::int32_t x, y;
};

// The square root of v, rounded down.
std::int64_t integer_root(std::int64_t v) {
  std::int64_t root = 0;
  for (std::int64_t bit = std::int64_t{1} << 30; bit != 0; bit /= 2)
    if ((root + bit) * (root + bit) <= v) root += bit;
  return root;
}

struct Canvas {
  std::uint8_t* image;
  std::int32_t size;
};

// A pen of a round tip: full within half_width − ½ pixel of the line, nothing beyond half_width + ½.
class Pen {
 public:
  Pen(Canvas canvas, std::int64_t half_width) : canvas_(canvas) {
    const std::int64_t outer = half_width + pixel / 2, inner = std::max<std::int64_t>(0, half_width - pixel / 2);
    reach_ = outer;
    outer_squared_ = outer * outer;
    scale_ = (std::int64_t{255} << 32) / (outer_squared_ - inner * inner);
  }

  // Pixels take the darkest of what covers them. Coverage falls with the squared distance to the segment: no root per
  // pixel.
  void draw(Point a, Point b) const {
    const std::int64_t abx = b.x - a.x, aby = b.y - a.y;
    const std::int64_t length_squared = abx * abx + aby * aby;
    const std::int64_t length = integer_root(length_squared);
    const std::int64_t inverse_length = length == 0 ? 0 : (std::int64_t{1} << 32) / length;
    const std::int32_t left = first_pixel(std::min(a.x, b.x)), right = last_pixel(std::max(a.x, b.x));
    const std::int32_t top = first_pixel(std::min(a.y, b.y)), bottom = last_pixel(std::max(a.y, b.y));
    for (std::int32_t row = top; row <= bottom; ++row) {
      std::uint8_t* line = canvas_.image + static_cast<std::int64_t>(row) * canvas_.size;
      const std::int64_t py = row * pixel + pixel / 2 - a.y;
      for (std::int32_t column = left; column <= right; ++column) {
        const std::int64_t px = column * pixel + pixel / 2 - a.x;
        const std::int64_t along = px * abx + py * aby;
        std::int64_t distance_squared;
        if (along <= 0) {
          distance_squared = px * px + py * py;
        } else if (along >= length_squared) {
          distance_squared = (px - abx) * (px - abx) + (py - aby) * (py - aby);
        } else {
          const std::int64_t distance = ((px * aby - py * abx) * inverse_length) >> 32;
          distance_squared = distance * distance;
        }
        if (distance_squared >= outer_squared_) continue;
        const std::int64_t coverage = std::min<std::int64_t>(255, ((outer_squared_ - distance_squared) * scale_) >> 32);
        line[column] = std::max(line[column], static_cast<std::uint8_t>(coverage));
      }
    }
  }

 private:
  // The first and the last pixel whose centre may be within reach.
  std::int32_t first_pixel(std::int64_t position) const {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>((position - reach_) >> 8, 0, canvas_.size));
  }
  std::int32_t last_pixel(std::int64_t position) const {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>((position + reach_) >> 8, -1, canvas_.size - 1));
  }
  Canvas canvas_;
  std::int64_t reach_, outer_squared_, scale_;
};

// How strong each distortion is at distortion 256: tuned so that a 784-500-500-26 network sees 97 to 98 % of 26 classes
// right after 2,000 steps of 128.
constexpr std::int32_t point_shift = pixel * 9 / 10;    // of each grid point, either way
constexpr std::int32_t bend_change = 77;                // of a stroke's bend, in 256ths of its length
constexpr std::int32_t scale_change = 4096 * 18 / 100;  // of each axis
constexpr std::int32_t rotation = 4096 * 24 / 100;      // sine of about 14 degrees
constexpr std::int32_t shear = 4096 * 18 / 100;
constexpr std::int32_t shift = pixel * 24 / 10;
constexpr std::int32_t half_width = pixel;  // of the pen
constexpr std::int32_t half_width_change = pixel / 2;
constexpr std::int32_t largest_fading = 156;     // of 255
constexpr std::int32_t noise = 28;               // standard deviation of a pixel, of 255
constexpr std::int32_t hidden_share = 60;        // of 256 examples have a part hidden
constexpr std::int32_t hidden_side = pixel * 5;  // at least, at most twice that

// A random number in [−amplitude, amplitude] · distortion.
std::int32_t vary(SplitMix64& random, std::int32_t amplitude, std::int32_t distortion) {
  return random.around_zero(amplitude * distortion / 256);
}

void draw_strokes(std::span<const Stroke> strokes, SplitMix64& random, std::int32_t distortion, Canvas canvas) {
  Point points[16];
  for (int i = 0; i < 16; ++i)
    points[i] = {(i % 4 * 2 - 3) * 3 * pixel + vary(random, point_shift, distortion),
                 (i / 4 * 2 - 3) * 3 * pixel + vary(random, point_shift, distortion)};
  const std::int32_t turn = vary(random, rotation, distortion), lean = vary(random, shear, distortion);
  const std::int32_t xx = 4096 + vary(random, scale_change, distortion),
                     yy = 4096 + vary(random, scale_change, distortion);
  const std::int32_t xy = lean - turn, yx = turn;
  const std::int32_t shift_x = vary(random, shift, distortion), shift_y = vary(random, shift, distortion);
  // From the glyph's own frame to pixels of the image.
  const auto place = [&](Point p) {
    const std::int64_t x =
        (std::int64_t{xx} * p.x + std::int64_t{xy} * p.y) / 4096 + shift_x + nominal_size * pixel / 2;
    const std::int64_t y =
        (std::int64_t{yx} * p.x + std::int64_t{yy} * p.y) / 4096 + shift_y + nominal_size * pixel / 2;
    return Point{static_cast<std::int32_t>(x * canvas.size / nominal_size),
                 static_cast<std::int32_t>(y * canvas.size / nominal_size)};
  };
  const std::int32_t width = std::max(pixel / 4, half_width + vary(random, half_width_change, distortion));
  const Pen pen(canvas, std::int64_t{width} * canvas.size / nominal_size);
  for (const Stroke& stroke : strokes) {
    const Point a = points[stroke.from], b = points[stroke.to];
    // A quadratic Bézier curve whose control point is beside the middle, by a part of the length.
    std::int32_t bend = vary(random, bend_change, distortion);
    if (stroke.bend == Stroke::Bend::left) bend -= 230;
    if (stroke.bend == Stroke::Bend::right) bend += 230;
    const Point control{(a.x + b.x) / 2 - (b.y - a.y) * bend / 256, (a.y + b.y) / 2 + (b.x - a.x) * bend / 256};
    constexpr int pieces = 6;
    Point before = place(a);
    for (int i = 1; i <= pieces; ++i) {
      const int u = pieces - i;
      const Point on{(u * u * a.x + 2 * u * i * control.x + i * i * b.x) / (pieces * pieces),
                     (u * u * a.y + 2 * u * i * control.y + i * i * b.y) / (pieces * pieces)};
      const Point next = place(on);
      pen.draw(before, next);
      before = next;
    }
  }
}

void hide_a_part(SplitMix64& random, std::int32_t distortion, Canvas canvas) {
  const std::int32_t width = hidden_side + random.below(hidden_side), height = hidden_side + random.below(hidden_side);
  const std::int32_t left = random.below(nominal_size * pixel - width),
                     top = random.below(nominal_size * pixel - height);
  if (random.below(256) >= hidden_share * distortion / 256) return;
  const auto to_pixels = [&](std::int32_t length) {
    return std::int64_t{length} * canvas.size / (nominal_size * pixel);
  };
  for (std::int64_t row = to_pixels(top); row < to_pixels(top + height); ++row)
    std::memset(canvas.image + row * canvas.size + to_pixels(left), 0, to_pixels(left + width) - to_pixels(left));
}

void fade_and_add_noise(SplitMix64& random, std::int32_t distortion, Canvas canvas) {
  const std::int32_t brightness = 255 - random.below(std::min(largest_fading * distortion / 256, 235) + 1);
  // The sum of four bytes has standard deviation 147.8 about 510.
  const std::int32_t amplitude = noise * 256 * 10 / 1478 * distortion / 256;
  std::uint64_t bits = 0;
  const std::int64_t pixels = std::int64_t{canvas.size} * canvas.size;
  for (std::int64_t i = 0; i < pixels; ++i) {
    bits = i % 2 == 0 ? random.next() : bits >> 32;
    const auto sum =
        static_cast<std::int32_t>((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24 & 255));
    const std::int32_t value = canvas.image[i] * brightness / 255 + (sum - 510) * amplitude / 256;
    canvas.image[i] = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
  }
}

}  // namespace

void draw_glyph(std::span<const Stroke> strokes, const GlyphOptions& options, std::int64_t label, std::int64_t index,
                std::uint8_t* image) {
  std::uint64_t key = mix_bits(options.seed + 0x6578616d706c6573U);
  for (const std::uint64_t part : {options.split, static_cast<std::uint64_t>(label), static_cast<std::uint64_t>(index)})
    key = mix_bits(key + (part + 1) * 0x9e3779b97f4a7c15U);
  SplitMix64 random(key);
  const Canvas canvas{image, options.size};
  std::memset(image, 0, static_cast<std::size_t>(options.size) * options.size);
  draw_strokes(strokes, random, options.distortion, canvas);
  hide_a_part(random, options.distortion, canvas);
  fade_and_add_noise(random, options.distortion, canvas);
}

bool draw_glyphs(const GlyphOptions& options, std::int64_t count, std::uint8_t* images,
                 const std::atomic<bool>* cancelled) {
  const GlyphShapes shapes(std::min(options.classes, count), options.seed);
  const std::int64_t bytes = std::int64_t{options.size} * options.size;
  const auto stop = [&] { return cancelled != nullptr && cancelled->load(std::memory_order_relaxed); };
  parallel_for(count, 64, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end && !stop(); ++n) {
      const std::int64_t label = n % options.classes;
      draw_glyph(shapes.strokes(label), options, label, n / options.classes, images + n * bytes);
    }
  });
  return !stop();
}

}  // namespace onelogit
