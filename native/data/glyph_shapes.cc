// Which strokes make up the glyph of each class.

#include <algorithm>
#include <cstdlib>

#include "data/glyphs.h"
#include "data/random.h"

namespace onelogit {
namespace {

constexpr int grid = 4;

// A set of 64-bit keys: open addressing, at most half full. Key 0 marks a free place and is never inserted.
class KeySet {
 public:
  explicit KeySet(std::size_t expected) {
    std::size_t places = 64;
    while (places < 2 * expected) places *= 2;
    places_.assign(places, 0);
  }
  bool contains(std::uint64_t key) const { return places_[place_of(key)] == key; }
  void insert(std::uint64_t key) {
    const std::size_t place = place_of(key);
    if (places_[place] == key) return;
    places_[place] = key;
    if (2 * ++used_ > places_.size()) grow();
  }

 private:
  std::size_t place_of(std::uint64_t key) const {
    std::size_t place = key & (places_.size() - 1);
    while (places_[place] != 0 && places_[place] != key) place = (place + 1) & (places_.size() - 1);
    return place;
  }
  void grow() {
    std::vector<std::uint64_t> old(2 * places_.size(), 0);
    old.swap(places_);
    for (const std::uint64_t key : old)
      if (key != 0) places_[place_of(key)] = key;
  }
  std::vector<std::uint64_t> places_;
  std::size_t used_ = 0;
};

// A glyph's key is the exclusive-or of its strokes' keys, so that one stroke is taken out or put in by one operation.
std::uint64_t key_of(const Stroke& stroke) {
  const std::uint64_t number = (stroke.from * 16U + stroke.to) * 3U + static_cast<std::uint64_t>(stroke.bend);
  return mix_bits(number + 0x51ed270b5b1f27c3U);
}

using Glyph = std::vector<Stroke>;

int column(int point) { return point % grid; }
int row(int point) { return point / grid; }

// A straight line over several grid points is the strokes between them: the same picture has one description.
void add_line(Glyph& glyph, int from, int to) {
  const int dx = column(to) - column(from), dy = row(to) - row(from);
  int pieces = std::max(std::abs(dx), std::abs(dy));
  while (dx % pieces != 0 || dy % pieces != 0) --pieces;
  for (int i = 0, a = from; i < pieces; ++i) {
    const int b = a + (dy * grid + dx) / pieces;
    const Stroke stroke{static_cast<std::uint8_t>(std::min(a, b)), static_cast<std::uint8_t>(std::max(a, b)),
                        Stroke::Bend::straight};
    if (std::find(glyph.begin(), glyph.end(), stroke) == glyph.end()) glyph.push_back(stroke);
    a = b;
  }
}

// The pen is put down three to five times, mostly where it was lifted. False: the glyph does not fill the grid, from
// side to side and from top to bottom, or is a scribble. As all do fill it, none is another one moved or scaled.
bool random_glyph(SplitMix64& random, Glyph& glyph) {
  glyph.clear();
  int visited[8], count = 0;
  visited[count++] = random.below(grid * grid);
  const int lines = 3 + random.below(3);
  for (int line = 0; line < lines; ++line) {
    const int from = random.below(4) != 0 ? visited[count - 1] : visited[random.below(count)];
    int to = random.below(grid * grid);
    while (to == from) to = random.below(grid * grid);
    const int reach = std::max(std::abs(column(to) - column(from)), std::abs(row(to) - row(from)));
    if (reach <= 2 && random.below(2) == 0) {
      const Stroke stroke{static_cast<std::uint8_t>(std::min(from, to)), static_cast<std::uint8_t>(std::max(from, to)),
                          random.below(2) == 0 ? Stroke::Bend::left : Stroke::Bend::right};
      if (std::find(glyph.begin(), glyph.end(), stroke) == glyph.end()) glyph.push_back(stroke);
    } else {
      add_line(glyph, from, to);
    }
    visited[count++] = to;
  }
  int left = grid, right = 0, top = grid, bottom = 0;
  for (const Stroke& stroke : glyph)
    for (const int point : {stroke.from, stroke.to}) {
      left = std::min(left, column(point));
      right = std::max(right, column(point));
      top = std::min(top, row(point));
      bottom = std::max(bottom, row(point));
    }
  return glyph.size() >= 3 && glyph.size() <= 7 && right - left == grid - 1 && bottom - top == grid - 1;
}

std::uint64_t key_of(const Glyph& glyph) {
  std::uint64_t key = 0;
  for (const Stroke& stroke : glyph) key ^= key_of(stroke);
  return key;
}

}  // namespace

GlyphShapes::GlyphShapes(std::int64_t classes, std::uint64_t seed) : begin_(1, 0) {
  // Holds every glyph so far, and each without any one of its strokes. A candidate is one of those with a stroke added,
  // taken away or exchanged just when it, or it without any one stroke, is in there.
  KeySet taken(static_cast<std::size_t>(classes) * 6);
  KeySet whole(static_cast<std::size_t>(classes));
  constexpr int tries_for_distance = 64;
  SplitMix64 random(mix_bits(seed ^ 0x676c797068736861U));
  Glyph glyph;
  begin_.reserve(classes + 1);
  for (std::int64_t label = 0; label < classes; ++label) {
    std::uint64_t key = 0;
    for (int tries = 0;; ++tries) {
      if (!random_glyph(random, glyph)) continue;
      key = key_of(glyph);
      if (whole.contains(key)) continue;
      const bool far = !taken.contains(key) && std::none_of(glyph.begin(), glyph.end(), [&](const Stroke& stroke) {
        return taken.contains(key ^ key_of(stroke));
      });
      if (far || tries >= tries_for_distance) break;
    }
    whole.insert(key);
    taken.insert(key);
    for (const Stroke& stroke : glyph) taken.insert(key ^ key_of(stroke));
    strokes_.insert(strokes_.end(), glyph.begin(), glyph.end());
    begin_.push_back(static_cast<std::int64_t>(strokes_.size()));
  }
}

}  // namespace onelogit
