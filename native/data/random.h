// A small generator for data that must be the same everywhere: SplitMix64 (Steele, Lea, Flood 2014).
#pragma once

#include <cstdint>

namespace onelogit {

// A bijection that spreads every input bit over the output.
inline std::uint64_t mix_bits(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() { return mix_bits(state_ += 0x9e3779b97f4a7c15U); }
  // Uniform in [0, n), 1 ≤ n < 2³²; the bias of at most n/2³² does not matter here.
  std::int32_t below(std::int32_t n) {
    return static_cast<std::int32_t>((next() >> 32) * static_cast<std::uint64_t>(n) >> 32);
  }
  // Uniform in [−a, a].
  std::int32_t around_zero(std::int32_t a) { return below(2 * a + 1) - a; }

 private:
  std::uint64_t state_;
};

}  // namespace onelogit
