// How layers refuse options and shapes.
#pragma once

#include <string>

namespace onelogit {

// Throws ERR_ONELOGIT_LAYER.
[[noreturn]] void reject_layer(const std::string& expected, const std::string& what, const std::string& received);

}  // namespace onelogit
