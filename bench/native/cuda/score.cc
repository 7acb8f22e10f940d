// One column of the last layer: over a million examples against the memory's rate, and one example, with its way to the
// host, against the CPU.
#include "backend/cuda/score_column.h"

#include "backend/backend.h"
#include "measure.h"

namespace onelogit::bench {
namespace {

constexpr std::int64_t d = 512, rows = 1'000'000;

void batch(const cuda::DeviceBuffer<float>& hidden) {
  const auto weight = normal_values(static_cast<std::size_t>(d), 1.0f, "a row");
  const cuda::DeviceBuffer<float> out(static_cast<std::size_t>(rows), "scores");
  const std::size_t half = hidden.size() / 2;
  const auto times =
      alternate(nullptr, {[&] { cuda::score_column(nullptr, hidden.data(), weight.data(), 0.5f, out.data(), rows, d); },
                          [&] {
                            cuda::check(cudaMemcpyAsync(hidden.data() + half, hidden.data(), half * sizeof(float),
                                                        cudaMemcpyDeviceToDevice, nullptr),
                                        "a copy");
                          }});
  const double bytes = static_cast<double>(rows * (d + 1)) * sizeof(float),
               copied = 2.0 * static_cast<double>(half) * sizeof(float);
  Line("scoreBatch")
      .number("examples", static_cast<double>(rows))
      .number("d", static_cast<double>(d))
      .number("bytes", bytes)
      .seconds("seconds", times[0])
      .seconds("copySeconds", times[1])
      .number("shareOfCopy", (bytes / times[0].median) / (copied / times[1].median));
}

// Rows at random, so that neither side has them in a cache.
void single(const cuda::DeviceBuffer<float>& matrix) {
  std::vector<float> host(matrix.size()), input(static_cast<std::size_t>(d), 0.25f);
  cuda::check(cudaMemcpy(host.data(), matrix.data(), host.size() * sizeof(float), cudaMemcpyDeviceToHost), "rows");
  const cuda::DeviceBuffer<float> device_input =
                                      cuda::to_device<float>(nullptr, input.data(), input.size(), "an input"),
                                  device_out(1, "a score");
  float* out = nullptr;
  cuda::check(cudaMallocHost(reinterpret_cast<void**>(&out), sizeof(float)), "a score");
  float on_cpu = 0;
  std::uint64_t state = 1;
  const auto row = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>((state >> 33) % static_cast<std::uint64_t>(rows)) * static_cast<std::size_t>(d);
  };
  const auto times = alternate_waiting(
      {[&] {
         cuda::score_column(nullptr, device_input.data(), matrix.data() + row(), 0.0f, device_out.data(), 1, d);
         cuda::check(cudaMemcpyAsync(out, device_out.data(), sizeof(float), cudaMemcpyDeviceToHost, nullptr),
                     "a score");
         cuda::check(cudaStreamSynchronize(nullptr), "a score");
       },
       [&] { cpu_backend().score_column(input.data(), host.data() + row(), 0.0f, &on_cpu, 1, d); }},
      21);
  cudaFreeHost(out);
  Line("scoreOne")
      .number("d", static_cast<double>(d))
      .number("rows", static_cast<double>(rows))
      .seconds("gpu", times[0])
      .seconds("cpu", times[1]);
}

}  // namespace

void score(bool) {
  const auto hidden = normal_values(static_cast<std::size_t>(rows * d), 1.0f, "hidden activations");
  batch(hidden);
  single(hidden);
}

}  // namespace onelogit::bench
