#include "format/composed_file.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>

#include "error.h"
#include "format/atomic_file.h"
#include "format/dtype.h"
#include "format/safetensors_header.h"
#include "format/to_float32.h"
#include "format/utf8.h"

namespace onelogit {
namespace {

constexpr std::int64_t piece = 1 << 18;  // elements; a larger row is turned as a whole

[[noreturn]] void reject(const std::string& expected, const std::string& received) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT", "Expected " + expected + " but received " + received);
}

const TensorToWrite& find(const std::vector<TensorToWrite>& tensors, const std::string& name) {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const TensorToWrite& tensor) { return tensor.name == name; });
  if (found == tensors.end()) reject("a tensor " + quoted(name) + " of the model", "a model without it");
  return *found;
}

bool turns(const Segment& segment) { return segment.channels > 1 && segment.pixels > 1; }

// As many bytes as the segment says, of a type that it can be written as.
void check_tensor(const Segment& segment, const std::vector<TensorToWrite>& tensors) {
  const TensorToWrite& tensor = find(tensors, segment.tensor);
  const bool same = segment.dtype == tensor.dtype;
  if (!same && (segment.dtype != "F32" || !is_float_dtype(tensor.dtype)))
    reject(segment.dtype + " for tensor " + quoted(tensor.name), tensor.dtype);
  std::uint64_t bytes = 0;
  const bool counted = tensor_bytes(tensor.shape, dtype_bits(segment.dtype), bytes);
  if (!counted || bytes != segment.byte_length)
    reject(std::to_string(segment.byte_length) + " bytes for tensor " + quoted(tensor.name), std::to_string(bytes));
  if (segment.channels < 1 || segment.pixels < 1 || segment.channels > piece * piece / segment.pixels)
    reject("channels and pixels of at least 1 for tensor " + quoted(tensor.name), "others");
  const std::uint64_t row = static_cast<std::uint64_t>(segment.channels * segment.pixels) * sizeof(float);
  if (turns(segment) && (segment.dtype != "F32" || bytes % row != 0))
    reject("rows of " + std::to_string(segment.channels) + " channels and " + std::to_string(segment.pixels) +
               " pixels for tensor " + quoted(tensor.name),
           std::to_string(bytes) + " bytes of " + segment.dtype);
}

// Takes a tensor's bytes as they come, and writes them as float32, rows turned.
class Converter {
 public:
  Converter(const Segment& segment, const TensorToWrite& tensor, AtomicFile& file)
      : segment_(segment), dtype_(tensor.dtype), file_(file), width_(dtype_bits(tensor.dtype) / 8) {
    const std::int64_t row = turns(segment) ? segment.channels * segment.pixels : 1;
    const std::int64_t elements = static_cast<std::int64_t>(segment.byte_length / sizeof(float));
    const std::int64_t at_once = std::min(elements, std::max<std::int64_t>(piece / row, 1) * row);
    pending_.resize(static_cast<std::size_t>(at_once) * width_);
    values_.resize(static_cast<std::size_t>(at_once));
    if (turns(segment)) turned_.resize(values_.size());
  }

  void take(const void* data, std::size_t bytes) {
    const auto* from = static_cast<const std::uint8_t*>(data);
    while (bytes > 0) {
      const std::size_t count = std::min(bytes, pending_.size() - used_);
      if (count == 0) return;  // of an empty tensor
      std::memcpy(pending_.data() + used_, from, count);
      used_ += count;
      from += count;
      bytes -= count;
      if (used_ == pending_.size()) flush();
    }
  }

  void flush() {
    const auto count = static_cast<std::int64_t>(used_ / width_);
    to_float32(dtype_, pending_.data(), count, values_.data());
    const float* written = values_.data();
    if (turns(segment_)) {
      turn(count);
      written = turned_.data();
    }
    file_.write(written, static_cast<std::size_t>(count) * sizeof(float));
    used_ = 0;
  }

 private:
  void turn(std::int64_t count) {
    const std::int64_t channels = segment_.channels, pixels = segment_.pixels;
    for (std::int64_t row = 0; row < count; row += channels * pixels)
      for (std::int64_t channel = 0; channel < channels; ++channel)
        for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
          turned_[static_cast<std::size_t>(row + channel * pixels + pixel)] =
              values_[static_cast<std::size_t>(row + pixel * channels + channel)];
  }

  const Segment& segment_;
  const std::string& dtype_;
  AtomicFile& file_;
  std::size_t width_, used_ = 0;
  std::vector<std::uint8_t> pending_;
  std::vector<float> values_, turned_;
};

void write_tensor(const Segment& segment, const TensorToWrite& tensor, AtomicFile& file) {
  std::uint64_t left = 0;
  tensor_bytes(tensor.shape, dtype_bits(tensor.dtype), left);
  std::optional<Converter> converter;
  if (segment.dtype != tensor.dtype || turns(segment)) converter.emplace(segment, tensor, file);
  tensor.produce([&](const void* data, std::size_t bytes) {
    if (bytes > left) reject("the bytes of its shape for tensor " + quoted(tensor.name), "more");
    left -= bytes;
    if (converter)
      converter->take(data, bytes);
    else
      file.write(data, bytes);
  });
  if (left != 0) reject("the bytes of its shape for tensor " + quoted(tensor.name), "fewer");
  if (converter) converter->flush();
}

}  // namespace

void write_composed_files(const std::vector<ComposedFile>& files, const std::vector<TensorToWrite>& tensors) {
  for (const ComposedFile& file : files)
    for (const Segment& segment : file.segments)
      if (!segment.tensor.empty()) check_tensor(segment, tensors);
  std::deque<AtomicFile> written;  // which cannot be moved
  for (const ComposedFile& composed : files) {
    AtomicFile& file = written.emplace_back(composed.path);
    std::uint64_t bytes = 0;
    for (const Segment& segment : composed.segments)
      bytes += segment.tensor.empty() ? segment.bytes.size() : segment.byte_length;
    file.expect(bytes);
    for (const Segment& segment : composed.segments) {
      if (segment.tensor.empty())
        file.write(segment.bytes.data(), segment.bytes.size());
      else
        write_tensor(segment, find(tensors, segment.tensor), file);
    }
  }
  for (AtomicFile& file : written) file.sync();
  for (AtomicFile& file : written) file.commit();
}

}  // namespace onelogit
