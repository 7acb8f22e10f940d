// What a fit must be given, checked before any work.
#pragma once

#include <cstdint>
#include <vector>

#include "train/trainer.h"

namespace onelogit {

// How many examples of `source` are used: all, or those of `indices` when there are any.
std::int64_t used_length(const ExampleSource& source, const std::vector<std::int64_t>& indices);

// Throws ERR_ONELOGIT_RANGE, _SHAPE, _CLASSES, _LENGTH or _LABEL_RANGE for options that do not fit each other or the
// model.
void check_options(const Model& model, const TrainOptions& options);

}  // namespace onelogit
