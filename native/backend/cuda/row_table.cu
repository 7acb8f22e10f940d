// A team of threads, a warp or part of one, for a row: it reads how old the row is, updates it and writes that down,
// and no other team looks at it.

#include "backend/cuda/row_table.h"

#include "backend/cuda/launch.h"
#include "backend/cuda/matrix_threads.h"
#include "backend/cuda/pack.h"
#include "backend/cuda/update_rules.h"
#include "tensor/bfloat16.h"
#include "tensor/rounding_words.h"

namespace onelogit::cuda {
namespace {

// Purposes of random bits within a step.
constexpr std::uint64_t of_update = 0, of_catch_up = 1;
// Words of random bits serve elements so far apart (tensor/rounding_words.h), as on a CPU whose vectors are as long.
constexpr std::int64_t rounding_lanes = 16;

__device__ __forceinline__ std::uint16_t round_stochastic(float value, std::uint32_t row, std::int64_t column) {
  std::uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  if (value != value) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  const std::int64_t n = column / (2 * rounding_lanes) * rounding_lanes + column % rounding_lanes;
  const std::uint32_t word = rounding_word(row + static_cast<std::uint32_t>(n) * rounding_stride);
  const std::uint32_t random = column / rounding_lanes % 2 == 0 ? word & 0xffff : word >> 16;
  return static_cast<std::uint16_t>((bits + random) >> 16);
}

// Rows of float32 and of bfloat16: `width` elements at a time.
template <int width>
struct Float32Row {
  float* values;
  __device__ __forceinline__ Float32Row(void* matrix, std::int64_t columns, std::int64_t row, std::uint64_t)
      : values(static_cast<float*>(matrix) + row * columns) {}
  __device__ __forceinline__ Pack<float, width> load(std::int64_t column) const {
    return load_pack<width>(values + column);
  }
  __device__ __forceinline__ void store(std::int64_t column, const Pack<float, width>& pack) const {
    store_pack(values + column, pack);
  }
};
template <int width>
struct Bfloat16Row {
  std::uint16_t* values;
  std::uint32_t random;
  __device__ __forceinline__ Bfloat16Row(void* matrix, std::int64_t columns, std::int64_t row, std::uint64_t key)
      : values(static_cast<std::uint16_t*>(matrix) + row * columns), random(rounding_row(key, row)) {}
  __device__ __forceinline__ Pack<float, width> load(std::int64_t column) const {
    const auto stored = load_pack<width>(values + column);
    Pack<float, width> pack;
    for (int k = 0; k < width; ++k) pack.at[k] = bfloat16_to_float32(stored.at[k]);
    return pack;
  }
  __device__ __forceinline__ void store(std::int64_t column, const Pack<float, width>& pack) const {
    Pack<std::uint16_t, width> stored;
    for (int k = 0; k < width; ++k) stored.at[k] = round_stochastic(pack.at[k], random, column + k);
    store_pack(values + column, stored);
  }
};

// body(n, row) for each row of the calling thread's team.
template <class Body>
__device__ __forceinline__ void for_each_listed_row(const RowList& list, const Body& body) {
  const std::int64_t count = list.count == nullptr ? list.most : *list.count;
  for (std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; n < count;
       n += static_cast<std::int64_t>(gridDim.x) * blockDim.y)
    body(n, list.ids == nullptr ? list.first + n : static_cast<std::int64_t>(list.ids[n]));
}

__global__ void begin_step_kernel(const StepValues* values, OptimizerSpec spec, std::uint64_t seed,
                                  const std::int32_t* undefined, RowStep* to) {
  const float learning_rate = values->learning_rate;
  const std::uint64_t number = values->number, key = mix_key(seed, number);
  to->update_key = mix_key(key, of_update);
  to->catch_up_key = mix_key(key, of_catch_up);
  to->sgd = make_sgd_step(spec, learning_rate);
  if (spec.kind == OptimizerKind::adam) to->adam = make_adam_step(spec, learning_rate, number + 1);
  if (spec.kind == OptimizerKind::adamw) to->adam = make_adamw_step(spec, learning_rate, number + 1);
  to->idle = make_idle_step(spec, learning_rate);
  to->skips = undefined != nullptr && *undefined != 0 ? 1 : 0;
}

__device__ __forceinline__ Sgd rule_of(const RowStep& step, const Sgd*) { return {step.sgd}; }
__device__ __forceinline__ SgdMomentum rule_of(const RowStep& step, const SgdMomentum*) { return {step.sgd}; }
__device__ __forceinline__ Adam rule_of(const RowStep& step, const Adam*) { return {step.adam}; }

template <class Rule, template <int> class Row, int width>
__global__ void update_kernel(ParameterRows rows, RowList list, const float* gradient, const float* bias_gradient,
                              const float* gradient_scale, const float* row_scale, const RowStep* step,
                              std::uint32_t* updated) {
  if (step->skips != 0) return;
  const Rule rule = rule_of(*step, static_cast<const Rule*>(nullptr));
  const float scale_of_all = gradient_scale == nullptr ? 1.0f : *gradient_scale;
  for_each_listed_row(list, [&](std::int64_t n, std::int64_t row) {
    const float scale = row_scale == nullptr ? scale_of_all : scale_of_all * row_scale[row];
    const Row<width> stored(rows.value, rows.columns, row, step->update_key);
    for (std::int64_t column = threadIdx.x * width; column < rows.columns; column += blockDim.x * width) {
      const auto of_gradient = load_pack<width>(gradient + n * rows.columns + column);
      auto value = stored.load(column);
      Pack<float, width> state[2];
      for (int s = 0; s < Rule::states; ++s) state[s] = load_pack<width>(rows.state[s] + row * rows.columns + column);
      for (int k = 0; k < width; ++k) {
        float of_element[2];
        for (int s = 0; s < Rule::states; ++s) of_element[s] = state[s].at[k];
        rule(of_gradient.at[k] * scale, value.at[k], of_element);
        for (int s = 0; s < Rule::states; ++s) state[s].at[k] = of_element[s];
      }
      for (int s = 0; s < Rule::states; ++s) store_pack(rows.state[s] + row * rows.columns + column, state[s]);
      stored.store(column, value);
    }
    if (threadIdx.x != 0) return;
    if (rows.bias != nullptr) {
      float state[2];
      for (int s = 0; s < Rule::states; ++s) state[s] = rows.bias_state[s][row];
      rule(bias_gradient[n] * scale, rows.bias[row], state);
      for (int s = 0; s < Rule::states; ++s) rows.bias_state[s][row] = state[s];
    }
    if (updated != nullptr) updated[row] = step->now + 1;
  });
}

// (w, v) ← (ww·w + wv·v, vw·w + vv·v); without a velocity w ← ww·w.
struct Idle {
  float ww, wv, vw, vv;
  __device__ __forceinline__ explicit Idle(const IdleStep& steps)
      : ww(static_cast<float>(steps.ww)),
        wv(static_cast<float>(steps.wv)),
        vw(static_cast<float>(steps.vw)),
        vv(static_cast<float>(steps.vv)) {}
  __device__ __forceinline__ void operator()(float& value) const { value *= ww; }
  __device__ __forceinline__ void operator()(float& value, float& velocity) const {
    const float w = value, v = velocity;
    value = ww * w + wv * v;
    velocity = vw * w + vv * v;
  }
};

// Once caught up, rows have seen `seen`: all steps, or none of a history that begins anew. With `full` (or 0) nothing
// is done unless the history has so many steps.
template <bool velocity, template <int> class Row, int width>
__global__ void catch_up_kernel(ParameterRows rows, RowList list, const RowStep* step, const IdleStep* since,
                                std::uint32_t* updated, std::uint32_t full, bool begins_anew) {
  const std::uint32_t now = step->now;
  if (now == 0 || (full != 0 && now != full)) return;
  // The lanes of the thread's team.
  const unsigned lane = (threadIdx.y * blockDim.x + threadIdx.x) % warp_size;
  const unsigned team = (blockDim.x == warp_size ? all_lanes : (1u << blockDim.x) - 1)
                        << (lane / blockDim.x * blockDim.x);
  for_each_listed_row(list, [&](std::int64_t, std::int64_t row) {
    const std::uint32_t seen = updated[row];
    __syncwarp(team);  // all have read it
    if (seen < now) {
      const Idle idle(since[seen]);
      const Row<width> stored(rows.value, rows.columns, row, step->catch_up_key);
      for (std::int64_t column = threadIdx.x * width; column < rows.columns; column += blockDim.x * width) {
        auto value = stored.load(column);
        if constexpr (velocity) {
          float* const at = rows.state[0] + row * rows.columns + column;
          auto of_velocity = load_pack<width>(at);
          for (int k = 0; k < width; ++k) idle(value.at[k], of_velocity.at[k]);
          store_pack(at, of_velocity);
        } else {
          for (int k = 0; k < width; ++k) idle(value.at[k]);
        }
        stored.store(column, value);
      }
      if (threadIdx.x == 0 && rows.bias != nullptr) {
        if constexpr (velocity)
          idle(rows.bias[row], rows.bias_state[0][row]);
        else
          idle(rows.bias[row]);
      }
    }
    if (threadIdx.x == 0) updated[row] = begins_anew ? 0 : now;
  });
}

// One block of threads.
__global__ void push_step_kernel(RowStep* step, IdleStep* since) {
  if (step->skips != 0) return;
  const std::uint32_t now = step->now;
  const IdleStep latest = step->idle;
  for (std::uint32_t s = threadIdx.x; s < now; s += blockDim.x) since[s] = idle_product(since[s], latest);
  __syncthreads();  // all have read `now`
  if (threadIdx.x != 0) return;
  since[now] = latest;
  step->now = now + 1;
}

__global__ void clear_history_kernel(RowStep* step, std::uint32_t full) {
  if (full == 0 || step->now == full) step->now = 0;
}

template <class T>
DeviceBuffer<T> zeros(cudaStream_t stream, std::size_t size) {
  DeviceBuffer<T> buffer(size, "the steps of rows");
  check(cudaMemsetAsync(buffer.data(), 0, size * sizeof(T), stream), "the steps of rows");
  return buffer;
}

struct TeamThreads {
  unsigned grid;
  dim3 block;
};
TeamThreads team_threads(std::int64_t rows, std::int64_t packs) {
  const unsigned width = tile_width(packs, warp_size), height = block_threads / width;
  return {grid_for(rows, height, 8192), dim3(width, height)};
}

bool in_packs(const ParameterRows& rows) {
  const bool values = rows.type == WeightType::float32 ? is_aligned<4>(static_cast<const float*>(rows.value))
                                                       : is_aligned<4>(static_cast<const std::uint16_t*>(rows.value));
  return rows.columns % 4 == 0 && values && is_aligned<4>(rows.state[0]) && is_aligned<4>(rows.state[1]);
}

template <class Rule>
auto* update_kernel_of(WeightType type, bool packs) {
  if (type == WeightType::float32)
    return packs ? update_kernel<Rule, Float32Row, 4> : update_kernel<Rule, Float32Row, 1>;
  return packs ? update_kernel<Rule, Bfloat16Row, 4> : update_kernel<Rule, Bfloat16Row, 1>;
}
template <bool velocity>
auto* catch_up_kernel_of(WeightType type, bool packs) {
  if (type == WeightType::float32)
    return packs ? catch_up_kernel<velocity, Float32Row, 4> : catch_up_kernel<velocity, Float32Row, 1>;
  return packs ? catch_up_kernel<velocity, Bfloat16Row, 4> : catch_up_kernel<velocity, Bfloat16Row, 1>;
}

}  // namespace

RowTable::RowTable(Queue& queue, const ParameterRows& rows, const OptimizerSpec& optimizer, Touched touched,
                   std::uint64_t seed, std::uint32_t history)
    : queue_(queue),
      rows_(rows),
      optimizer_(optimizer),
      rest_(touched == Touched::few_rows && idle_rows_change(optimizer)),
      seed_(seed),
      history_(history),
      step_(zeros<RowStep>(queue.stream, 1)) {
  if (!rest_) return;
  since_ = DeviceBuffer<IdleStep>(history, "the steps of rows");
  updated_ = zeros<std::uint32_t>(queue.stream, static_cast<std::size_t>(rows.rows));
}

void RowTable::begin_step(float learning_rate, std::uint64_t step, const std::int32_t* undefined) {
  queue_.step.set(step, learning_rate);
  launch("row_table", begin_step_kernel, 1, 1, 0, queue_.stream, queue_.step.values(), optimizer_, seed_, undefined,
         step_.data());
}

void RowTable::end_step() {
  if (!rest_) return;
  launch("row_table", push_step_kernel, 1, block_threads, 0, queue_.stream, step_.data(), since_.data());
  begin_history(history_);
}

void RowTable::update_list(const RowList& list, const float* gradient, const float* bias_gradient, const float* scale,
                           const float* row_scale) {
  if (list.most == 0) return;
  const bool packs = in_packs(rows_) && is_aligned<4>(gradient);
  const TeamThreads threads = team_threads(list.most, packs ? rows_.columns / 4 : rows_.columns);
  auto* const kernel = optimizer_.kind != OptimizerKind::sgd    ? update_kernel_of<Adam>(rows_.type, packs)
                       : optimizer_state_count(optimizer_) == 1 ? update_kernel_of<SgdMomentum>(rows_.type, packs)
                                                                : update_kernel_of<Sgd>(rows_.type, packs);
  launch("row_table", kernel, threads.grid, threads.block, 0, queue_.stream, rows_, list, gradient, bias_gradient,
         scale, row_scale, step_.data(), updated_.data());
}

void RowTable::update(std::int64_t first, std::int64_t count, const float* gradient, const float* bias_gradient,
                      const float* scale, const float* row_scale) {
  update_list({nullptr, nullptr, first, count}, gradient, bias_gradient, scale, row_scale);
}
void RowTable::update_rows(const std::int32_t* ids, const std::int32_t* count, std::int64_t most, const float* gradient,
                           const float* bias_gradient, const float* scale) {
  update_list({ids, count, 0, most}, gradient, bias_gradient, scale, nullptr);
}

// `full`, `begins_anew`: as the kernel's.
void RowTable::catch_up_list(const RowList& list, std::uint32_t full, bool begins_anew) {
  if (!rest_ || list.most == 0) return;
  const bool packs = in_packs(rows_), velocity = optimizer_.kind == OptimizerKind::sgd && rows_.state[0] != nullptr;
  const TeamThreads threads = team_threads(list.most, packs ? rows_.columns / 4 : rows_.columns);
  auto* const kernel =
      velocity ? catch_up_kernel_of<true>(rows_.type, packs) : catch_up_kernel_of<false>(rows_.type, packs);
  launch("row_table", kernel, threads.grid, threads.block, 0, queue_.stream, rows_, list, step_.data(), since_.data(),
         updated_.data(), full, begins_anew);
}

void RowTable::catch_up(std::int64_t first, std::int64_t count) {
  catch_up_list({nullptr, nullptr, first, count}, 0, false);
}
void RowTable::catch_up_rows(const std::int32_t* ids, const std::int32_t* count, std::int64_t most) {
  catch_up_list({ids, count, 0, most}, 0, false);
}
void RowTable::catch_up_all() { begin_history(0); }

// Where the history has `full` steps (0: whatever it has), all rows are caught up and it is empty.
void RowTable::begin_history(std::uint32_t full) {
  if (!rest_) return;
  catch_up_list({nullptr, nullptr, 0, rows_.rows}, full, true);
  launch("row_table", clear_history_kernel, 1, 1, 0, queue_.stream, step_.data(), full);
}

}  // namespace onelogit::cuda
