#include "model/initializer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "backend/cpu/threads.h"
#include "random/keys.h"
#include "random/philox.h"

namespace onelogit {
namespace {

// Two uniform values per counter.
struct Pair {
  double first, second;
};

Pair uniform_pair(std::uint64_t key, std::int64_t pair) {
  const PhiloxWords w = philox4x32(key, static_cast<std::uint64_t>(pair), 0);
  return {unit_interval(join_words(w.word[0], w.word[1])), unit_interval(join_words(w.word[2], w.word[3]))};
}

// Box and Muller 1958.
Pair normal_pair(std::uint64_t key, std::int64_t pair) {
  const Pair u = uniform_pair(key, pair);
  const double radius = std::sqrt(-2.0 * std::log(u.first)), angle = 2.0 * std::numbers::pi * u.second;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

// out[i] = scale · draw(element) − shift
template <class Draw>
void fill(std::int64_t first, std::int64_t count, float* out, double scale, double shift, Draw draw) {
  parallel_for(count, 1 << 12, 2, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t element = first + i;
      const Pair values = draw(element / 2);
      out[i] = static_cast<float>(scale * (element % 2 == 0 ? values.first : values.second) - shift);
      if (element % 2 == 0 && i + 1 < end) out[++i] = static_cast<float>(scale * values.second - shift);
    }
  });
}

}  // namespace

void initialize(const TensorSpec& spec, std::uint64_t seed, std::uint64_t tensor_index, std::int64_t first,
                std::int64_t count, float* out) {
  const std::uint64_t key = mix_key(seed, tensor_index);
  const auto fan_in = static_cast<double>(spec.fan_in), fan_sum = static_cast<double>(spec.fan_in + spec.fan_out);
  const auto normal = [&](double variance) {
    fill(first, count, out, std::sqrt(variance), 0.0, [key](std::int64_t pair) { return normal_pair(key, pair); });
  };
  // Uniform on (−limit, limit) has variance limit²/3.
  const auto uniform = [&](double variance) {
    const double limit = std::sqrt(3.0 * variance);
    fill(first, count, out, 2.0 * limit, limit, [key](std::int64_t pair) { return uniform_pair(key, pair); });
  };
  switch (spec.initializer) {
    case Initializer::zeros:
      std::fill_n(out, count, 0.0f);
      return;
    case Initializer::ones:
      std::fill_n(out, count, 1.0f);
      return;
    case Initializer::he_normal:
      return normal(2.0 / fan_in);
    case Initializer::he_uniform:
      return uniform(2.0 / fan_in);
    case Initializer::glorot_normal:
      return normal(2.0 / fan_sum);
    case Initializer::glorot_uniform:
      return uniform(2.0 / fan_sum);
  }
}

}  // namespace onelogit
