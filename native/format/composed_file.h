// Files of other formats that hold tensors of a model: bytes that the caller has made, and tensors between them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/safetensors.h"

namespace onelogit {

struct Segment {
  std::vector<std::uint8_t> bytes;  // these, unless a tensor is named
  std::string tensor;
  // Of the tensor: what it is written as, which is what it is stored as, or F32.
  std::string dtype;
  std::uint64_t byte_length = 0;
  // Its rows of pixels × channels are written as channels × pixels; of F32 only. 1 and 1: as they are.
  std::int64_t channels = 1, pixels = 1;
};

struct ComposedFile {
  std::string path;
  std::vector<Segment> segments;
};

// Writes files with tensors of a model, given as write_safetensors takes them; a large one is never in memory as a
// whole. All files are written and synced before the first takes its place, and they do so in their order: a file that
// refers to others comes last. Throws ERR_ONELOGIT_FORMAT, before anything is written, for a tensor that is not there
// or of other bytes than the segment has; ERR_ONELOGIT_FILE with the system's reason.
void write_composed_files(const std::vector<ComposedFile>& files, const std::vector<TensorToWrite>& tensors);

}  // namespace onelogit
