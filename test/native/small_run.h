#pragma once

#include <cstdlib>
#include <string_view>

namespace onelogit::test {

// $ONELOGIT_TEST_SMALL=1: fewer and smaller cases, for runs under an emulator or a sanitizer.
inline bool small_run() {
  const char* const text = std::getenv("ONELOGIT_TEST_SMALL");
  return text != nullptr && std::string_view(text) == "1";
}

}  // namespace onelogit::test
