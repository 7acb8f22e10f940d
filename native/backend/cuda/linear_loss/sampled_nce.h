// nce with S draws, shared or of each example, where only the logits of labels and draws exist. Launchers; the kernels
// are in sampled_nce.cu. All pointers are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/step_values.h"
#include "head/linear_loss.h"
#include "loss/noise_draw.h"

namespace onelogit::cuda {

// What a draw adds to the value and to its entry of the gradient.
struct DrawTerms {
  NoiseTables noise;
  float weight;  // t/S
  bool remove_accidental_hits;
  float scale;  // of the gradient: 1/m, or 1 for a sum
};

// Draws 0 … count − 1 of the step.
void draw_classes(cudaStream_t stream, const NoiseTables& noise, const StepValues* step, std::int64_t count,
                  std::int32_t* classes);

// to (n×d) = the rows of the class matrix that `classes` names, as float32.
void gather_rows(cudaStream_t stream, const LinearLossArguments& arguments, const std::int32_t* classes, std::int64_t n,
                 float* to);

// n draws that all examples share: their logits (m×n, without bias) become their gradients; row_value (m) grows.
void shared_draws(cudaStream_t stream, const LinearLossArguments& arguments, const DrawTerms& terms,
                  const std::int32_t* classes, std::int64_t n, float* logits, double* row_value);

// Dot products: `draws` of each example (their classes m×draws), then the labels. coefficient: m×draws, then m; the
// gradients at these logits. row_value (m) grows.
void single_logits(cudaStream_t stream, const LinearLossArguments& arguments, const DrawTerms& terms,
                   const std::int32_t* classes, std::int64_t draws, float* coefficient, double* row_value);

}  // namespace onelogit::cuda
