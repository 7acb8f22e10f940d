// Safetensors files that stay open between two calls from JavaScript: what a header was read of is what is read later.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>

#include "format/safetensors.h"

namespace onelogit::addon {

struct OpenedSafetensors {
  std::uint64_t order;  // of SharedWeights, when it was opened
  SafetensorsFile file;
};

// openSafetensors(path) → Promise of { tensors, close() }
Napi::Value open_safetensors(const Napi::CallbackInfo& info);

// What such an object holds. Throws a TypeError ERR_ONELOGIT_ARGUMENT for anything else, ERR_ONELOGIT_FILE once closed.
std::shared_ptr<const OpenedSafetensors> opened_safetensors(const Napi::Value& value);

}  // namespace onelogit::addon
