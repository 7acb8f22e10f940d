// Classifiers, for the files of the addon that make one.
#pragma once

#include <napi.h>

#include <memory>

#include "format/safetensors.h"

namespace onelogit::addon {

// loadClassifier({ inputShape, layers, seed, device, preprocessing? }) of an open model file →
// Promise<NativeClassifier>
Napi::Value load_classifier(const Napi::CallbackInfo& info, std::shared_ptr<const SafetensorsFile> file);

}  // namespace onelogit::addon
