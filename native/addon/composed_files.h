// Files of other formats, from JavaScript.
#pragma once

#include <napi.h>

#include <vector>

#include "format/composed_file.h"

namespace onelogit::addon {

// [{ path, segments: [Uint8Array | { tensor, type, channels, pixels, byteLength }] }], bytes copied. Throws a TypeError
// ERR_ONELOGIT_ARGUMENT for anything else.
std::vector<ComposedFile> composed_files_from_javascript(const Napi::Value& value);

}  // namespace onelogit::addon
