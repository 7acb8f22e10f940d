// Tensors of a model in a safetensors file, under their own names ("0.weight").
#pragma once

#include <vector>

#include "format/safetensors.h"
#include "model/model.h"

namespace onelogit {

// What write_safetensors needs to write `tensors` out of memory of `backend`, in pieces: a large class matrix is never
// copied as a whole. `tensors` and `backend` must outlive the result.
std::vector<TensorToWrite> tensors_to_write(const std::vector<NamedTensor>& tensors, Backend& backend);

// Throws ERR_ONELOGIT_FORMAT, naming the file, the tensor, what was expected and what is there, unless `file` has a
// floating-point tensor (F32, F16, BF16, F64) of the name and shape of each of `tensors`, whose memory is not touched.
void check_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& tensors);

// Fills `tensors` from those of the same names in `file`, after check_tensors.
void read_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& tensors, Backend& backend);

// Reads them all and forgets what they hold, after check_tensors: before tensors are replaced whose values somebody may
// want to keep. What can still fail then (the disk at the second time, a device) leaves a mixture.
void check_readable(const SafetensorsFile& file, const std::vector<NamedTensor>& tensors);

// The tensors that a model of these layers has, without memory for them (`data` is null): what a file is checked
// against before anything is allocated for it.
std::vector<NamedTensor> planned_tensors(const ModelSpec& spec);

// Throws ERR_ONELOGIT_FORMAT for a tensor of `file` that is none of `tensors` and does not belong to a classifier
// (thresholds, class_names.…) or a checkpoint (optimizer.…, training.…) of such a model.
void check_no_other_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& tensors);

}  // namespace onelogit
