#include "backend/cpu/product.h"

#include <algorithm>
#include <vector>

#include "backend/cpu/blas.h"
#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/threads.h"

namespace onelogit {
namespace {

// Below this many multiply-adds handing over to the pool costs more than it saves.
constexpr double smallest_parallel_product = 32.0 * 1024;
// Blocks are cut at multiples of these, the granularity of the inner kernels.
constexpr std::int64_t row_granule = 8, column_granule = 16;

std::int64_t block_length(std::int64_t size, int blocks, std::int64_t granule) {
  const std::int64_t length = (size + blocks - 1) / blocks;
  return (length + granule - 1) / granule * granule;
}

// The calling thread's scratch memory, kept between calls.
float* scratch(std::size_t size) {
  thread_local std::vector<float> memory;
  if (memory.size() < size) memory.resize(size);
  return memory.data();
}

// One block of C by this thread.
void multiply_block(GemmArguments block, const float* bias) {
  if (bias != nullptr) {
    elementwise_kernels().scale_rows(block.beta, block.c, block.m, block.n, block.ldc);
    if (block.beta == 0.0f) {
      elementwise_kernels().fill_rows(bias, block.c, block.m, block.n, block.ldc);
    } else {
      for (std::int64_t i = 0; i < block.m; ++i) {
        float* const c = block.c + i * block.ldc;
        elementwise_kernels().add(bias, c, c, block.n);
      }
    }
    block.beta = 1.0f;
  }
  if (block.k == 0 || block.alpha == 0.0f) {
    elementwise_kernels().scale_rows(block.beta, block.c, block.m, block.n, block.ldc);
    return;
  }
  blas_gemm(block);
}

void multiply_by_blocks(const GemmArguments& product, const float* bias, const ProductPlan& plan) {
  const std::int64_t rows = block_length(product.m, plan.rows, row_granule);
  const std::int64_t columns = block_length(product.n, plan.columns, column_granule);
  parallel_slices(plan.rows * plan.columns, [&](int slice) {
    const std::int64_t i = slice / plan.columns * rows, j = slice % plan.columns * columns;
    if (i >= product.m || j >= product.n) return;
    GemmArguments block = product;
    block.m = std::min(rows, product.m - i);
    block.n = std::min(columns, product.n - j);
    block.a += product.transpose_a ? i : i * product.lda;
    block.b += product.transpose_b ? j * product.ldb : j;
    block.c += i * product.ldc + j;
    multiply_block(block, bias == nullptr ? nullptr : bias + j);
  });
}

// Every thread computes all of C over its part of k into memory of its own; the parts are then added in order.
void multiply_by_depth(const GemmArguments& product, const float* bias, int depth) {
  const std::int64_t length = block_length(product.k, depth, 16);
  const std::int64_t size = product.m * product.n;
  float* const parts = scratch(static_cast<std::size_t>(size) * static_cast<std::size_t>(depth));
  const int used = static_cast<int>((product.k + length - 1) / length);
  parallel_slices(used, [&](int slice) {
    const std::int64_t l = slice * length;
    GemmArguments part = product;
    part.k = std::min(length, product.k - l);
    part.a += product.transpose_a ? l * product.lda : l;
    part.b += product.transpose_b ? l : l * product.ldb;
    part.beta = 0.0f;
    part.c = parts + slice * size;
    part.ldc = product.n;
    multiply_block(part, nullptr);
  });
  const ElementwiseKernels& kernels = elementwise_kernels();
  for (std::int64_t i = 0; i < product.m; ++i) {
    float* const c = product.c + i * product.ldc;
    kernels.scale_rows(product.beta, c, 1, product.n, product.n);
    if (bias != nullptr) kernels.add(bias, c, c, product.n);
    for (int part = 0; part < used; ++part) kernels.add(parts + part * size + i * product.n, c, c, product.n);
  }
}

}  // namespace

ProductPlan plan_product(std::int64_t m, std::int64_t n, std::int64_t k, int threads) {
  ProductPlan best;
  const double work = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  if (threads == 1 || work < smallest_parallel_product) return best;
  double best_cost = 0;
  const auto consider = [&](ProductPlan plan) {
    const double rows = static_cast<double>(block_length(m, plan.rows, row_granule));
    const double columns = static_cast<double>(block_length(n, plan.columns, column_granule));
    const double depth = static_cast<double>(k) / plan.depth;
    // In multiply-adds: the largest block; packing its operands, about 8 each; adding the parts of a cut through k.
    const double cost = rows * columns * depth + 8.0 * depth * (rows + columns) +
                        (plan.depth > 1 ? 16.0 * static_cast<double>(m) * static_cast<double>(n) * plan.depth : 0.0);
    if (best_cost == 0 || cost < best_cost) {
      best_cost = cost;
      best = plan;
    }
  };
  consider({1, 1, 1});
  for (int rows = 1; rows <= threads; rows = rows < 16 ? rows + 1 : rows * 2) consider({rows, threads / rows, 1});
  consider({1, 1, threads});
  return best;
}

void multiply(const GemmArguments& product, const float* bias) {
  if (product.m <= 0 || product.n <= 0) return;
  const ProductPlan plan = plan_product(product.m, product.n, product.k, thread_count());
  if (plan.depth > 1) return multiply_by_depth(product, bias, plan.depth);
  multiply_by_blocks(product, bias, plan);
}

}  // namespace onelogit
