// cuBLAS on the CPU: its column-major products one dot product after another, with the checks of arguments that the
// library makes.

#include "backend/cuda/cublas.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

std::atomic<std::int64_t> handles{0};
std::atomic<bool> workspace_is_refused{false}, has_ended{false};

// What a library has of its own at the end of the process goes in an exit handler that was registered when the library
// was opened.
void end_library() { has_ended = true; }

}  // namespace

namespace cuda_host {

void refuse_workspace(bool refuse) { workspace_is_refused = refuse; }
std::int64_t open_handles() { return handles; }

}  // namespace cuda_host

namespace onelogit::cuda {
namespace {

constexpr CublasStatus success = 0, not_initialized = 1, invalid_value = 7, not_supported = 15;

// As tensor cores take a float32: ten bits of mantissa, to nearest.
float rounded_to_tf32(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits = (bits + 0x1000u) & 0xffffe000u;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

double element(const void* matrix, CublasType type, CublasCompute compute, std::size_t at) {
  if (type == CublasType::float32) {
    const float value = static_cast<const float*>(matrix)[at];
    return static_cast<double>(compute == CublasCompute::tf32 ? rounded_to_tf32(value) : value);
  }
  const std::uint32_t bits = std::uint32_t{static_cast<const std::uint16_t*>(matrix)[at]} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return static_cast<double>(value);
}

CublasStatus create(CublasHandle* handle) {
  *handle = reinterpret_cast<CublasHandle>(new cudaStream_t{nullptr});
  ++handles;
  return success;
}
CublasStatus destroy(CublasHandle handle) {
  delete reinterpret_cast<cudaStream_t*>(handle);
  --handles;
  return success;
}
CublasStatus set_stream(CublasHandle handle, cudaStream_t stream) {
  if (handle == nullptr) return not_initialized;
  *reinterpret_cast<cudaStream_t*>(handle) = stream;
  return success;
}
CublasStatus set_workspace(CublasHandle handle, void* memory, std::size_t bytes) {
  if (handle == nullptr) return not_initialized;
  if (workspace_is_refused) return not_supported;
  const bool aligned = reinterpret_cast<std::uintptr_t>(memory) % 256 == 0;
  return bytes == 0 || (aligned && cuda_host::is_device_memory(memory)) ? success : invalid_value;
}

CublasStatus gemm(CublasHandle handle, CublasOperation a_operation, CublasOperation b_operation, int m, int n, int k,
                  const void* alpha, const void* a, CublasType a_type, int lda, const void* b, CublasType b_type,
                  int ldb, const void* beta, void* c, CublasType c_type, int ldc, CublasCompute compute, int) {
  const bool transpose_a = a_operation == CublasOperation::transpose,
             transpose_b = b_operation == CublasOperation::transpose;
  if (has_ended) {
    std::fprintf(stderr, "cuda_host: cuBLAS is called after the process has ended it\n");
    std::abort();
  }
  if (handle == nullptr) return not_initialized;
  // k = 0 is not documented: nobody is to rely on it.
  if (m < 0 || n < 0 || k < 1 || lda < std::max(1, transpose_a ? k : m) || ldb < std::max(1, transpose_b ? n : k) ||
      ldc < std::max(1, m))
    return invalid_value;
  if (a_type != b_type || c_type != CublasType::float32) return not_supported;
  if (!cuda_host::is_device_memory(c) || !cuda_host::is_device_memory(a) || !cuda_host::is_device_memory(b))
    return invalid_value;
  const float scale = *static_cast<const float*>(alpha), keep = *static_cast<const float*>(beta);
  cuda_host::submit(*reinterpret_cast<cudaStream_t*>(handle), cuda_host::Work::kernel, [=] {
    const cuda_host::DeviceAccess access;
    auto* const to = static_cast<float*>(c);
    const auto size = [](int x) { return static_cast<std::size_t>(x); };
    // Gathered once, so that the innermost loop reads memory in order.
    std::vector<double> columns(size(n) * size(k)), row(size(k));
    for (int j = 0; j < n; ++j)
      for (int l = 0; l < k; ++l)
        columns[size(j) * size(k) + size(l)] =
            element(b, b_type, compute, transpose_b ? size(l) * size(ldb) + size(j) : size(j) * size(ldb) + size(l));
    for (int i = 0; i < m; ++i) {
      for (int l = 0; l < k; ++l)
        row[size(l)] =
            element(a, a_type, compute, transpose_a ? size(i) * size(lda) + size(l) : size(l) * size(lda) + size(i));
      for (int j = 0; j < n; ++j) {
        double sum = 0;
        for (int l = 0; l < k; ++l) sum += row[size(l)] * columns[size(j) * size(k) + size(l)];
        float& out = to[size(j) * size(ldc) + size(i)];
        const float product = scale * static_cast<float>(sum);
        out = keep == 0.0f ? product : product + keep * out;
      }
    }
  });
  return success;
}

}  // namespace

const Cublas& cublas() {
  static const auto* const stand_in = [] {
    std::atexit(end_library);
    return new Cublas{"cuBLAS on the CPU", "", create, destroy, set_stream, set_workspace, gemm};
  }();
  return *stand_in;
}

}  // namespace onelogit::cuda
