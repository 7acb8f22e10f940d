// How a long run of logits, a row or the whole matrix, is cut for several blocks: by its length alone, so that what the
// parts leave behind, merged in order, has the same bits in every run.
#pragma once

#include "backend/cuda/launch.h"

namespace onelogit::cuda {

constexpr std::int64_t shortest_part = 2048;  // elements: 8 for each thread of a block
constexpr std::int64_t most_parts = 1024;     // about what a large GPU runs at a time; one block merges them

struct Part {
  std::int64_t run, begin, end;  // elements begin … end − 1 of run number `run`
};

struct Parts {
  std::int64_t run_length, part_length, per_run;

  // Of `runs` runs, numbered run by run.
  __device__ __forceinline__ Part operator[](std::int64_t index) const {
    const std::int64_t run = index / per_run, begin = index % per_run * part_length;
    return {run, begin, begin + part_length < run_length ? begin + part_length : run_length};
  }
};

inline Parts cut(std::int64_t run_length) {
  const std::int64_t shortest = (run_length + most_parts - 1) / most_parts;
  std::int64_t part_length = (shortest + shortest_part - 1) / shortest_part * shortest_part;
  if (part_length < shortest_part) part_length = shortest_part;
  return {run_length, part_length, (run_length + part_length - 1) / part_length};
}

}  // namespace onelogit::cuda
