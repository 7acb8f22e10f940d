// Matrix products on the whole pool: the shape decides how a product is cut among the threads.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/gemm.h"

namespace onelogit {

// How a product is cut: `rows` × `columns` blocks of C, and `depth` parts of the sum over k, added in order afterwards.
struct ProductPlan {
  int rows = 1, columns = 1, depth = 1;
};
ProductPlan plan_product(std::int64_t m, std::int64_t n, std::int64_t k, int threads);

// C = alpha · op(A) · op(B) + beta · C, plus bias (n, added to every row) unless it is null.
void multiply(const GemmArguments& product, const float* bias = nullptr);

}  // namespace onelogit
