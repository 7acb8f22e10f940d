// Timing on the GPU, and one line of JSON a result.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "backend/cuda/device_buffer.h"

namespace onelogit::bench {

// Median, smallest and largest, in seconds.
struct Spread {
  double median = 0, least = 0, most = 0;
};

inline Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return {values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2, values.front(),
          values.back()};
}

// Two moments of a stream.
class Stopwatch {
 public:
  explicit Stopwatch(cudaStream_t stream);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  // Seconds that what `work` queues takes on the GPU, of `repetitions` in a row, each.
  double seconds(const std::function<void()>& work, int repetitions);

 private:
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

// What takes turns: every contender once a round, after one round that does not count. Repetitions are chosen so that a
// turn takes about `turn_seconds`.
std::vector<Spread> alternate(cudaStream_t stream, const std::vector<std::function<void()>>& contenders,
                              int rounds = 11, double turn_seconds = 0.05);

// The same by the host's clock, for work that ends by waiting for the GPU.
std::vector<Spread> alternate_waiting(const std::vector<std::function<void()>>& contenders, int rounds,
                                      double turn_seconds = 0.05);

// {"benchmark": …, …} in a line, flushed.
class Line {
 public:
  explicit Line(const std::string& benchmark);
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  Line& text(const char* name, const std::string& value);
  Line& number(const char* name, double value);
  Line& seconds(const char* name, const Spread& value);

 private:
  std::string line_;
};

// float32 normal numbers, a block of random ones over and over.
cuda::DeviceBuffer<float> normal_values(std::size_t size, float scale, const char* what);
// The same as bfloat16 bits.
cuda::DeviceBuffer<std::uint16_t> normal_bfloat16(std::size_t size, const char* what);
// Labels in [0, classes).
cuda::DeviceBuffer<std::int32_t> random_labels(std::size_t size, std::int64_t classes);

// Bytes of the GPU that are taken, by this process and others.
std::size_t used_memory();

// One subcommand each; `large` adds the shapes that need tens of gigabytes.
void copy(bool large);
void products(bool large);
void losses(bool large);
void head(bool large);
void score(bool large);
void convolutions(bool large);

}  // namespace onelogit::bench
