#include "model/state_dict.h"

#include <algorithm>

#include "error.h"
#include "format/utf8.h"

namespace onelogit {
namespace {

constexpr std::int64_t piece = 1 << 20;  // elements; a larger row is read as a whole

struct Transfer {
  const SafetensorsFile* file;
  const TensorEntry* entry;
  const NamedTensor* tensor;
  std::int64_t channels, pixels;
};

[[noreturn]] void reject(const std::string& expected, const std::string& where, const std::string& received) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
              "Expected " + expected + " in " + where + " but received " + received);
}

Transfer transfer_of(const Model& model, std::span<const SafetensorsFile> files, const StateDictTensor& wanted) {
  const auto& tensors = model.tensors();
  const auto tensor = std::find_if(tensors.begin(), tensors.end(),
                                   [&](const NamedTensor& candidate) { return candidate.name == wanted.name; });
  if (tensor == tensors.end() || wanted.file >= files.size())
    throw Error(ErrorKind::range, "ERR_ONELOGIT_TENSOR",
                "Expected the name of a tensor of this model and of a file but received " + quoted(wanted.name));
  const std::int64_t size = shape_size(tensor->shape);
  if (wanted.channels < 1 || wanted.pixels < 1 || wanted.channels > size / wanted.pixels ||
      size % (wanted.channels * wanted.pixels) != 0)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_TENSOR",
                "Expected divisors of the " + std::to_string(size) + " numbers of " + quoted(wanted.name) +
                    " but received " + std::to_string(wanted.channels) + " channels of " +
                    std::to_string(wanted.pixels) + " pixels");
  const SafetensorsFile& file = files[wanted.file];
  const TensorEntry* const entry = file.find(wanted.name);
  if (entry == nullptr) reject("a tensor " + quoted(wanted.name), file.path(), "a file without it");
  if (entry->elements() != size)
    reject(std::to_string(size) + " numbers of " + quoted(wanted.name), file.path(), describe_shape(entry->shape));
  if (entry->dtype != "F32" && entry->dtype != "F16" && entry->dtype != "BF16" && entry->dtype != "F64")
    reject("F32, F16, BF16 or F64 for " + quoted(wanted.name), file.path(), entry->dtype);
  return {&file, entry, &*tensor, wanted.channels, wanted.pixels};
}

void run(const Transfer& transfer, Backend& backend, std::vector<float>& values, std::vector<float>& turned) {
  const std::int64_t size = shape_size(transfer.tensor->shape), row = transfer.channels * transfer.pixels;
  const std::int64_t at_once = std::min(size, std::max(piece / row, std::int64_t{1}) * row);
  const bool turns = transfer.channels > 1 && transfer.pixels > 1;
  values.resize(static_cast<std::size_t>(at_once));
  if (turns) turned.resize(static_cast<std::size_t>(at_once));
  for (std::int64_t begin = 0; begin < size; begin += at_once) {
    const std::int64_t count = std::min(at_once, size - begin);
    transfer.file->read_float32(*transfer.entry, values.data(), begin, count);
    for (std::int64_t first = 0; turns && first < count; first += row)
      for (std::int64_t pixel = 0; pixel < transfer.pixels; ++pixel)
        for (std::int64_t channel = 0; channel < transfer.channels; ++channel)
          turned[static_cast<std::size_t>(first + pixel * transfer.channels + channel)] =
              values[static_cast<std::size_t>(first + channel * transfer.pixels + pixel)];
    upload_float32(backend, *transfer.tensor, begin, count, turns ? turned.data() : values.data());
  }
}

}  // namespace

void load_state_dict(Model& model, std::span<const SafetensorsFile> files, std::span<const StateDictTensor> tensors) {
  std::vector<Transfer> transfers;
  transfers.reserve(tensors.size());
  for (const StateDictTensor& wanted : tensors) transfers.push_back(transfer_of(model, files, wanted));
  for (const Transfer& transfer : transfers) {
    const TensorEntry* const entries[] = {transfer.entry};
    transfer.file->check_readable(entries);
  }
  std::vector<float> values, turned;
  model.mixed = true;
  // Before the first of them: what is arranged for them is of no use from then on.
  model.tensors_changed();
  for (const Transfer& transfer : transfers) run(transfer, model.backend(), values, turned);
  for (const SafetensorsFile& file : files) file.check_unchanged();
  model.mixed = false;
}

}  // namespace onelogit
