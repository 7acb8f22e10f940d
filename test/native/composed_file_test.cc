// Files with tensors of a model between other bytes: turned, converted, and all of them or none.

#include "format/composed_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "error.h"
#include "scratch_directory.h"
#include "tensor/bfloat16.h"

namespace onelogit {
namespace {

using test::ScratchDirectory;
using Bytes = std::vector<std::uint8_t>;

Bytes read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

template <class T>
Bytes bytes_of_values(const std::vector<T>& values) {
  Bytes bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// A tensor that comes in pieces of `at_once` bytes.
template <class T>
TensorToWrite tensor(const std::string& name, const std::string& dtype, const std::vector<T>& values,
                     std::size_t at_once = 7) {
  return {
      name, dtype, {static_cast<std::int64_t>(values.size())}, [bytes = bytes_of_values(values), at_once](auto& sink) {
        for (std::size_t begin = 0; begin < bytes.size(); begin += at_once)
          sink(bytes.data() + begin, std::min(at_once, bytes.size() - begin));
      }};
}

Segment place(const std::string& name, const std::string& dtype, std::uint64_t bytes, std::int64_t channels = 1,
              std::int64_t pixels = 1) {
  return {{}, name, dtype, bytes, channels, pixels};
}
Segment text(const std::string& words) { return {Bytes(words.begin(), words.end()), "", "", 0, 1, 1}; }

std::vector<float> counted(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i) - 3.0f;
  return values;
}

template <class Body>
std::string code_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("composed file: bytes and tensors follow each other as they are given") {
  const ScratchDirectory scratch;
  const std::vector<float> values = counted(5);
  const std::vector<std::int8_t> small{1, -2, 3};
  write_composed_files({{scratch / "x", {text("before"), place("a", "F32", 20), text("between"), place("b", "I8", 3)}}},
                       {tensor("b", "I8", small), tensor("a", "F32", values)});
  Bytes expected = text("before").bytes;
  const auto append = [&](const Bytes& bytes) { expected.insert(expected.end(), bytes.begin(), bytes.end()); };
  append(bytes_of_values(values));
  append(text("between").bytes);
  append(bytes_of_values(small));
  CHECK(read(scratch / "x") == expected);
  CHECK(scratch.files() == 1);
}

TEST_CASE("composed file: rows of pixels × channels become channels × pixels, however many fit a piece") {
  const ScratchDirectory scratch;
  struct Case {
    std::int64_t rows, channels, pixels;
  };
  for (const auto [rows, channels, pixels] :
       {Case{1, 2, 3}, Case{5, 4, 9}, Case{3, 1, 7}, Case{3, 7, 1}, Case{700, 16, 25}, Case{2, 600, 500}}) {
    const std::vector<float> values = counted(static_cast<std::size_t>(rows * channels * pixels));
    write_composed_files({{scratch / "x", {place("a", "F32", values.size() * 4, channels, pixels)}}},
                         {tensor("a", "F32", values, 4099)});
    std::vector<float> turned;
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t channel = 0; channel < channels; ++channel)
        for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
          turned.push_back(values[static_cast<std::size_t>((row * pixels + pixel) * channels + channel)]);
    CHECK(read(scratch / "x") == bytes_of_values(turned));
  }
}

TEST_CASE("composed file: other floating-point types become float32, and are turned too") {
  const ScratchDirectory scratch;
  const std::vector<double> wide{1.5, -2.25, 3, 1e300, 5, 6};
  write_composed_files({{scratch / "x", {place("a", "F32", 24, 2, 3)}}}, {tensor("a", "F64", wide, 5)});
  CHECK(read(scratch / "x") == bytes_of_values(std::vector<float>{1.5f, 3, 5, -2.25f, static_cast<float>(1e300), 6}));
  const std::vector<std::uint16_t> half{float32_to_bfloat16(0.5f), float32_to_bfloat16(-8)};
  write_composed_files({{scratch / "x", {place("a", "F32", 8)}}}, {tensor("a", "BF16", half, 1)});
  CHECK(read(scratch / "x") == bytes_of_values(std::vector<float>{0.5f, -8}));
  write_composed_files({{scratch / "x", {place("a", "BF16", 4)}}}, {tensor("a", "BF16", half, 1)});
  CHECK(read(scratch / "x") == bytes_of_values(half));
  write_composed_files({{scratch / "x", {place("a", "F32", 0), text("!")}}},
                       {tensor("a", "F16", std::vector<float>{})});
  CHECK(read(scratch / "x") == Bytes{'!'});
}

TEST_CASE("composed file: what does not fit is refused before anything is written") {
  const ScratchDirectory scratch;
  const std::vector<TensorToWrite> tensors{tensor("a", "F32", counted(6)),
                                           tensor("b", "I8", std::vector<std::int8_t>(8))};
  const auto refused = [&](const Segment& segment) {
    const std::string code = code_of([&] {
      write_composed_files({{scratch / "x", {text("!")}}, {scratch / "y", {segment}}}, tensors);
    });
    CHECK(code == "ERR_ONELOGIT_FORMAT");
    CHECK(scratch.files() == 0);
  };
  refused(place("c", "F32", 24));
  refused(place("a", "F32", 20));
  refused(place("a", "BF16", 12));
  refused(place("b", "F32", 32));
  refused(place("b", "I8", 8, 2, 2));
  refused(place("a", "F32", 24, 2, 2));
  refused(place("a", "F32", 24, 0, 1));
  refused(place("a", "F32", 24, std::int64_t{1} << 40, std::int64_t{1} << 40));
}

TEST_CASE("composed file: a tensor of other bytes than its shape leaves the old files") {
  const ScratchDirectory scratch;
  write_composed_files({{scratch / "x", {text("old")}}, {scratch / "y", {text("old")}}}, {});
  for (const std::int64_t shape : {5, 7}) {
    TensorToWrite lying = tensor("a", "F32", counted(6));
    lying.shape = {shape};
    const std::vector<ComposedFile> files{{scratch / "x", {text("new")}},
                                          {scratch / "y", {place("a", "F32", static_cast<std::uint64_t>(shape) * 4)}}};
    CHECK(code_of([&] { write_composed_files(files, {lying}); }) == "ERR_ONELOGIT_FORMAT");
  }
  CHECK(code_of([&] {
          write_composed_files({{scratch / "x", {text("new")}}, {scratch / "no/y", {}}}, {});
        }) == "ERR_ONELOGIT_FILE");
  CHECK(read(scratch / "x") == text("old").bytes);
  CHECK(scratch.files() == 2);
}

}  // namespace onelogit
