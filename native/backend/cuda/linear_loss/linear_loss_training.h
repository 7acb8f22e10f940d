// The fused last layer with its optimizer on CUDA. Whatever a step decides, it decides on the device.
#pragma once

#include <memory>

#include "backend/cuda/queue.h"
#include "head/linear_loss.h"

namespace onelogit::cuda {

std::unique_ptr<LinearLossTraining> make_cuda_linear_loss_training(Queue& queue, const LinearLossTrainingPlan& plan);

}  // namespace onelogit::cuda
