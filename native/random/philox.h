// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): four random words from a 128-bit
// counter and a 64-bit key. Stateless, so any element of a random tensor can be made by any thread, on any device,
// twice.
#pragma once

#include <cstdint>

#include "inline.h"

namespace onelogit {

struct PhiloxWords {
  std::uint32_t word[4];
};

inline constexpr std::uint32_t philox_multiplier0 = 0xD2511F53U, philox_multiplier1 = 0xCD9E8D57U;
inline constexpr std::uint32_t philox_weyl0 = 0x9E3779B9U, philox_weyl1 = 0xBB67AE85U;

// Counter words, low to high: `low` in words 0 and 1, `high` in words 2 and 3.
ONELOGIT_SHARED_INLINE PhiloxWords philox4x32(std::uint64_t key, std::uint64_t low, std::uint64_t high) {
  std::uint32_t c0 = static_cast<std::uint32_t>(low), c1 = static_cast<std::uint32_t>(low >> 32);
  std::uint32_t c2 = static_cast<std::uint32_t>(high), c3 = static_cast<std::uint32_t>(high >> 32);
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(philox_multiplier0) * c0;
    const std::uint64_t p1 = static_cast<std::uint64_t>(philox_multiplier1) * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    k0 += philox_weyl0;
    k1 += philox_weyl1;
  }
  return {{c0, c1, c2, c3}};
}

}  // namespace onelogit
