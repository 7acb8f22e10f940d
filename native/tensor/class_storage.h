// How a class matrix is stored for scoring.
#pragma once

#include <cstddef>
#include <string_view>

namespace onelogit {

// int8: whole numbers from −127 to 127, times a float32 of each class.
enum class ClassStorage { float32, bfloat16, int8 };

inline std::size_t storage_bytes(ClassStorage storage) {
  return storage == ClassStorage::float32 ? 4 : storage == ClassStorage::bfloat16 ? 2 : 1;
}
// "float32" …
inline std::string_view storage_name(ClassStorage storage) {
  return storage == ClassStorage::float32 ? "float32" : storage == ClassStorage::bfloat16 ? "bfloat16" : "int8";
}
// Its type in a safetensors file.
inline const char* storage_dtype(ClassStorage storage) {
  return storage == ClassStorage::float32 ? "F32" : storage == ClassStorage::bfloat16 ? "BF16" : "I8";
}

}  // namespace onelogit
