#include "head/feature_error.h"

#include <algorithm>
#include <cmath>

#include "head/logit_terms.h"

namespace onelogit {

FeatureError::FeatureError(const Trunk& trunk, const ClassMatrix& matrix, std::int64_t examples)
    : trunk_(trunk),
      matrix_(matrix),
      examples_(examples),
      looked_at_(trunk.is_identity() ? 0 : std::min(examples, std::clamp<std::int64_t>(examples / 64, 16, 256))),
      alone_(static_cast<std::size_t>(trunk.feature_size())) {}

bool FeatureError::look_at(std::int64_t first, std::int64_t count, const void* inputs, ExampleType type,
                           const float* features, const std::int32_t* classes, const std::atomic<bool>& cancelled) {
  const std::int64_t d = trunk_.feature_size();
  const std::size_t example_bytes = static_cast<std::size_t>(trunk_.input_size()) * element_bytes(type);
  // Number j of those looked at is example ⌊j · examples / looked at⌋.
  const auto place = [&](std::int64_t j) { return j * examples_ / looked_at_; };
  if (looked_at_ == 0) return true;
  std::int64_t j = first * looked_at_ / examples_;
  while (place(j) < first) ++j;
  for (; j < looked_at_ && place(j) < first + count; ++j) {
    const std::int64_t i = place(j) - first;
    if (!trunk_.features(static_cast<const std::byte*>(inputs) + static_cast<std::size_t>(i) * example_bytes, type, 1,
                         scratch_, alone_.data(), &cancelled, first + i))
      return false;
    const LogitTerms among = logit_terms(matrix_, features + i * d, classes[i]),
                     alone = logit_terms(matrix_, alone_.data(), classes[i]);
    const double difference = std::abs(among.logit - alone.logit);
    // A NaN is found where the logits are.
    if (difference > 0) largest_ = std::max(largest_, difference / std::max(among.magnitude, alone.magnitude));
  }
  return true;
}

}  // namespace onelogit
