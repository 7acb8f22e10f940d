#include <doctest/doctest.h>

#include <cstring>

#include "backend/backend.h"
#include "error.h"
#include "random_values.h"

namespace onelogit {
namespace {

std::string code_of(const std::string& device) {
  try {
    select_backend(device);
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

TEST_CASE("devices by name") {
  CHECK(select_backend("cpu").backend.get() == &cpu_backend());
  CHECK(select_backend("cpu").reason.empty());
  CHECK(select_backend("auto").backend->name() == "cpu");
  CHECK(select_backend("auto").reason == "this build has no CUDA support");
  CHECK(code_of("cuda") == "ERR_ONELOGIT_DEVICE_UNAVAILABLE");
  CHECK(code_of("gpu") == "ERR_ONELOGIT_ARGUMENT");
  CHECK(code_of("") == "ERR_ONELOGIT_ARGUMENT");
}

TEST_CASE("memory is aligned, zero, and moved exactly") {
  Backend& cpu = cpu_backend();
  for (const std::size_t bytes : {0UL, 1UL, 63UL, 64UL, 65UL, 4096UL, (5UL << 20) + 3}) {
    auto* memory = static_cast<unsigned char*>(cpu.allocate(bytes));
    CAPTURE(bytes);
    REQUIRE(memory != nullptr);
    CHECK(reinterpret_cast<std::uintptr_t>(memory) % 64 == 0);
    std::size_t set = 0;
    for (std::size_t i = 0; i < bytes; ++i) set += memory[i] != 0;
    CHECK(set == 0);
    std::vector<unsigned char> pattern(bytes), back(bytes);
    for (std::size_t i = 0; i < bytes; ++i) pattern[i] = static_cast<unsigned char>(i * 131 >> 3);
    cpu.upload(memory, pattern.data(), bytes);
    auto* other = static_cast<unsigned char*>(cpu.allocate(bytes));
    cpu.copy(other, memory, bytes);
    cpu.download(back.data(), other, bytes);
    CHECK(back == pattern);
    cpu.zero(other, bytes);
    cpu.download(back.data(), other, bytes);
    CHECK(back == std::vector<unsigned char>(bytes));
    cpu.release(memory, bytes);
    cpu.release(other, bytes);
  }
}

TEST_CASE("memory that nobody has is a clear error") {
  for (const std::size_t bytes : {std::size_t{1} << 62, ~std::size_t{0}, ~std::size_t{0} / 2}) {
    std::string code;
    try {
      cpu_backend().allocate(bytes);
    } catch (const Error& error) {
      code = error.code();
    }
    CHECK(code == "ERR_ONELOGIT_OUT_OF_MEMORY");
  }
}

}  // namespace
}  // namespace onelogit
