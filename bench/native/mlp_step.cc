// Where the time of one training step goes: every operation of the network 784-500-500-10 at batch 128, each timed
// alone on warm caches, and all of them in the order of a step. Build with -DONELOGIT_BENCH=ON; arguments: [batch
// [repetitions]].
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/blas.h"
#include "backend/cpu/kernels/dispatch.h"
#include "backend/cpu/threads.h"

namespace onelogit {
namespace {

struct Operation {
  std::string name;
  double flops;  // of a matrix product; 0 for the rest
  std::function<void()> run;
};

struct Timing {
  double median, best;  // microseconds
};

double elapsed(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

Timing summarize(std::vector<double>& samples) {
  std::sort(samples.begin(), samples.end());
  return {samples[samples.size() / 2], samples.front()};
}

std::vector<float> random_values(std::int64_t n) {
  static std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = normal(engine);
  return values;
}

void run(std::int64_t m, int repetitions) {
  Backend& cpu = cpu_backend();
  const std::int64_t sizes[] = {784, 500, 500, 10};
  std::vector<Operation> operations;
  std::vector<std::vector<float>> memory;
  memory.reserve(128);
  const auto tensor = [&](std::int64_t n) { return memory.emplace_back(random_values(n)).data(); };

  const std::int64_t examples = 4096;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(examples * sizes[0]));
  std::vector<std::int64_t> indices(static_cast<std::size_t>(m));
  std::vector<std::int32_t> labels(static_cast<std::size_t>(m));
  std::mt19937 engine(2);
  for (auto& pixel : pixels) pixel = static_cast<std::uint8_t>(engine());
  for (auto& index : indices) index = engine() % examples;
  for (auto& label : labels) label = static_cast<std::int32_t>(engine() % sizes[3]);

  struct Layer {
    std::int64_t inputs, outputs;
    float *weight, *bias, *dweight, *dbias, *gamma, *beta, *dgamma, *dbeta, *mean, *variance, *saved_mean,
        *saved_inverse;
    float *x, *z, *y, *dy;  // input, dense output, output, gradient of the output
  };
  std::vector<Layer> layers;
  float* const input = tensor(m * sizes[0]);
  float* x = input;
  std::vector<ParameterSlice> slices;
  for (int i = 0; i < 3; ++i) {
    const std::int64_t in = sizes[i], out = sizes[i + 1], parameters = out * in + 3 * out;
    float* const value = tensor(parameters);
    float* const gradient = tensor(parameters);
    for (std::int64_t j = 0; j < parameters; ++j) value[j] *= 0.05f;
    slices.push_back({value, gradient, {tensor(parameters), nullptr}, parameters});
    Layer layer{in,
                out,
                value,
                value + out * in,
                gradient,
                gradient + out * in,
                value + out * in + out,
                value + out * in + 2 * out,
                gradient + out * in + out,
                gradient + out * in + 2 * out,
                tensor(out),
                tensor(out),
                tensor(out),
                tensor(out),
                x,
                tensor(m * out),
                tensor(m * out),
                tensor(m * out)};
    layers.push_back(layer);
    x = layer.y;
  }
  float* const logits = layers[2].z;
  float* const dlogits = layers[2].dy;

  operations.push_back({"load examples", 0, [&] {
                          PreprocessingView view;
                          view.scale = 1.0f / 255;
                          cpu.load_examples(pixels.data(), ExampleType::uint8, indices.data(), m, sizes[0], view,
                                            input);
                        }});
  for (int i = 0; i < 3; ++i) {
    const Layer& l = layers[i];
    const std::string number = std::to_string(i + 1);
    const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(l.inputs) * static_cast<double>(l.outputs);
    operations.push_back({"dense " + number + " forward", flops,
                          [&] { cpu.dense_forward(l.x, l.weight, l.bias, l.z, m, l.inputs, l.outputs); }});
    if (i == 2) break;
    operations.push_back({"batch norm " + number + " forward", 0, [&] {
                            cpu.batch_norm_forward_training(l.z, l.gamma, l.beta, 1e-5f, 0.1f, l.mean, l.variance,
                                                            l.saved_mean, l.saved_inverse, l.y, m, l.outputs);
                          }});
    operations.push_back({"relu " + number + " forward", 0, [&] { cpu.relu_forward(l.y, l.y, m * l.outputs); }});
  }
  operations.push_back({"loss (softmax in its place)", 0, [&] { cpu.softmax_forward(logits, dlogits, m, sizes[3]); }});
  std::int64_t correct = 0;
  operations.push_back({"count correct", 0, [&] { cpu.count_correct(logits, labels.data(), m, sizes[3], &correct); }});
  for (int i = 2; i >= 0; --i) {
    const Layer& l = layers[i];
    const std::string number = std::to_string(i + 1);
    const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(l.inputs) * static_cast<double>(l.outputs);
    if (i < 2) {
      operations.push_back(
          {"relu " + number + " backward", 0, [&] { cpu.relu_backward(l.y, l.dy, l.dy, m * l.outputs); }});
      operations.push_back({"batch norm " + number + " backward", 0, [&] {
                              cpu.batch_norm_backward(l.z, l.dy, l.gamma, l.saved_mean, l.saved_inverse, l.dy, l.dgamma,
                                                      l.dbeta, m, l.outputs);
                            }});
    }
    operations.push_back({"dense " + number + " backward weight", flops,
                          [&] { cpu.dense_backward_weight(l.x, l.dy, l.dweight, l.dbias, m, l.inputs, l.outputs); }});
    if (i > 0)
      operations.push_back({"dense " + number + " backward input", flops, [&, i] {
                              cpu.dense_backward_input(l.dy, l.weight, layers[i - 1].dy, m, l.inputs, l.outputs);
                            }});
  }
  OptimizerSpec optimizer;
  optimizer.momentum = 0.9;
  operations.push_back(
      {"optimizer (sgd, momentum)", 0, [&] { cpu.optimizer_step(optimizer, 1e-4f, 1, slices, nullptr); }});

  std::printf("%s, %s, %d threads, batch %lld\n", blas_choice().name.c_str(), std::string(simd_name()).c_str(),
              thread_count(), static_cast<long long>(m));
  // Warm up, then whole steps with a clock around every operation: caches are as they are in training.
  std::vector<std::vector<double>> samples(operations.size());
  std::vector<double> steps;
  for (int repetition = -repetitions / 10 - 1; repetition < repetitions; ++repetition) {
    const auto step_start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < operations.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      operations[i].run();
      if (repetition >= 0) samples[i].push_back(elapsed(start));
    }
    if (repetition >= 0) steps.push_back(elapsed(step_start));
  }
  std::vector<double> regions;
  for (int repetition = 0; repetition < 1000; ++repetition) {
    const auto start = std::chrono::steady_clock::now();
    parallel_slices(thread_count(), [](int) {});
    regions.push_back(elapsed(start));
  }
  const Timing region = summarize(regions);
  std::printf("an empty parallel region: %.2f us (best %.2f us)\n", region.median, region.best);
  double products = 0, best_products = 0, rest = 0, flops = 0;
  std::printf("%-32s %9s %9s %9s\n", "operation", "median us", "best us", "GFLOP/s");
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const Timing timing = summarize(samples[i]);
    std::printf("%-32s %9.1f %9.1f", operations[i].name.c_str(), timing.median, timing.best);
    if (operations[i].flops > 0) {
      std::printf(" %9.1f", operations[i].flops / timing.median / 1000);
      products += timing.median;
      best_products += timing.best;
      flops += operations[i].flops;
    } else {
      rest += timing.median;
    }
    std::printf("\n");
  }
  const Timing step = summarize(steps);
  std::printf(
      "products %.1f us (%.1f GFLOP/s; best %.1f us), the rest %.1f us, whole step %.1f us (best %.1f us), "
      "products/step %.3f\n",
      products, flops / products / 1000, best_products, rest, step.median, step.best, products / step.median);
}

}  // namespace
}  // namespace onelogit

int main(int count, char** arguments) {
  onelogit::run(count > 1 ? std::atoll(arguments[1]) : 128, count > 2 ? std::atoi(arguments[2]) : 200);
}
