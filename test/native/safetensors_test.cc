// Files are hostile until shown otherwise: everything that a safetensors file can lie about, and what writing promises.

#include "format/safetensors.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include "error.h"
#include "format/atomic_file.h"
#include "scratch_directory.h"
#include "small_run.h"
#include "tensor/half.h"

namespace onelogit {
namespace {

namespace fs = std::filesystem;
using test::ScratchDirectory;
using Bytes = std::vector<std::uint8_t>;

Bytes file_bytes(const std::string& header, std::size_t data_bytes) {
  Bytes bytes(8 + header.size() + data_bytes);
  const std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  for (std::size_t i = 0; i < data_bytes; ++i) bytes[8 + header.size() + i] = static_cast<std::uint8_t>(i * 37 + 11);
  return bytes;
}

// The code and the message of the error that `body` throws.
template <class Body>
std::pair<std::string, std::string> error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {"", "nothing was thrown"};
}

void expect_format_error(const std::string& header, std::size_t data_bytes, const std::string& part) {
  CAPTURE(header);
  const Bytes bytes = file_bytes(header, data_bytes);
  const auto [code, message] = error_of([&] { SafetensorsFile::parse(bytes, "hostile.safetensors"); });
  CAPTURE(message);
  CHECK(code == "ERR_ONELOGIT_FORMAT");
  CHECK(message.starts_with("Expected "));
  CHECK(message.find(" but received ") != std::string::npos);
  CHECK(message.find("hostile.safetensors") != std::string::npos);
  CHECK(message.find(part) != std::string::npos);
}

TensorToWrite tensor_of(const std::string& name, const std::string& dtype, std::vector<std::int64_t> shape,
                        Bytes data) {
  return {name, dtype, std::move(shape), [data = std::move(data)](const auto& sink) {
            // In two pieces: producers may.
            sink(data.data(), data.size() / 2);
            sink(data.data() + data.size() / 2, data.size() - data.size() / 2);
          }};
}

template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  Bytes bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::vector<float> floats(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry* entry = file.find(name);
  REQUIRE(entry != nullptr);
  std::vector<float> values(static_cast<std::size_t>(entry->elements()));
  file.read_float32(*entry, values.data());
  return values;
}

TEST_CASE("safetensors: a file by an independent writer is read in full") {
  const SafetensorsFile file = SafetensorsFile::open(ONELOGIT_TEST_DIRECTORY "/golden/independent.safetensors");
  CHECK(file.tensors().size() == 9);
  CHECK(file.metadata().at("format") == "pt");
  CHECK(file.metadata().at("título") == "línea 1\nline 2 \U0001F600");
  const auto weight = floats(file, "weight");
  CHECK(file.find("weight")->shape == std::vector<std::int64_t>{3, 4});
  REQUIRE(weight.size() == 12);
  for (int i = 0; i < 12; ++i) CHECK(weight[static_cast<std::size_t>(i)] == i * 0.5f - 2);
  CHECK(floats(file, "half") ==
        std::vector<float>{0.0f, -1.5f, 65504.0f, 0x1p-24f, 0x1p-14f, std::numeric_limits<float>::infinity()});
  CHECK(floats(file, "brain")[1] == -2.5f);
  CHECK(std::abs(floats(file, "brain")[2] / 3.0e38f - 1) < 0.01f);
  CHECK(floats(file, "double") == std::vector<float>{0.1f, -std::numeric_limits<float>::infinity()});
  std::int64_t labels[4];
  file.read(*file.find("labels"), labels, 0, sizeof(labels));
  CHECK(labels[2] == std::int64_t{1} << 62);
  CHECK(labels[3] == std::numeric_limits<std::int64_t>::min());
  CHECK(floats(file, "scalar") == std::vector<float>{42.0f});
  CHECK(floats(file, "empty").empty());
  CHECK(file.find("naïve \"quoted\"\n\U0001F600") != nullptr);
  CHECK(file.find("absent") == nullptr);
  const auto [code, message] = error_of([&] { floats(file, "labels"); });
  CHECK(code == "ERR_ONELOGIT_FORMAT");
  CHECK(message.find("I64") != std::string::npos);
  // Part of a tensor, and no more than it has.
  float three[3];
  for (const char* name : {"weight", "half"}) {
    file.read_float32(*file.find(name), three, 2, 3);
    for (int i = 0; i < 3; ++i) CHECK(three[i] == floats(file, name)[static_cast<std::size_t>(i + 2)]);
  }
  CHECK(error_of([&] { file.read_float32(*file.find("half"), three, 4, 3); }).first == "ERR_ONELOGIT_RANGE");
  CHECK(error_of([&] { file.read_float32(*file.find("half"), three, -1, 3); }).first == "ERR_ONELOGIT_RANGE");
  std::uint8_t part[2];
  file.read(*file.find("bytes"), part, 3, 2);
  CHECK(part[0] == '!');
  CHECK(error_of([&] { file.read(*file.find("bytes"), part, 4, 2); }).first == "ERR_ONELOGIT_RANGE");
  CHECK(error_of([&] { file.read(*file.find("bytes"), part, ~std::uint64_t{0}, 2); }).first == "ERR_ONELOGIT_RANGE");
}

TEST_CASE("safetensors: float16 is exact for all 65,536 values") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31), fraction = static_cast<int>(bits & 1023);
    const double sign = bits & 0x8000 ? -1.0 : 1.0;
    const float value = float_from_float16(static_cast<std::uint16_t>(bits));
    if (exponent == 31 && fraction != 0) {
      REQUIRE(std::isnan(value));
      continue;
    }
    const double expected = exponent == 31  ? sign * std::numeric_limits<double>::infinity()
                            : exponent == 0 ? sign * std::ldexp(fraction, -24)
                                            : sign * std::ldexp(1024 + fraction, exponent - 25);
    REQUIRE(static_cast<double>(value) == expected);
    REQUIRE(std::signbit(value) == (sign < 0));
  }
}

TEST_CASE("safetensors: what is written is read back, aligned") {
  const ScratchDirectory scratch;
  const std::string path = scratch / "round.safetensors";
  std::mt19937 random(7);
  for (int round = 0; round < 30; ++round) {
    std::vector<TensorToWrite> tensors;
    std::map<std::string, Bytes> expected;
    const int count = round == 0 ? 0 : static_cast<int>(random() % 8);
    for (int i = 0; i < count; ++i) {
      static const std::pair<const char*, std::int64_t> types[] = {{"F32", 4}, {"U8", 1}, {"I64", 8}, {"BF16", 2}};
      const auto [dtype, width] = types[random() % 4];
      const auto rows = static_cast<std::int64_t>(random() % 40), columns = static_cast<std::int64_t>(random() % 700);
      Bytes data(static_cast<std::size_t>(rows * columns * width));
      for (auto& byte : data) byte = static_cast<std::uint8_t>(random());
      const std::string name = "t\u00e9nsor \"" + std::to_string(i) + "\"\\\x01";
      expected[name] = data;
      tensors.push_back(tensor_of(name, dtype, {rows, columns}, data));
    }
    const std::map<std::string, std::string> metadata = {{"onelogit", "{\"a\":\"\\n\n\t\"}"}, {"empty", ""}};
    write_safetensors(path, metadata, tensors);
    CHECK(scratch.files() == 1);
    const SafetensorsFile file = SafetensorsFile::open(path);
    CHECK(file.metadata() == metadata);
    REQUIRE(file.tensors().size() == expected.size());
    std::uint64_t header = 0;
    std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(&header), 8);
    CHECK((8 + header) % 64 == 0);
    for (const TensorEntry& entry : file.tensors()) {
      Bytes data(static_cast<std::size_t>(entry.end - entry.begin));
      file.read(entry, data.data(), 0, data.size());
      CHECK(data == expected.at(entry.name));
      const std::uint64_t width = entry.dtype == "I64" ? 8 : entry.dtype == "F32" ? 4 : entry.dtype == "BF16" ? 2 : 1;
      CHECK(entry.begin % width == 0);
    }
  }
}

TEST_CASE("safetensors: headers that lie are refused") {
  const std::string good = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  CHECK(SafetensorsFile::parse(file_bytes("{" + good + "}   ", 8), "x").tensors().size() == 1);
  CHECK(SafetensorsFile::parse(file_bytes("{}", 0), "x").tensors().empty());
  CHECK(SafetensorsFile::parse(
            file_bytes("{ \"a\" : { \"shape\" : [ 2 ] ,\n\"data_offsets\":[ 0 , 8 ],\t\"dtype\":\"F32\" } }", 8), "x")
            .tensors()
            .size() == 1);

  // The grammar.
  expect_format_error("", 0, "'{'");
  expect_format_error(" {}", 0, "'{'");
  expect_format_error("{", 0, "the end of the header");
  expect_format_error("[]", 0, "'['");
  expect_format_error("{}x", 0, "nothing but spaces");
  expect_format_error("{\"a\"}", 0, "':'");
  expect_format_error("{" + good + ",}", 8, "name of a tensor");
  expect_format_error("{" + good + " " + good + "}", 8, "',' or '}'");
  expect_format_error("{" + good + "," + good + "}", 8, "");
  expect_format_error(R"({"a":[]})", 0, "an object for tensor 'a'");
  expect_format_error(R"({"a":{}})", 0, "no dtype");
  expect_format_error(R"({"a":{"dtype":"F32","shape":[0]}})", 0, "no data_offsets");
  expect_format_error(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"more":1}})", 0, "'more'");
  expect_format_error(R"({"a":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}})", 0, "twice");
  expect_format_error(R"({"a":{"dtype":1,"shape":[0],"data_offsets":[0,0]}})", 0, "dtype of tensor 'a'");
  expect_format_error(R"({"__metadata__":{"a":1}})", 0, "__metadata__.a");
  expect_format_error(R"({"__metadata__":null})", 0, "__metadata__");
  expect_format_error(R"({"__metadata__":{},"__metadata__":{}})", 0, "twice");
  expect_format_error(R"({"__metadata__":{"a":"","a":""}})", 0, "twice");
  expect_format_error(std::string(100'000, '{'), 0, "name of a tensor");
  expect_format_error("{\"a\":" + std::string(100'000, '['), 0, "an object for tensor");

  // Numbers.
  for (const char* number :
       {"-1", "1.5", "1e3", "01", "", "\"2\"", "99999999999999999999999", "9223372036854775808", "NaN", "0x2"})
    expect_format_error(R"({"a":{"dtype":"F32","shape":[)" + std::string(number) + R"(],"data_offsets":[0,8]}})", 8,
                        "shape");
  expect_format_error(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551616]}})", 8,
                      "data_offsets");
  expect_format_error(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8, "','");
  expect_format_error(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})", 8, "']'");
  std::string dimensions = "1";
  for (int i = 0; i < 64; ++i) dimensions += ",1";
  expect_format_error(R"({"a":{"dtype":"F32","shape":[)" + dimensions + R"(],"data_offsets":[0,4]}})", 4,
                      "64 dimensions");

  // Strings.
  expect_format_error("{\"a", 0, "a string that ends");
  expect_format_error("{\"a\n\":", 0, "control characters");
  expect_format_error("{\"\\x\":", 0, "escape");
  expect_format_error("{\"\\u12\":", 0, "hexadecimal");
  expect_format_error("{\"\\ud800\":", 0, "surrogate");
  expect_format_error("{\"\\ud800\\u0041\":", 0, "surrogate");
  expect_format_error("{\"\\udc00\":", 0, "surrogate");
  for (const char* bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xc3\\u0082"})
    expect_format_error("{\"" + std::string(bad) + "\":", 0, "UTF-8");

  // What the numbers say.
  expect_format_error(R"({"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})", 8, "'F33'");
  expect_format_error(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "12 bytes");
  expect_format_error(R"({"a":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}})", 8, "16 bytes");
  expect_format_error(R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", 1, "whole number");
  expect_format_error(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7, "within the 7 bytes");
  expect_format_error(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "[8, 0)");
  expect_format_error(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 9, "cover the 9 bytes");
  expect_format_error("{}", 1, "cover the 1 bytes");
  for (const char* huge : {"4611686018427387904,4", "9223372036854775807,9223372036854775807",
                           "4294967296,4294967296,1", "2305843009213693952"})
    expect_format_error(R"({"a":{"dtype":"F32","shape":[)" + std::string(huge) + R"(],"data_offsets":[0,0]}})", 0,
                        "shape");
  // A zero among huge lengths is an empty tensor, whatever the order.
  CHECK(SafetensorsFile::parse(
            file_bytes(
                R"({"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807,0],"data_offsets":[0,0]}})", 0),
            "x")
            .tensors()[0]
            .elements() == 0);
  const auto two = [](int a0, int a1, int b0, int b1) {
    const auto entry = [](const char* name, int begin, int end) {
      return "\"" + std::string(name) + R"(":{"dtype":"U8","shape":[)" + std::to_string(end - begin) +
             R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(end) + "]}";
    };
    return "{" + entry("a", a0, a1) + "," + entry("b", b0, b1) + "}";
  };
  CHECK(SafetensorsFile::parse(file_bytes(two(4, 8, 0, 4), 8), "x").tensors()[0].name == "b");
  expect_format_error(two(0, 5, 4, 8), 8, "an overlap");
  expect_format_error(two(0, 8, 0, 8), 8, "an overlap");
  expect_format_error(two(0, 3, 4, 8), 8, "a hole");
  expect_format_error(two(1, 4, 4, 8), 8, "a hole");
}

TEST_CASE("safetensors: files that are not what they seem") {
  const ScratchDirectory scratch;
  const auto write = [&](const std::string& name, const Bytes& bytes) {
    std::ofstream(scratch / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return scratch / name;
  };
  const auto code = [](const std::string& path) { return error_of([&] { SafetensorsFile::open(path); }).first; };
  CHECK(code(scratch / "absent") == "ERR_ONELOGIT_FILE");
  CHECK(code(write("empty", {})) == "ERR_ONELOGIT_FORMAT");
  CHECK(code(write("seven", Bytes(7, 0))) == "ERR_ONELOGIT_FORMAT");
  CHECK(code(scratch.path.string()) == "ERR_ONELOGIT_FILE");
  CHECK(code("/dev/null") == "ERR_ONELOGIT_FILE");
  CHECK(code(std::string("a\0b", 3)) == "ERR_ONELOGIT_FILE");
  REQUIRE(::mkfifo((scratch / "fifo").c_str(), 0600) == 0);
  const auto [fifo_code, fifo_message] = error_of([&] { SafetensorsFile::open(scratch / "fifo"); });
  CHECK(fifo_code == "ERR_ONELOGIT_FILE");
  CHECK(fifo_message.find("a FIFO") != std::string::npos);
  for (const std::uint64_t length :
       {std::uint64_t{1} << 63, ~std::uint64_t{0}, std::uint64_t{100'000'001}, std::uint64_t{9}}) {
    Bytes bytes(16, ' ');
    std::memcpy(bytes.data(), &length, 8);
    CHECK(code(write("length", bytes)) == "ERR_ONELOGIT_FORMAT");
  }
  const Bytes good = file_bytes(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8);
  for (std::size_t length = 0; length < good.size(); ++length)
    CHECK(code(write("truncated", Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length)))) ==
          "ERR_ONELOGIT_FORMAT");
  const std::string path = write("good", good);
  REQUIRE(::symlink("good", (scratch / "link").c_str()) == 0);
  const SafetensorsFile file = SafetensorsFile::open(scratch / "link");
  CHECK(file.tensors().size() == 1);
  REQUIRE(::symlink("loop", (scratch / "loop").c_str()) == 0);
  CHECK(code(scratch / "loop") == "ERR_ONELOGIT_FILE");
  // Truncated while it is open: an error, not a signal.
  REQUIRE(::truncate(path.c_str(), static_cast<off_t>(good.size() - 4)) == 0);
  float values[2];
  const auto [cut_code, cut_message] = error_of([&] { file.read_float32(file.tensors()[0], values); });
  CHECK(cut_code == "ERR_ONELOGIT_FILE");
  CHECK(cut_message.find("keep its size") != std::string::npos);
}

TEST_CASE("safetensors: writing replaces whole files and leaves nothing behind") {
  const ScratchDirectory scratch;
  const std::string path = scratch / "model.safetensors";
  const auto write = [&](const std::string& to, float value) {
    write_safetensors(to, {}, {tensor_of("x", "F32", {1}, bytes_of<float>({value}))});
  };
  const auto value = [](const std::string& of) { return floats(SafetensorsFile::open(of), "x")[0]; };
  const mode_t mask = ::umask(027);
  write(path, 1);
  ::umask(mask);
  struct stat status;
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);
  // Permissions stay; a reader of the old file keeps it.
  REQUIRE(::chmod(path.c_str(), 0604) == 0);
  const SafetensorsFile old = SafetensorsFile::open(path);
  write(path, 2);
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0604);
  CHECK(value(path) == 2);
  CHECK(floats(old, "x")[0] == 1);
  // A link stays a link; also one to a file that is not there yet.
  fs::create_directory(scratch / "real");
  REQUIRE(::symlink("real/new.safetensors", (scratch / "link").c_str()) == 0);
  for (const float wanted : {3.0f, 4.0f}) {
    write(scratch / "link", wanted);
    CHECK(fs::is_symlink(scratch / "link"));
    CHECK(value((scratch / "real") + "/new.safetensors") == wanted);
  }
  REQUIRE(::symlink("loop", (scratch / "loop").c_str()) == 0);
  CHECK(error_of([&] { write(scratch / "loop", 1); }).first == "ERR_ONELOGIT_FILE");
  const std::size_t before = scratch.files();

  // A producer that fails, or gives another number of bytes, leaves the old file and no temporary one.
  const auto failing = [&](std::function<void(const std::function<void(const void*, std::size_t)>&)> produce) {
    return error_of([&] { write_safetensors(path, {}, {{"x", "F32", {1}, std::move(produce)}}); }).first;
  };
  const float number = 5;
  CHECK(failing([](const auto&) { throw Error(ErrorKind::operation, "ERR_ONELOGIT_TEST", "planned"); }) ==
        "ERR_ONELOGIT_TEST");
  CHECK(failing([&](const auto& sink) { sink(&number, 3); }) == "ERR_ONELOGIT_FORMAT");
  CHECK(failing([&](const auto& sink) {
          sink(&number, 4);
          sink(&number, 1);
        }) == "ERR_ONELOGIT_FORMAT");
  CHECK(failing({}) == "ERR_ONELOGIT_FORMAT");
  const auto refused = [&](const std::string& name, const std::string& dtype, std::vector<std::int64_t> shape) {
    return error_of([&] { write_safetensors(path, {}, {tensor_of(name, dtype, std::move(shape), {})}); }).first;
  };
  CHECK(refused("x", "F33", {0}) == "ERR_ONELOGIT_FORMAT");
  CHECK(refused("x", "F32", {-1}) == "ERR_ONELOGIT_FORMAT");
  CHECK(refused("x", "F32", {std::int64_t{1} << 40, std::int64_t{1} << 40}) == "ERR_ONELOGIT_FORMAT");
  CHECK(refused("\xff", "F32", {0}) == "ERR_ONELOGIT_FORMAT");
  CHECK(refused("__metadata__", "F32", {0}) == "ERR_ONELOGIT_FORMAT");
  CHECK(error_of([&] {
          write_safetensors(path, {}, {tensor_of("x", "F32", {0}, {}), tensor_of("x", "F32", {0}, {})});
        }).first == "ERR_ONELOGIT_FORMAT");
  CHECK(error_of([&] { write_safetensors(path, {{"a", "\xc0"}}, {}); }).first == "ERR_ONELOGIT_FORMAT");
  CHECK(value(path) == 2);
  CHECK(error_of([&] { write(scratch.path.string(), 1); }).first == "ERR_ONELOGIT_FILE");
  CHECK(error_of([&] { write("/dev/null", 1); }).first == "ERR_ONELOGIT_FILE");
  CHECK(error_of([&] { write(scratch / "absent/model", 1); }).first == "ERR_ONELOGIT_FILE");
  CHECK(error_of([&] { write("", 1); }).first == "ERR_ONELOGIT_FILE");
  CHECK(scratch.files() == before);
  // A name of the longest length still has a temporary one beside it.
  write(scratch / std::string(255, 'n'), 6);
  CHECK(value(scratch / std::string(255, 'n')) == 6);
  CHECK(scratch.files() == before + 1);
}

TEST_CASE("atomic file: what a killed writer left goes away, what another writes stays") {
  const ScratchDirectory scratch;
  const std::string path = scratch / "model";
  // As after kill -9, and names that are not ours.
  const std::string left = scratch / ".model.123.456.0.tmp";
  const std::vector<std::string> others = {scratch / ".model.1.2.tmp",  scratch / ".model.1.2.x.tmp",
                                           scratch / ".model.1.2.3",    scratch / "model.1.2.3.tmp",
                                           scratch / ".mode.1.2.3.tmp", scratch / ".model..tmp"};
  std::ofstream(left) << "half of a checkpoint";
  for (const std::string& other : others) std::ofstream(other) << "x";
  AtomicFile one(path), two(path);
  CHECK_FALSE(fs::exists(left));
  for (const std::string& other : others) CHECK(fs::exists(other));
  // Two writers at once: each is whole, the later rename stays.
  one.write("1", 1);
  two.write("22", 2);
  one.commit();
  CHECK(fs::file_size(path) == 1);
  { const AtomicFile never_committed(path); }
  two.commit();
  CHECK(fs::file_size(path) == 2);
  CHECK(scratch.files() == others.size() + 1);
}

TEST_CASE("safetensors: mutated files give an error or a file that keeps its promises") {
  const std::vector<std::string> seeds = {
      R"({"__metadata__":{"format":"pt","onelogit":"{\"format\":1}"},"0.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("0.bias":{"dtype":"BF16","shape":[2],"data_offsets":[24,28]},"n":{"dtype":"I64","shape":[],"data_offsets":[28,36]}}   )",
      R"({"a":{"shape":[0,9],"data_offsets":[0,0],"dtype":"F16"},"\u00e9\ud83d\ude00\n":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}})",
      R"({"x":{"dtype":"F64","shape":[1,1,2],"data_offsets":[16,32]},"y":{"dtype":"I32","shape":[4],"data_offsets":[0,16]}})",
  };
  static const std::string tokens[] = {"{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "\"",
                                       "\\",
                                       "\\u",
                                       "\\ud83d",
                                       "0",
                                       "1",
                                       "9",
                                       "18446744073709551615",
                                       "4294967296",
                                       "-",
                                       ".",
                                       "e",
                                       " ",
                                       "null",
                                       "\"dtype\"",
                                       "\"F32\"",
                                       "\"shape\"",
                                       "__metadata__",
                                       "\xff",
                                       "\xc3\xa9",
                                       std::string("\0", 1)};
  std::mt19937_64 random(20240607);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  int accepted = 0, refused = 0;
  const int rounds = test::small_run() ? 10'000 : 200'000;
  for (int round = 0; round < rounds; ++round) {
    const std::size_t which = below(seeds.size());
    std::string header = seeds[which];
    std::size_t data = which == 0 ? 36 : which == 1 ? 5 : 32;
    for (std::size_t mutations = below(4) + (round % 50 != 0); mutations > 0; --mutations) {
      const std::size_t at = below(header.size() + 1);
      switch (below(7)) {
        case 0:
          if (at < header.size()) header[at] = static_cast<char>(random());
          break;
        case 1:
          header.insert(at, tokens[below(std::size(tokens))]);
          break;
        case 2:
          header.erase(at, 1 + below(6));
          break;
        case 3: {
          const std::string& token = tokens[below(std::size(tokens))];
          header.replace(at, std::min(token.size(), header.size() - at), token);
          break;
        }
        case 4:
          header.insert(at, header.substr(below(header.size() + 1), below(60)));
          break;
        case 5: {  // a digit elsewhere: sizes and offsets that no longer agree
          const std::size_t digit = header.find_first_of("0123456789", at);
          if (digit != std::string::npos) header[digit] = static_cast<char>('0' + below(10));
          break;
        }
        default:
          data = below(64);
      }
      if (header.empty()) header.push_back('{');
    }
    Bytes bytes = file_bytes(header, data);
    if (below(20) == 0) bytes[below(8)] = static_cast<std::uint8_t>(random());
    if (below(20) == 0) bytes.resize(below(bytes.size() + 1));
    try {
      const SafetensorsFile file = SafetensorsFile::parse(bytes, "fuzz");
      ++accepted;
      std::uint64_t next = 0;
      for (const TensorEntry& tensor : file.tensors()) {
        REQUIRE(tensor.begin == next);
        REQUIRE(file.find(tensor.name) == &tensor);
        next = tensor.end;
        std::vector<std::uint8_t> content(static_cast<std::size_t>(tensor.end - tensor.begin));
        file.read(tensor, content.data(), 0, content.size());
        if (tensor.dtype == "F32" || tensor.dtype == "F16" || tensor.dtype == "BF16" || tensor.dtype == "F64")
          floats(file, tensor.name);
      }
    } catch (const Error& error) {
      ++refused;
      REQUIRE(error.code() == "ERR_ONELOGIT_FORMAT");
    }
  }
  // The mutations reach both sides of the checks.
  CHECK(accepted > rounds * 3 / 200);
  CHECK(refused > rounds / 2);
}

}  // namespace
}  // namespace onelogit
