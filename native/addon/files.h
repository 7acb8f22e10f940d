// What safetensors files say of themselves, for JavaScript.
#pragma once

#include <napi.h>

#include "format/safetensors.h"

namespace onelogit::addon {

// [{ name, dtype, shape }], in the order of their bytes.
Napi::Array tensors_of_file(Napi::Env env, const SafetensorsFile& file);

}  // namespace onelogit::addon
