// The header of a safetensors file: its JSON, and the rules that its tensors' ranges obey. Internal to native/format/.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "format/safetensors.h"

namespace onelogit {

// As in the reference implementation: larger headers are refused before they are read.
constexpr std::uint64_t largest_safetensors_header = 100'000'000;

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> tensors;  // in the order of the header; ranges not yet checked
};

// Reads exactly the grammar of the format and nothing else: one object of tensors, each {dtype, shape, data_offsets},
// and
// __metadata__, an object of strings. So nesting is bounded by construction. Throws ERR_ONELOGIT_FORMAT naming `file`,
// the byte, what was expected and what came.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& file);

// Sorts by range and checks: names unique, dtype known, shape × dtype = range without overflow, ranges that follow one
// another without overlap or hole from 0 to `data_bytes`.
void check_safetensors_tensors(std::vector<TensorEntry>& tensors, std::uint64_t data_bytes, const std::string& file);

// Bytes of a tensor; false when the number does not fit 63 bits or is not whole.
bool tensor_bytes(const std::vector<std::int64_t>& shape, int bits_per_element, std::uint64_t& bytes);

// The JSON of a header, without padding.
std::string safetensors_header_json(const std::map<std::string, std::string>& metadata,
                                    const std::vector<TensorEntry>& tensors);

}  // namespace onelogit
