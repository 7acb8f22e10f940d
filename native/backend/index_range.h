// What every backend says of an integer that is no row of the embedding.
#pragma once

#include <cstdint>
#include <string>

#include "error.h"

namespace onelogit {

// `example` is its number in the user's data.
[[noreturn]] inline void throw_index_range(std::int32_t received, std::int64_t vocabulary, std::int64_t example) {
  throw Error(ErrorKind::range, "ERR_ONELOGIT_INDEX_RANGE",
              "Expected integers from 0 to " + std::to_string(vocabulary - 1) +
                  " (rows of the embedding) for the inputs but received " + std::to_string(received) + " in example " +
                  std::to_string(example));
}

}  // namespace onelogit
