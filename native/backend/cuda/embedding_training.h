// layer/embedding_training.h on CUDA.
#pragma once

#include <memory>

#include "backend/cuda/queue.h"
#include "layer/embedding_training.h"
#include "optimizer/optimizer.h"
#include "optimizer/parameter_rows.h"

namespace onelogit::cuda {

std::unique_ptr<EmbeddingTraining> make_embedding_training(Queue& queue, const ParameterRows& table,
                                                           const OptimizerSpec& optimizer);

}  // namespace onelogit::cuda
