#include "backend/cuda/example_loader.h"

#include <doctest/doctest.h>

#include <thread>

#include "device_array.h"
#include "error.h"
#include "random_values.h"
#include "same_bits.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::random_values;

// While one exists, work happens when `delay` says.
struct Delayed {
  explicit Delayed(cuda_host::Delay delay) { cuda_host::delay_work(delay); }
  ~Delayed() { cuda_host::delay_work(cuda_host::Delay::none); }
};
// Copies from pinned memory happen as late as they may.
struct LateCopies : Delayed {
  LateCopies() : Delayed(cuda_host::Delay::all) {}
};

constexpr std::int64_t rows_of_source = 11;

// Any rows, some more than once.
std::vector<std::int64_t> some_rows(std::int64_t m) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(m));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>((i * i + 10) % rows_of_source);
  return rows;
}

template <class T>
std::vector<T> source_of(std::int64_t size) {
  std::vector<T> source(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<T>((i * 37 + 11) % 256);
  return source;
}

template <class T>
void check_type(ExampleType type) {
  const std::vector<float> mean = random_values(40, 1), deviation = random_values(40, 2, 0.5f, 2.0f);
  for (const std::int64_t features : {1, 4, 31, 33, 132})
    for (const std::int64_t channels : {0, 3, 32}) {
      for (const std::int64_t m : {1, 9, 33}) {
        CAPTURE(features);
        CAPTURE(channels);
        CAPTURE(m);
        const std::vector<T> source = source_of<T>((m > rows_of_source ? m : rows_of_source) * features);
        const std::vector<std::int64_t> rows = some_rows(m);
        const std::int64_t* const indices = m == 33 ? nullptr : rows.data();
        const PreprocessingView view{channels == 3 ? 1.0f : 1.0f / 255.0f, channels, mean.data(), deviation.data()};
        const auto received = test::same_in_every_order([&] {
          cuda::ExampleLoader loader(512);
          DeviceArray<float> out(static_cast<std::size_t>(m * features));
          loader.load_examples(nullptr, source.data(), type, indices, m, features, view, out.data());
          return std::vector<std::vector<float>>{out.host()};
        });
        std::vector<float> expected(static_cast<std::size_t>(m * features));
        cpu_backend().load_examples(source.data(), type, indices, m, features, view, expected.data());
        CHECK(test::largest_error(received[0], expected, 1.0) < 1e-5);
      }
    }
}

TEST_CASE("cuda load_examples: every type and any channels as on the CPU, in pieces") {
  SUBCASE("uint8") { check_type<std::uint8_t>(ExampleType::uint8); }
  SUBCASE("float32") { check_type<float>(ExampleType::float32); }
  SUBCASE("int32") { check_type<std::int32_t>(ExampleType::int32); }
}

TEST_CASE("cuda load_examples: float32 that is not preprocessed arrives bit by bit") {
  const std::vector<float> source = test::hostile_values(rows_of_source * 33, 1);
  cuda::ExampleLoader loader;
  DeviceArray<float> out(source.size());
  loader.load_examples(nullptr, source.data(), ExampleType::float32, nullptr, rows_of_source, 33, {}, out.data());
  CHECK(std::memcmp(out.host().data(), source.data(), source.size() * sizeof(float)) == 0);
  loader.load_examples(nullptr, nullptr, ExampleType::float32, nullptr, 0, 33, {}, nullptr);
}

TEST_CASE("cuda load_examples: nothing is overwritten or freed that is still to be copied") {
  const LateCopies late;
  cuda::ExampleLoader loader(256);
  // Calls that grow, of many pieces, with no kernel between them that would wait.
  for (const std::int64_t features : {8, 32, 200}) {
    std::vector<float> source = random_values(rows_of_source * features, 1);
    const std::vector<float> expected = source;
    DeviceArray<float> out(source.size()), again(source.size());
    loader.load_examples(nullptr, source.data(), ExampleType::float32, nullptr, rows_of_source, features, {},
                         out.data());
    std::fill(source.begin(), source.end(), 0.0f);  // its owner may
    loader.load_examples(nullptr, source.data(), ExampleType::float32, nullptr, rows_of_source, features, {},
                         again.data());
    CHECK(out.host() == expected);
    CHECK(again.host() == source);
  }
  DeviceArray<float> out(64);
  const std::vector<float> source(64, 1.0f);
  {
    cuda::ExampleLoader ends;
    ends.load_examples(nullptr, source.data(), ExampleType::float32, nullptr, 1, 64, {}, out.data());
  }
  CHECK(out.host() == source);
}

#if defined(ONELOGIT_CUDA_HOST)  // which can count what is left to be copied
TEST_CASE("cuda load_examples: the host waits only for the copy before the last one") {
  const LateCopies late;
  cuda::ExampleLoader loader;
  const std::vector<float> source(8, 1.0f);
  DeviceArray<float> out(8);
  for (const std::size_t left : {1u, 2u, 2u, 2u}) {
    loader.load_examples(nullptr, source.data(), ExampleType::float32, nullptr, 1, 8, {}, out.data());
    CHECK(cuda_host::delayed_copies() == left);
  }
}

TEST_CASE("cuda load_examples: the next batch is copied while kernels wait, the one after it once a batch was read") {
  const Delayed early(cuda_host::Delay::kernels);
  cuda::ExampleLoader loader;
  const std::vector<std::uint8_t> source = source_of<std::uint8_t>(8);
  const std::vector<std::int32_t> labels = source_of<std::int32_t>(8);
  DeviceArray<float> out(8);
  DeviceArray<std::int32_t> out_labels(8);
  for (const std::size_t left : {0u, 0u, 2u, 4u, 4u}) {
    loader.load_examples(nullptr, source.data(), ExampleType::uint8, nullptr, 1, 8, {}, out.data());
    loader.load_labels(nullptr, labels.data(), 8, out_labels.data());
    CHECK(cuda_host::delayed_copies() == left);
  }
}
#endif

TEST_CASE("cuda load_examples, load_indices, load_labels: batches in a row arrive whenever copies and kernels happen") {
  for (const cuda_host::Delay delay : {cuda_host::Delay::none, cuda_host::Delay::all, cuda_host::Delay::kernels}) {
    CAPTURE(static_cast<int>(delay));
    const Delayed delayed(delay);
    constexpr std::int64_t batches = 7, m = 5, features = 12;
    cuda::ExampleLoader loader(2 * features);  // pieces of two rows of bytes
    DeviceArray<float> examples(batches * m * features), plain(batches * m * features);
    DeviceArray<std::int32_t> indices(batches * m * features), labels(batches * m);
    std::vector<float> expected, expected_plain;
    std::vector<std::int32_t> expected_indices, expected_labels;
    for (std::int64_t batch = 0; batch < batches; ++batch) {
      std::vector<std::uint8_t> bytes(m * features);
      for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(batch * 31 + i);
      std::vector<float> floats = random_values(m * features, static_cast<std::uint32_t>(batch));
      std::vector<std::int32_t> ids(bytes.begin(), bytes.end()), classes(ids.begin(), ids.begin() + m);
      // Each batch has statistics of its own.
      const std::vector<float> mean = random_values(3, static_cast<std::uint32_t>(50 + batch)), deviation(3, 2.0f);
      const PreprocessingView view{0.5f, 3, mean.data(), deviation.data()};
      const std::int64_t at = batch * m * features;
      loader.load_examples(nullptr, bytes.data(), ExampleType::uint8, nullptr, m, features, view, examples.data() + at);
      loader.load_examples(nullptr, floats.data(), ExampleType::float32, nullptr, m, features, {}, plain.data() + at);
      loader.load_indices(nullptr, ids.data(), nullptr, m, features, 256, {}, indices.data() + at);
      loader.load_labels(nullptr, classes.data(), m, labels.data() + batch * m);
      for (std::size_t i = 0; i < bytes.size(); ++i)
        expected.push_back((static_cast<float>(bytes[i]) * 0.5f - mean[i % 3]) * 0.5f);
      expected_plain.insert(expected_plain.end(), floats.begin(), floats.end());
      expected_indices.insert(expected_indices.end(), ids.begin(), ids.end());
      expected_labels.insert(expected_labels.end(), classes.begin(), classes.end());
      // Their owner may.
      std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});
      std::fill(floats.begin(), floats.end(), 0.0f);
      std::fill(ids.begin(), ids.end(), 0);
      std::fill(classes.begin(), classes.end(), 0);
    }
    CHECK(test::largest_error(examples.host(), expected, 1.0) < 1e-5);
    CHECK(plain.host() == expected_plain);
    CHECK(indices.host() == expected_indices);
    CHECK(labels.host() == expected_labels);
  }
}

TEST_CASE("cuda load_labels: as many as there are, none included") {
  cuda::ExampleLoader loader;
  loader.load_labels(nullptr, nullptr, 0, nullptr);
  for (const std::int64_t m : {1, 3, 1000, 2}) {
    const std::vector<std::int32_t> source = source_of<std::int32_t>(m);
    DeviceArray<std::int32_t> out(source.size());
    loader.load_labels(nullptr, source.data(), m, out.data());
    CHECK(out.host() == source);
  }
}

TEST_CASE("cuda load_examples: threads that load at once get their own batches") {
  cuda::ExampleLoader loader(64);
  constexpr std::int64_t threads = 4, turns = 30, m = 9, features = 12;
  DeviceArray<float> out(threads * turns * m * features);
  std::vector<std::vector<float>> sources;
  for (std::uint32_t t = 0; t < threads; ++t) sources.push_back(random_values(m * features, t));
  std::vector<std::thread> running;
  for (std::int64_t t = 0; t < threads; ++t)
    running.emplace_back([&, t] {
      for (std::int64_t turn = 0; turn < turns; ++turn)
        loader.load_examples(nullptr, sources[static_cast<std::size_t>(t)].data(), ExampleType::float32, nullptr, m,
                             features, {}, out.data() + (t * turns + turn) * m * features);
    });
  for (std::thread& thread : running) thread.join();
  std::vector<float> expected;
  for (const std::vector<float>& source : sources)
    for (std::int64_t turn = 0; turn < turns; ++turn) expected.insert(expected.end(), source.begin(), source.end());
  CHECK(out.host() == expected);
}

TEST_CASE("cuda load_examples: batches after the first allocate nothing on the GPU") {
  const std::vector<std::uint8_t> source = source_of<std::uint8_t>(rows_of_source * 8);
  const PreprocessingView view{0.5f, 0, nullptr, nullptr};
  cuda::ExampleLoader loader;
  DeviceArray<float> out(source.size());
  const auto load = [&](std::int64_t m) {
    loader.load_examples(nullptr, source.data(), ExampleType::uint8, nullptr, m, 8, view, out.data());
  };
  load(rows_of_source);
  cuda_host::limit_memory(1);
  CHECK_NOTHROW(load(rows_of_source));
  CHECK_NOTHROW(load(3));
  cuda_host::limit_memory(0);
}

TEST_CASE("cuda load_indices: rows of integers, in pieces, however late they are copied") {
  const LateCopies late;
  for (const std::int64_t length : {1, 7, 300}) {
    std::vector<std::int32_t> source = source_of<std::int32_t>(rows_of_source * length), expected;
    const std::vector<std::int64_t> rows = some_rows(20);
    for (const std::int64_t row : rows)
      expected.insert(expected.end(), source.begin() + row * length, source.begin() + (row + 1) * length);
    cuda::ExampleLoader loader(128);
    DeviceArray<std::int32_t> out(expected.size()), whole(source.size());
    loader.load_indices(nullptr, source.data(), rows.data(), 20, length, 256, {}, out.data());
    loader.load_indices(nullptr, source.data(), nullptr, rows_of_source, length, 256, {}, whole.data());
    CHECK(out.host() == expected);
    CHECK(whole.host() == source);
  }
}

template <class Load>
std::string message_of(const Load& load) {
  try {
    load();
  } catch (const Error& error) {
    return error.code() + ": " + error.what();
  }
  return "";
}

TEST_CASE("cuda load_indices: an integer out of range is named as on the CPU, and the next batch is fine") {
  cuda::ExampleLoader loader(16);
  for (const std::int32_t wrong : {-1, 10, 2147483647}) {
    const std::vector<std::int32_t> source = {0, 1, 2, 3, wrong, 5};
    const std::int64_t rows[] = {0, 2}, listed[] = {70, 90};
    std::vector<std::int32_t> host(4);
    DeviceArray<std::int32_t> out(4);
    for (const ExampleNumbers numbers : {ExampleNumbers{listed, 0}, ExampleNumbers{nullptr, 5}}) {
      const std::string received =
          message_of([&] { loader.load_indices(nullptr, source.data(), rows, 2, 2, 10, numbers, out.data()); });
      CHECK(received ==
            message_of([&] { cpu_backend().load_indices(source.data(), rows, 2, 2, 10, numbers, host.data()); }));
      CHECK(received.find(numbers.listed == nullptr ? "in example 6" : "in example 90") != std::string::npos);
    }
    const std::int64_t good[] = {1, 0};
    loader.load_indices(nullptr, source.data(), good, 2, 2, 10, {}, out.data());
    CHECK(out.host() == std::vector<std::int32_t>{2, 3, 0, 1});
  }
}

}  // namespace
}  // namespace onelogit
