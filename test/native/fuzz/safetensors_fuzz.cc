// libFuzzer target for the safetensors reader: any bytes give an Error or a file whose tensors can be read. Build and
// run:
//   CC=clang CXX=clang++ cmake -S . -B build-fuzz -G Ninja -DONELOGIT_FUZZ=ON && cmake --build build-fuzz --target
//   safetensors_fuzz build-fuzz/safetensors_fuzz -max_total_time=60 build-fuzz/corpus test/native/fuzz/corpus   (mkdir
//   build-fuzz/corpus first)

#include <cstdlib>
#include <vector>

#include "error.h"
#include "format/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using onelogit::SafetensorsFile;
  try {
    const SafetensorsFile file = SafetensorsFile::parse({data, size}, "fuzz");
    std::uint64_t next = 0;
    for (const onelogit::TensorEntry& tensor : file.tensors()) {
      if (tensor.begin != next || file.find(tensor.name) != &tensor) std::abort();
      next = tensor.end;
      std::vector<std::uint8_t> bytes(static_cast<std::size_t>(tensor.end - tensor.begin));
      file.read(tensor, bytes.data(), 0, bytes.size());
      if (tensor.dtype == "F32" || tensor.dtype == "F16" || tensor.dtype == "BF16" || tensor.dtype == "F64") {
        std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
        file.read_float32(tensor, values.data());
      }
    }
  } catch (const onelogit::Error& error) {
    if (error.code() != "ERR_ONELOGIT_FORMAT") std::abort();
  }
  return 0;
}
