#include "backend/cpu/kernels/loss_margin.h"

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

const float infinity = __builtin_inff();

// Per lane: the largest value, the first column that had it, and whether a NaN came by.
struct LaneBest {
  VectorF value = broadcast(-infinity);
  VectorI column = VectorI{} - 1;
  VectorI not_a_number = VectorI{};

  ONELOGIT_INLINE void add(VectorF v, VectorI columns, VectorI excluded) {
    not_a_number |= v != v;
    // Strictly above: the earlier column stays on a tie.
    const VectorI better = (v > value) & (columns != excluded);
    value = select(better, v, value);
    column = better ? columns : column;
  }
};

void largest_false(const float* z, std::int64_t stride, std::int64_t rows, std::int64_t n, const std::int32_t* labels,
                   std::int64_t first_column, float* value, std::int32_t* column) {
  VectorI first{};
  for (int i = 0; i < lanes; ++i) first[i] = i;
  for (std::int64_t r = 0; r < rows; ++r, z += stride) {
    const std::int64_t label = labels[r] - first_column;
    const VectorI excluded = VectorI{} + static_cast<std::int32_t>(label >= 0 && label < n ? label : -1);
    LaneBest best;
    VectorI columns = first;
    std::int64_t j = 0;
    for (; j + lanes <= n; j += lanes, columns += lanes) best.add(load(z + j), columns, excluded);
    if (j < n) best.add(load_partial(z + j, n - j, -infinity), columns, excluded);

    float top = best.value[0];
    std::int32_t at = best.column[0];
    bool seen_nan = best.not_a_number[0] != 0;
    for (int i = 1; i < lanes; ++i) {
      seen_nan |= best.not_a_number[i] != 0;
      if (best.value[i] > top || (best.value[i] == top && best.column[i] < at)) {
        top = best.value[i];
        at = best.column[i];
      }
    }
    value[r] = seen_nan ? __builtin_nanf("") : top;
    column[r] = at;
  }
}

}  // namespace

const MarginLossKernels margin_loss_kernels_table = {largest_false};

}  // namespace onelogit::ONELOGIT_SIMD
