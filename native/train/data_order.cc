#include <algorithm>
#include <numeric>

#include "random/keys.h"
#include "random/philox.h"
#include "train/trainer.h"

namespace onelogit {
namespace {

// ⌊random · bound / 2^64⌋: uniform on [0, bound) up to a bias of bound/2^64.
std::uint64_t scaled(std::uint64_t random, std::uint64_t bound) {
  const std::uint64_t a0 = random & 0xffffffffU, a1 = random >> 32, b0 = bound & 0xffffffffU, b1 = bound >> 32;
  const std::uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
  return a1 * b1 + (middle >> 32) + ((a0 * b1 + (middle & 0xffffffffU)) >> 32);
}

}  // namespace

void DataOrder::indices(std::int64_t first_position, std::int64_t count, std::int64_t* out) {
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t epoch = (first_position + done) / n_, begin = (first_position + done) % n_;
    if (epoch != epoch_) {
      // Fisher and Yates (Durstenfeld 1964), from the identity, so that no epoch depends on the one before.
      permutation_.resize(static_cast<std::size_t>(n_));
      std::iota(permutation_.begin(), permutation_.end(), std::int64_t{0});
      const std::uint64_t key = mix_key(seed_, static_cast<std::uint64_t>(epoch));
      for (std::int64_t i = n_ - 1; i > 0; --i) {
        const PhiloxWords words = philox4x32(key, static_cast<std::uint64_t>(i), 0);
        const std::uint64_t j = scaled(join_words(words.word[0], words.word[1]), static_cast<std::uint64_t>(i) + 1);
        std::swap(permutation_[static_cast<std::size_t>(i)], permutation_[static_cast<std::size_t>(j)]);
      }
      epoch_ = epoch;
    }
    const std::int64_t run = std::min(count - done, n_ - begin);
    std::copy_n(permutation_.begin() + begin, run, out + done);
    done += run;
  }
}

}  // namespace onelogit
