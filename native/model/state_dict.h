// Weights from elsewhere: tensors of files whose layouts put the channels of images before their pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/safetensors.h"
#include "model/model.h"

namespace onelogit {

struct StateDictTensor {
  std::string name;      // in the file, and of the model's tensor
  std::size_t file = 0;  // which of the files
  // The tensor is rows of channels × pixels in the file, and of pixels × channels in the model. 1 and 1: no difference.
  std::int64_t channels = 1, pixels = 1;
};

// Fills these tensors of a model, in pieces; the others stay as they are. Throws ERR_ONELOGIT_FORMAT before anything is
// changed unless each is there in its file, of a floating-point type (F32, F16, BF16, F64), with as many numbers.
// Reading may still fail halfway (ERR_ONELOGIT_FILE: a disk that breaks).
void load_state_dict(Model& model, std::span<const SafetensorsFile> files, std::span<const StateDictTensor> tensors);

}  // namespace onelogit
