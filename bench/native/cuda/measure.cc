#include "measure.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <random>

namespace onelogit::bench {

Stopwatch::Stopwatch(cudaStream_t stream) : stream_(stream) {
  cuda::check(cudaEventCreate(&begin_), "an event");
  cuda::check(cudaEventCreate(&end_), "an event");
}

Stopwatch::~Stopwatch() {
  cudaEventDestroy(begin_);
  cudaEventDestroy(end_);
}

double Stopwatch::seconds(const std::function<void()>& work, int repetitions) {
  cuda::check(cudaEventRecord(begin_, stream_), "timing");
  for (int i = 0; i < repetitions; ++i) work();
  cuda::check(cudaEventRecord(end_, stream_), "timing");
  cuda::check(cudaEventSynchronize(end_), "what is timed");
  float milliseconds = 0;
  cuda::check(cudaEventElapsedTime(&milliseconds, begin_, end_), "timing");
  return 1e-3 * static_cast<double>(milliseconds) / repetitions;
}

namespace {

using Timed = std::function<double(const std::function<void()>&, int)>;

std::vector<Spread> take_turns(const Timed& timed, const std::vector<std::function<void()>>& contenders, int rounds,
                               double turn_seconds) {
  std::vector<int> repetitions;
  for (const auto& contender : contenders) {
    timed(contender, 1);  // the first time loads kernels
    const double once = timed(contender, 1);
    repetitions.push_back(std::max(1, static_cast<int>(turn_seconds / std::max(once, 1e-7))));
    timed(contender, repetitions.back());
  }
  std::vector<std::vector<double>> times(contenders.size());
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < contenders.size(); ++i) times[i].push_back(timed(contenders[i], repetitions[i]));
  std::vector<Spread> result;
  for (const auto& each : times) result.push_back(spread(each));
  return result;
}

}  // namespace

std::vector<Spread> alternate(cudaStream_t stream, const std::vector<std::function<void()>>& contenders, int rounds,
                              double turn_seconds) {
  Stopwatch stopwatch(stream);
  return take_turns([&](const auto& work, int repetitions) { return stopwatch.seconds(work, repetitions); }, contenders,
                    rounds, turn_seconds);
}

std::vector<Spread> alternate_waiting(const std::vector<std::function<void()>>& contenders, int rounds,
                                      double turn_seconds) {
  return take_turns(
      [](const auto& work, int repetitions) {
        const auto begin = std::chrono::steady_clock::now();
        for (int i = 0; i < repetitions; ++i) work();
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / repetitions;
      },
      contenders, rounds, turn_seconds);
}

Line::Line(const std::string& benchmark) : line_("{\"benchmark\": \"" + benchmark + "\"") {}

Line::~Line() {
  std::printf("%s}\n", line_.c_str());
  std::fflush(stdout);
}

Line& Line::text(const char* name, const std::string& value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += static_cast<unsigned char>(c) < 32 ? ' ' : c;
  }
  line_ += std::string(", \"") + name + "\": \"" + escaped + '"';
  return *this;
}

Line& Line::number(const char* name, double value) {
  char digits[40] = "null";  // what JSON has for numbers that are none
  if (std::isfinite(value)) std::snprintf(digits, sizeof digits, "%.9g", value);
  line_ += std::string(", \"") + name + "\": " + digits;
  return *this;
}

Line& Line::seconds(const char* name, const Spread& value) {
  char digits[120];
  std::snprintf(digits, sizeof digits, R"({"median": %.9g, "least": %.9g, "most": %.9g})", value.median, value.least,
                value.most);
  line_ += std::string(", \"") + name + "\": " + digits;
  return *this;
}

namespace {

constexpr std::size_t block_size = 1'000'003;  // prime: rows differ

template <class T>
cuda::DeviceBuffer<T> repeated(const std::vector<T>& block, std::size_t size, const char* what) {
  cuda::DeviceBuffer<T> result(size, what);
  std::size_t filled = std::min(size, block.size());
  cuda::check(cudaMemcpy(result.data(), block.data(), filled * sizeof(T), cudaMemcpyHostToDevice), what);
  while (filled < size) {
    const std::size_t more = std::min(filled, size - filled);
    cuda::check(cudaMemcpy(result.data() + filled, result.data(), more * sizeof(T), cudaMemcpyDeviceToDevice), what);
    filled += more;
  }
  cuda::check(cudaDeviceSynchronize(), what);
  return result;
}

std::vector<float> normal_block(float scale) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> block(block_size);
  for (float& value : block) value = normal(engine);
  return block;
}

}  // namespace

cuda::DeviceBuffer<float> normal_values(std::size_t size, float scale, const char* what) {
  return repeated(normal_block(scale), size, what);
}

cuda::DeviceBuffer<std::uint16_t> normal_bfloat16(std::size_t size, const char* what) {
  std::vector<std::uint16_t> bits;
  bits.reserve(block_size);
  for (const float value : normal_block(1.0f)) {
    std::uint32_t word;
    std::memcpy(&word, &value, sizeof word);
    bits.push_back(static_cast<std::uint16_t>(word >> 16));
  }
  return repeated(bits, size, what);
}

cuda::DeviceBuffer<std::int32_t> random_labels(std::size_t size, std::int64_t classes) {
  std::mt19937 engine(2);
  std::uniform_int_distribution<std::int32_t> label(0, static_cast<std::int32_t>(classes) - 1);
  std::vector<std::int32_t> labels(size);
  for (std::int32_t& each : labels) each = label(engine);
  return repeated(labels, size, "labels");
}

std::size_t used_memory() {
  cuda::check(cudaDeviceSynchronize(), "what was queued");
  std::size_t free = 0, total = 0;
  cuda::check(cudaMemGetInfo(&free, &total), "a look at the memory");
  return total - free;
}

}  // namespace onelogit::bench
