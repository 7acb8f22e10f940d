// What training costs beyond its matrix products: `train` on the network 784-500-500-10 (dense, batchNorm, relu twice,
// then dense), batch-cross-entropy, sgd with momentum, against the eight products of a step alone. The two take turns
// within one process, so that what else the machine does hits both. Build with -DONELOGIT_BENCH=ON; arguments: [batch
// [rounds [steps]]].
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "backend/cpu/blas.h"
#include "backend/cpu/kernels/dispatch.h"
#include "backend/cpu/threads.h"
#include "train/trainer.h"

namespace onelogit {
namespace {

constexpr std::int64_t sizes[] = {784, 500, 500, 10};

struct Pixels final : ExampleSource {
  explicit Pixels(std::int64_t n) : inputs(static_cast<std::size_t>(n * sizes[0])) {
    std::mt19937 engine(1);
    for (auto& pixel : inputs) pixel = static_cast<std::uint8_t>(engine());
    for (std::int64_t i = 0; i < n; ++i) labels.push_back(static_cast<std::int32_t>(engine() % sizes[3]));
  }
  std::int64_t length() const override { return static_cast<std::int64_t>(labels.size()); }
  std::int64_t features() const override { return sizes[0]; }
  std::int64_t classes() const override { return sizes[3]; }
  InMemory in_memory() const override { return {inputs.data(), ExampleType::uint8, labels.data()}; }
  bool read(const std::int64_t*, std::int64_t, HostBatch&) override { return false; }

  std::vector<std::uint8_t> inputs;
  std::vector<std::int32_t> labels;
};

ModelSpec network() {
  ModelSpec spec{{sizes[0]}, {}, 1};
  for (int i = 1; i < 4; ++i) {
    LayerSpec dense;
    dense.type = "dense";
    dense.units = sizes[i];
    spec.layers.push_back(dense);
    if (i == 3) break;
    for (const char* type : {"batchNorm", "relu"}) {
      spec.layers.emplace_back();
      spec.layers.back().type = type;
    }
  }
  return spec;
}

// Forward, backward to the input (not of the first layer) and to the weight, of every dense layer.
struct Products {
  explicit Products(std::int64_t batch) : m(batch) {
    std::mt19937 engine(2);
    std::normal_distribution<float> normal;
    const auto random = [&](std::int64_t n) {
      std::vector<float> values(static_cast<std::size_t>(n));
      for (float& value : values) value = normal(engine);
      return values;
    };
    for (int i = 0; i < 3; ++i) {
      const std::int64_t in = sizes[i], out = sizes[i + 1];
      layers.push_back({random(m * in), random(out * in), random(m * out), {}, {}, {}});
      layers.back().y.resize(static_cast<std::size_t>(m * out));
      layers.back().dx.resize(static_cast<std::size_t>(m * in));
      layers.back().dweight.resize(static_cast<std::size_t>(out * in));
    }
  }
  void run() {
    Backend& cpu = cpu_backend();
    constexpr Transpose no = Transpose::no, yes = Transpose::yes;
    for (int i = 0; i < 3; ++i) {
      const std::int64_t in = sizes[i], out = sizes[i + 1];
      Layer& l = layers[static_cast<std::size_t>(i)];
      cpu.gemm(no, yes, m, out, in, 1, l.x.data(), in, l.weight.data(), in, 0, l.y.data(), out);
    }
    for (int i = 2; i >= 0; --i) {
      const std::int64_t in = sizes[i], out = sizes[i + 1];
      Layer& l = layers[static_cast<std::size_t>(i)];
      cpu.gemm(yes, no, out, in, m, 1, l.dy.data(), out, l.x.data(), in, 0, l.dweight.data(), in);
      if (i > 0) cpu.gemm(no, no, m, in, out, 1, l.dy.data(), out, l.weight.data(), in, 0, l.dx.data(), in);
    }
  }
  struct Layer {
    std::vector<float> x, weight, dy, y, dx, dweight;
  };
  std::int64_t m;
  std::vector<Layer> layers;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Microseconds per step of both, by one clock, a pair per round.
struct Rounds {
  std::vector<double> step, products;
  void print(const char* clock) const {
    std::vector<double> shares;
    for (std::size_t i = 0; i < step.size(); ++i) shares.push_back(products[i] / step[i]);
    const double best_step = *std::min_element(step.begin(), step.end());
    const double best_products = *std::min_element(products.begin(), products.end());
    std::printf("%-14s median: step %5.0f us, products %5.0f us, products/step %.3f; best: %5.0f, %5.0f, %.3f\n", clock,
                median(step), median(products), median(shares), best_step, best_products, best_products / best_step);
  }
};

void run(std::int64_t batch, int rounds, std::int64_t steps) {
  TrainOptions options;
  options.loss.kind = LossKind::batch_cross_entropy;
  options.optimizer.learning_rate = 1e-3;
  options.optimizer.momentum = 0.9;
  options.batch_size = batch;
  options.training = std::make_shared<Pixels>(8192);
  Model model(network(), cpu_backend());
  Products products(batch);
  Rounds wall, processor;
  const auto measure = [&](auto&& work, std::vector<double>& wall_times, std::vector<double>& processor_times) {
    const double wall_start = now(CLOCK_MONOTONIC), processor_start = now(CLOCK_PROCESS_CPUTIME_ID);
    work();
    wall_times.push_back((now(CLOCK_MONOTONIC) - wall_start) / static_cast<double>(steps) * 1e6);
    processor_times.push_back((now(CLOCK_PROCESS_CPUTIME_ID) - processor_start) / static_cast<double>(steps) * 1e6);
  };
  options.steps = 10;
  train(model, options, {});
  products.run();
  options.steps = steps;
  for (int round = 0; round < rounds; ++round) {
    measure([&] { train(model, options, {}); }, wall.step, processor.step);  // planning its buffers included
    measure(
        [&] {
          for (std::int64_t i = 0; i < steps; ++i) products.run();
        },
        wall.products, processor.products);
  }
  std::printf("%s, %s, %d threads, batch %lld, %d rounds of %lld steps\n", blas_choice().name.c_str(),
              std::string(simd_name()).c_str(), thread_count(), static_cast<long long>(batch), rounds,
              static_cast<long long>(steps));
  wall.print("wall clock");
  // Of one thread: what other processes do to it is small. Of several it counts their waiting for each other too.
  processor.print("processor time");
}

}  // namespace
}  // namespace onelogit

int main(int count, char** arguments) {
  onelogit::run(count > 1 ? std::atoll(arguments[1]) : 128, count > 2 ? std::atoi(arguments[2]) : 10,
                count > 3 ? std::atoll(arguments[3]) : 100);
}
