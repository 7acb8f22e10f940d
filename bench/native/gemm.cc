// One thread's rate at the matrix products of a training step: the portable kernel at every instruction set this
// processor has, and OpenBLAS when compiled in. Best of many runs, in processor time: other processes disturb it
// little.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "backend/cpu/blas.h"
#include "backend/cpu/kernels/gemm.h"

namespace onelogit {
namespace {

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <class F>
double best_seconds(int repetitions, F&& run) {
  double best = 1e9;
  for (int i = 0; i < repetitions; ++i) {
    const double start = thread_seconds();
    run();
    best = std::min(best, thread_seconds() - start);
  }
  return best;
}

struct Case {
  const char* name;
  bool transpose_a, transpose_b;
  std::int64_t m, n, k;
};

void run(int repetitions) {
  const Case cases[] = {
      {"dense 1 forward", false, true, 128, 500, 784}, {"dense 2 forward", false, true, 128, 500, 500},
      {"dense 3 forward", false, true, 128, 10, 500},  {"dense 2 input", false, false, 128, 500, 500},
      {"dense 3 input", false, false, 128, 500, 10},   {"dense 1 weight", true, false, 500, 784, 128},
      {"dense 2 weight", true, false, 500, 500, 128},  {"dense 3 weight", true, false, 10, 500, 128},
      {"1024 cubed", false, false, 1024, 1024, 1024},  {"one example", false, true, 1, 500, 784},
      {"eight examples", false, true, 8, 500, 784}};
  std::vector<float> memory(3 << 20), workspace(4 << 20);
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  for (float& value : memory) value = normal(engine);
  float* const aligned = reinterpret_cast<float*>((reinterpret_cast<std::uintptr_t>(workspace.data()) + 63) / 64 * 64);
  std::printf("GFLOP/s         %10s%10s%10s  %s\n", "portable", "avx2", "avx512", blas_choice().name.c_str());
  for (const Case& c : cases) {
    const GemmArguments product{c.transpose_a,
                                c.transpose_b,
                                c.m,
                                c.n,
                                c.k,
                                1.0f,
                                memory.data(),
                                c.transpose_a ? c.m : c.k,
                                memory.data() + (1 << 20),
                                c.transpose_b ? c.k : c.n,
                                0.0f,
                                memory.data() + (2 << 20),
                                c.n};
    const double gflop = 2e-9 * static_cast<double>(c.m) * static_cast<double>(c.n) * static_cast<double>(c.k);
    std::printf("%-16s", c.name);
    const auto report = [&](const GemmKernels& kernels) {
      std::printf("%10.1f", gflop / best_seconds(repetitions, [&] { kernels.gemm(product, aligned); }));
    };
    report(portable::gemm_kernels_table);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) report(avx2::gemm_kernels_table);
    if (__builtin_cpu_supports("avx512vl")) report(avx512::gemm_kernels_table);
#endif
    std::printf("%10.1f\n", gflop / best_seconds(repetitions, [&] { blas_gemm(product); }));
  }
}

}  // namespace
}  // namespace onelogit

int main(int count, char** arguments) { onelogit::run(count > 1 ? std::atoi(arguments[1]) : 100); }
