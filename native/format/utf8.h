// UTF-8: the only encoding of a safetensors header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace onelogit {

// Whether `text` is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
bool is_utf8(std::string_view text);

// Appends the code point (a Unicode scalar value) to `out`.
void append_utf8(std::string& out, std::uint32_t code_point);

// `text` in single quotes for an error message: cut to a readable length, control characters shown as \u00XX, bytes
// that are not UTF-8 as \xXX. What a hostile file contains must not break a terminal or a log line.
std::string quoted(std::string_view text);

}  // namespace onelogit
