#include <algorithm>
#include <set>

#include "error.h"
#include "format/atomic_file.h"
#include "format/dtype.h"
#include "format/safetensors_header.h"
#include "format/utf8.h"

namespace onelogit {
namespace {

constexpr std::uint64_t alignment = 64;                  // a cache line, and the widest vector
constexpr std::uint64_t piece = std::uint64_t{1} << 20;  // bytes copied at once

[[noreturn]] void fail(const std::string& path, const std::string& expected, const std::string& received) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
              "Expected " + expected + " to write " + path + " but received " + received);
}

std::uint64_t checked_bytes(const std::string& path, const TensorToWrite& tensor) {
  const int bits = dtype_bits(tensor.dtype);
  std::uint64_t bytes = 0;
  if (bits == 0)
    fail(path, "a dtype of the safetensors format for tensor " + quoted(tensor.name), quoted(tensor.dtype));
  if (!is_utf8(tensor.name) || tensor.name == "__metadata__")
    fail(path, "a name in UTF-8 for a tensor", quoted(tensor.name));
  if (!tensor_bytes(tensor.shape, bits, bytes))
    fail(path, "a shape of lengths of at least 0 and fewer than 2^60 bytes for tensor " + quoted(tensor.name),
         "another");
  return bytes;
}

}  // namespace

TensorToWrite copy_of_tensor(const SafetensorsFile& file, const TensorEntry& entry) {
  return {entry.name, entry.dtype, entry.shape, [&file, &entry](const auto& sink) {
            const std::uint64_t bytes = entry.end - entry.begin;
            std::vector<std::uint8_t> buffer(static_cast<std::size_t>(std::min(piece, bytes)));
            for (std::uint64_t done = 0; done < bytes; done += piece) {
              const std::uint64_t count = std::min(piece, bytes - done);
              file.read(entry, buffer.data(), done, count);
              sink(buffer.data(), static_cast<std::size_t>(count));
            }
            file.check_unchanged();
          }};
}

void write_safetensors(const std::string& path, const std::map<std::string, std::string>& metadata,
                       const std::vector<TensorToWrite>& tensors) {
  for (const auto& [name, value] : metadata)
    if (!is_utf8(name) || !is_utf8(value)) fail(path, "metadata in UTF-8", quoted(is_utf8(name) ? value : name));

  // Ranges have no gaps, so the order decides the alignment: first what keeps cache-line alignment for its successor
  // (the class matrix, if a row of it is a multiple of 64 bytes), then by element size, so that everything can be
  // mapped and used in place.
  struct Planned {
    const TensorToWrite* tensor;
    std::uint64_t bytes;
    int bits;
  };
  std::vector<Planned> plan;
  std::set<std::string> names;
  for (const TensorToWrite& tensor : tensors) {
    plan.push_back({&tensor, checked_bytes(path, tensor), dtype_bits(tensor.dtype)});
    if (!names.insert(tensor.name).second) fail(path, "different names of tensors", quoted(tensor.name) + " twice");
  }
  std::stable_sort(plan.begin(), plan.end(), [](const Planned& a, const Planned& b) {
    const bool a_aligned = a.bytes % alignment == 0, b_aligned = b.bytes % alignment == 0;
    if (a_aligned != b_aligned) return a_aligned;
    return !a_aligned && a.bits > b.bits;
  });

  std::vector<TensorEntry> entries;
  std::uint64_t next = 0;
  for (const Planned& planned : plan) {
    if (planned.bytes > (std::uint64_t{1} << 62) - next)
      fail(path, "tensors of fewer than 2^62 bytes together", "more");
    entries.push_back({planned.tensor->name, planned.tensor->dtype, planned.tensor->shape, next, next + planned.bytes});
    next += planned.bytes;
  }
  std::string header = safetensors_header_json(metadata, entries);
  header.append((alignment - (8 + header.size()) % alignment) % alignment, ' ');
  if (header.size() > largest_safetensors_header)
    fail(path, "a header of at most " + std::to_string(largest_safetensors_header) + " bytes",
         std::to_string(header.size()));

  AtomicFile file(path);
  const std::uint64_t length = header.size();
  file.expect(sizeof(length) + length + next);
  file.write(&length, sizeof(length));
  file.write(header.data(), header.size());
  for (const Planned& planned : plan) {
    std::uint64_t left = planned.bytes;
    const auto mismatch = [&] {
      fail(path, std::to_string(planned.bytes) + " bytes for tensor " + quoted(planned.tensor->name), "another number");
    };
    if (planned.tensor->produce) {
      planned.tensor->produce([&](const void* data, std::size_t bytes) {
        if (bytes > left) mismatch();
        file.write(data, bytes);
        left -= bytes;
      });
    }
    if (left != 0) mismatch();
  }
  file.commit();
}

}  // namespace onelogit
