#include "backend/cpu/blas.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include "backend/cpu/kernels/gemv.h"

#ifdef ONELOGIT_OPENBLAS
#include <cblas.h>
#include <sys/mman.h>
#endif

#ifdef ONELOGIT_STATIC_OPENBLAS
// What OpenBLAS calls when it is loaded to start a thread for every processor, and which ends the process if it cannot.
// We ask it on our own threads only, so where it is part of the addon the call comes here (the linker's --wrap,
// cmake/prebuild.cmake).
extern "C" int __wrap_blas_thread_init();               // NOLINT(bugprone-reserved-identifier): the linker's name
extern "C" int __wrap_blas_thread_init() { return 0; }  // NOLINT(bugprone-reserved-identifier)
#endif

namespace onelogit {
namespace {

struct FreeMemory {
  void operator()(float* memory) const { std::free(memory); }
};

// This thread's memory for packed operands, made at its first product.
float* packing_memory() {
  thread_local std::unique_ptr<float, FreeMemory> memory;
  if (memory == nullptr) {
    const auto bytes = static_cast<std::size_t>(gemm_kernels().workspace_size) * sizeof(float);
    memory.reset(static_cast<float*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)));
    if (memory == nullptr) throw std::bad_alloc();
  }
  return memory.get();
}

void portable_gemm(const GemmArguments& product) { gemm_kernels().gemm(product, packing_memory()); }

#ifdef ONELOGIT_OPENBLAS
// OpenBLAS has a buffer for each of the products that are computed at the same time, which it takes when there is none
// left and keeps. Where the system refuses one (a limit on the address space), it asks again for ever. So whoever may
// be the first to need one more sees before whether there is room.
class OpenBlasBuffer {
 public:
  OpenBlasBuffer() {
    const int wanted = used_.fetch_add(1) + 1;
    if (wanted <= seen_.load()) return;
    // Of OpenBLAS 0.3 for processors with AVX2, the largest of all.
    constexpr std::size_t bytes = std::size_t{128} << 20;
    void* const room = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) {
      used_.fetch_sub(1);
      throw std::bad_alloc();
    }
    ::munmap(room, bytes);
    int seen = seen_.load();
    while (seen < wanted && !seen_.compare_exchange_weak(seen, wanted)) {
    }
  }
  ~OpenBlasBuffer() { used_.fetch_sub(1); }
  OpenBlasBuffer(const OpenBlasBuffer&) = delete;
  OpenBlasBuffer& operator=(const OpenBlasBuffer&) = delete;

 private:
  inline static std::atomic<int> used_{0}, seen_{0};  // products now; the most at once for which there was room
};

void openblas_gemm(const GemmArguments& p) {
  const OpenBlasBuffer buffer;
  cblas_sgemm(CblasRowMajor, p.transpose_a ? CblasTrans : CblasNoTrans, p.transpose_b ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(p.m), static_cast<blasint>(p.n), static_cast<blasint>(p.k), p.alpha, p.a,
              static_cast<blasint>(p.lda), p.b, static_cast<blasint>(p.ldb), p.beta, p.c, static_cast<blasint>(p.ldc));
}

bool fits_blasint(const GemmArguments& p) {
  return std::max({p.m, p.n, p.k, p.lda, p.ldb, p.ldc}) <= std::numeric_limits<blasint>::max();
}

// Some OpenBLAS versions compute wrong results with some processors' kernels. Small products of awkward shapes, in
// every combination of transposes, must agree with the portable kernel, and a C that is not to be read may hold NaN.
bool openblas_is_right() {
  constexpr struct {
    std::int64_t m, n, k;
  } shapes[] = {{1, 1, 1}, {3, 5, 7}, {17, 33, 65}, {33, 9, 300}, {129, 66, 35}};
  constexpr std::int64_t longest = 129 * 66;
  std::vector<float> a(33 * 300), b(33 * 300), expected(longest), received(longest);
  std::uint32_t state = 1;
  for (std::vector<float>* values : {&a, &b})
    for (float& value : *values) {
      state = state * 1664525U + 1013904223U;
      value = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
    }
  for (const auto& [m, n, k] : shapes)
    for (const bool transpose_a : {false, true})
      for (const bool transpose_b : {false, true})
        for (const float beta : {0.0f, 0.5f}) {
          std::fill(expected.begin(), expected.end(), beta == 0.0f ? std::nanf("") : 1.0f);
          received = expected;
          GemmArguments p{
              transpose_a, transpose_b,     m, n, k, 1.5f, a.data(), transpose_a ? m : k, b.data(), transpose_b ? k : n,
              beta,        expected.data(), n};
          portable_gemm(p);
          p.c = received.data();
          openblas_gemm(p);
          for (std::int64_t i = 0; i < m * n; ++i)
            if (!(std::abs(received[i] - expected[i]) <= 1e-5f * static_cast<float>(k))) return false;
        }
  return true;
}
#endif

BlasChoice choose() {
  BlasChoice choice;
  choice.name = "portable";
#ifdef ONELOGIT_OPENBLAS
  openblas_set_num_threads(1);  // our pool cuts the products
  // "OpenBLAS 0.3.21 NO_AFFINITY …"
  const std::string config = openblas_get_config();
  const auto begin = config.find(' ');
  const auto end = config.find(' ', begin + 1);
  const std::string name =
      "openblas " + config.substr(begin + 1, end - begin - 1) + " (" + openblas_get_corename() + ")";
  const char* const wanted = std::getenv("ONELOGIT_BLAS");
  if (wanted != nullptr && std::string_view(wanted) == "portable") {
    choice.reason = "ONELOGIT_BLAS=portable";
  } else if (!openblas_is_right()) {
    choice.reason = name + " computes wrong products on this processor";
  } else {
    choice.openblas = true;
    choice.name = name;
  }
#endif
  return choice;
}

// The same product as its transpose, Cᵀ = op(B)ᵀ · op(A)ᵀ, for a C that is one column.
GemmArguments column_as_row(const GemmArguments& p) {
  return {!p.transpose_b, !p.transpose_a, 1, p.m, p.k, p.alpha, p.b, p.ldb, p.a, p.lda, p.beta, p.c, p.m};
}

// Whether one of the kernels without packing has done it.
bool gemv(const GemmArguments& product) {
  GemmArguments p = product.n == 1 && product.ldc == 1 && product.m > 1 ? column_as_row(product) : product;
  if (p.m == 1 && p.transpose_a && p.lda == 1) p.transpose_a = false;  // a column without gaps is a row
  const GemvKernels& kernels = gemv_kernels();
  if (!p.transpose_a && p.transpose_b && std::min(p.m, p.n) <= kernels.most_few_rows) {
    kernels.few_rows(p);
    return true;
  }
  if (p.m == 1 && !p.transpose_b) {
    kernels.one_row(p);
    return true;
  }
  return false;
}

}  // namespace

const BlasChoice& blas_choice() {
  static const BlasChoice choice = choose();
  return choice;
}

void blas_gemm(const GemmArguments& product) {
  if (gemv(product)) return;
#ifdef ONELOGIT_OPENBLAS
  if (blas_choice().openblas && fits_blasint(product)) return openblas_gemm(product);
#endif
  portable_gemm(product);
}

}  // namespace onelogit
