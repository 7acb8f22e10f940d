// Classifiers, for the files of the addon that make one.
#pragma once

#include <napi.h>

#include <memory>

#include "format/safetensors.h"

namespace onelogit::addon {

struct Scorer;

// k float32 in the file of a classifier that was calibrated.
inline constexpr const char* thresholds_tensor = "thresholds";

// calibrate(source, 'recall' | 'precision', value) → { promise, cancel() }; the thresholds are this classifier's from
// then on.
Napi::Value calibrate_job(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer);
// evaluateThresholds(source, 'recall' | 'precision' | undefined, value?) → { promise, cancel() }
Napi::Value evaluate_thresholds_job(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer);

// loadClassifier({ inputShape, layers, seed, device, preprocessing?, storage?, memoryMap?, prefault?, metadata,
// classNames? }, handle?) of an open model file → Promise<NativeClassifier>; or of nothing when the weights of the
// classifier `handle` were replaced. `order`: of SharedWeights, from before the file was opened.
Napi::Value load_classifier(const Napi::CallbackInfo& info, std::shared_ptr<const SafetensorsFile> file,
                            std::uint64_t order);

}  // namespace onelogit::addon
