// Classifiers, for the files of the addon that make one.
#pragma once

#include <napi.h>

#include <memory>

#include "format/safetensors.h"

namespace onelogit::addon {

// loadClassifier({ inputShape, layers, seed, device, preprocessing?, storage?, memoryMap?, prefault?, metadata,
// classNames? }, handle?) of an open model file → Promise<NativeClassifier>; or of nothing when the weights of the
// classifier `handle` were replaced. `order`: of SharedWeights, from before the file was opened.
Napi::Value load_classifier(const Napi::CallbackInfo& info, std::shared_ptr<const SafetensorsFile> file,
                            std::uint64_t order);

}  // namespace onelogit::addon
