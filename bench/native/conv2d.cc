// The convolutions of ResNet-50 for prediction: each distinct shape's best time of several runs, its rate, and that
// rate as a share of a 1536³ matrix product's, measured again before every shape. What the network does to a result is
// part of it: bias, relu, and the residual of the last convolution of a block. With ONELOGIT_THREADS=1 in processor
// time, which other processes disturb little.
//
// With `training`: the forward pass and both gradients instead, without a bias, as batch normalisation follows.
//
//   onelogit_bench_conv2d [images [repetitions [training]]]
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/blas.h"
#include "backend/cpu/threads.h"
#include "resnet50_convolutions.h"

namespace onelogit {
namespace {

double now() {
  timespec time{};
  clock_gettime(thread_count() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class F>
double best_seconds(int repetitions, F&& run) {
  double best = 1e9;
  for (int i = 0; i < repetitions; ++i) {
    const double start = now();
    run();
    best = std::min(best, now() - start);
  }
  return best;
}

std::vector<float> random_values(std::int64_t size) {
  static std::mt19937 engine(1);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& value : values) value = uniform(engine);
  return values;
}

std::string name_of(const bench::Convolution& c) {
  const auto text = [](std::int64_t i) { return std::to_string(i); };
  return text(c.size) + "x" + text(c.size) + "x" + text(c.channels) + ", " + text(c.kernel) + "x" + text(c.kernel) +
         "/" + text(c.stride) + " -> " + text(c.filters);
}

// One line, and the sum of them all.
class Report {
 public:
  explicit Report(const char* what) : what_(what) {}
  void add(const bench::Convolution& c, double flop, double seconds, double product_rate) {
    const double rate = flop / seconds;
    std::printf("%-30s%-10s%6d%10.3f%10.1f%7.0f%%\n", name_of(c).c_str(), what_, c.count, 1e3 * seconds, 1e-9 * rate,
                100.0 * rate / product_rate);
    seconds_ += c.count * seconds;
    flop_ += c.count * flop;
  }
  void finish() const {
    std::printf("%-30s%-10s%6s%10.3f%10.1f\n", "all of the network's", what_, "", 1e3 * seconds_,
                1e-9 * flop_ / seconds_);
  }

 private:
  const char* what_;
  double seconds_ = 0, flop_ = 0;
};

void run(std::int64_t m, int repetitions, bool training) {
  Backend& cpu = cpu_backend();
  constexpr std::int64_t edge = 1536;
  const auto a = random_values(edge * edge), b = random_values(edge * edge);
  std::vector<float> product(edge * edge);
  std::printf("%lld images, %d threads; matrix products by %s\n", static_cast<long long>(m), thread_count(),
              blas_choice().name.c_str());
  std::printf("%-40s%6s%10s%10s%8s\n", "convolution", "times", "ms", "GFLOP/s", "share");
  Report inference("inference"), forward("forward"), of_input("dx"), of_weight("dweight");
  for (const bench::Convolution& c : bench::resnet50_convolutions) {
    const Conv2dGeometry g = bench::geometry_of(c);
    const auto x = random_values(m * g.in_pixels() * g.channels), weight = random_values(g.filters * g.filter_size());
    const auto bias = random_values(g.filters);
    std::vector<float> y(static_cast<std::size_t>(m * g.out_pixels() * g.filters));
    const double product_seconds = best_seconds(3, [&] {
      cpu.gemm(Transpose::no, Transpose::no, edge, edge, edge, 1.0f, a.data(), edge, b.data(), edge, 0.0f,
               product.data(), edge);
    });
    const double product_rate = 2.0 * edge * edge * edge / product_seconds;
    const double flop = 2.0 * static_cast<double>(m * g.out_pixels() * g.filters * g.filter_size());
    const auto measure = [&](Report& report, auto&& body) {
      report.add(c, flop, best_seconds(repetitions, body), product_rate);
    };
    if (!training) {
      const std::vector<float> residual(c.residual ? y.size() : 0);
      const auto convolution = cpu.make_conv2d_inference(g, weight.data(), bias.data());
      measure(inference,
              [&] { convolution->run(x.data(), c.residual ? residual.data() : nullptr, true, y.data(), m); });
      continue;
    }
    const auto dy = random_values(static_cast<std::int64_t>(y.size()));
    std::vector<float> dx(x.size()), dweight(weight.size());
    measure(forward, [&] { cpu.conv2d_forward(g, x.data(), weight.data(), nullptr, y.data(), m); });
    measure(of_input, [&] { cpu.conv2d_backward_input(g, dy.data(), weight.data(), dx.data(), m); });
    measure(of_weight, [&] { cpu.conv2d_backward_weight(g, x.data(), dy.data(), dweight.data(), nullptr, m); });
  }
  if (!training) return inference.finish();
  forward.finish();
  of_input.finish();
  of_weight.finish();
}

}  // namespace
}  // namespace onelogit

int main(int count, char** arguments) {
  const int images = count > 1 ? std::atoi(arguments[1]) : 1, repetitions = count > 2 ? std::atoi(arguments[2]) : 21;
  const bool training = count > 3 && std::string_view(arguments[3]) == "training";
  onelogit::run(std::max(1, images), std::max(1, repetitions), training);
}
