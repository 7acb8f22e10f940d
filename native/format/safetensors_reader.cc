#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <system_error>

#include "error.h"
#include "format/dtype.h"
#include "format/safetensors_header.h"
#include "format/to_float32.h"
#include "format/utf8.h"

namespace onelogit {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian and read as they are");

[[noreturn]] void fail_file(const std::string& expected, const std::string& received) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_FILE", "Expected " + expected + " but received " + received);
}
[[noreturn]] void fail_format(const std::string& expected, const std::string& received) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT", "Expected " + expected + " but received " + received);
}

std::string reason(int error) { return std::generic_category().message(error); }

std::string identity_of(const struct stat& status) {
#ifdef __APPLE__
  const struct timespec& changed = status.st_mtimespec;
#else
  const struct timespec& changed = status.st_mtim;
#endif
  return std::to_string(status.st_dev) + ':' + std::to_string(status.st_ino) + ':' + std::to_string(status.st_size) +
         ':' + std::to_string(changed.tv_sec) + '.' + std::to_string(changed.tv_nsec);
}

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }

 private:
  int value_ = -1;
};

}  // namespace

struct SafetensorsFile::Implementation {
  Implementation(std::string path_, int descriptor_) : path(std::move(path_)), descriptor(descriptor_) {}

  std::string path, identity;
  Descriptor descriptor;                  // of an opened file; or
  std::span<const std::uint8_t> bytes{};  // the whole file in memory
  std::uint64_t data_start = 0, data_bytes = 0;
  SafetensorsHeader header;
  std::vector<std::uint32_t> by_name;  // indices of header.tensors

  // `offset` is from the start of the file. What was there at opening but is not now is an error.
  void read_at(std::uint64_t offset, void* destination, std::uint64_t count) const {
    auto* out = static_cast<std::uint8_t*>(destination);
    if (descriptor.get() < 0) {
      if (offset > bytes.size() || count > bytes.size() - offset)
        fail_format("a complete file for " + path, std::to_string(bytes.size()) + " bytes");
      if (count != 0) std::memcpy(out, bytes.data() + offset, count);
      return;
    }
    while (count > 0) {
      const std::size_t piece = static_cast<std::size_t>(std::min<std::uint64_t>(count, 1u << 30));
      const ssize_t got = ::pread(descriptor.get(), out, piece, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail_file("a readable file for " + path, reason(errno));
      if (got == 0)
        fail_file("the file " + path + " to keep its size while it is open",
                  "its end at byte " + std::to_string(offset));
      out += got;
      offset += static_cast<std::uint64_t>(got);
      count -= static_cast<std::uint64_t>(got);
    }
  }

  void parse(std::uint64_t size) {
    if (size < 8) fail_format("a safetensors file of at least 8 bytes for " + path, std::to_string(size) + " bytes");
    std::uint64_t header_bytes = 0;
    read_at(0, &header_bytes, sizeof(header_bytes));
    if (header_bytes > largest_safetensors_header)
      fail_format("a safetensors header of at most " + std::to_string(largest_safetensors_header) + " bytes in " + path,
                  "a header length of " + std::to_string(header_bytes));
    if (header_bytes > size - 8)
      fail_format("a safetensors header within the " + std::to_string(size) + " bytes of " + path,
                  "a header length of " + std::to_string(header_bytes));
    std::string json(static_cast<std::size_t>(header_bytes), '\0');
    read_at(8, json.data(), header_bytes);
    data_start = 8 + header_bytes;
    data_bytes = size - data_start;
    header = parse_safetensors_header(json, path);
    check_safetensors_tensors(header.tensors, data_bytes, path);
    by_name.resize(header.tensors.size());
    std::iota(by_name.begin(), by_name.end(), 0u);
    std::sort(by_name.begin(), by_name.end(),
              [&](std::uint32_t a, std::uint32_t b) { return header.tensors[a].name < header.tensors[b].name; });
  }
};

std::int64_t TensorEntry::elements() const {
  std::uint64_t bytes = 0;
  if (!tensor_bytes(shape, 8, bytes))
    fail_format("a shape with fewer than 2^60 elements for tensor " + quoted(name), "a larger one");
  return static_cast<std::int64_t>(bytes);
}

SafetensorsFile::SafetensorsFile(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  if (path.find('\0') != std::string::npos) fail_file("a path without NUL characters", quoted(path));
  // O_NONBLOCK: a FIFO without a writer opens at once and is refused below, instead of waiting for ever.
  int descriptor;
  do {
    descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) fail_file("a readable file for " + path, reason(errno));
  auto implementation = std::make_unique<Implementation>(path, descriptor);
  struct stat status;
  if (::fstat(descriptor, &status) != 0) fail_file("a readable file for " + path, reason(errno));
  if (!S_ISREG(status.st_mode))
    fail_file("a regular file for " + path, S_ISDIR(status.st_mode)    ? "a directory"
                                            : S_ISFIFO(status.st_mode) ? "a FIFO"
                                                                       : "a device or socket");
  implementation->identity = identity_of(status);
  implementation->parse(static_cast<std::uint64_t>(status.st_size));
  return SafetensorsFile(std::move(implementation));
}

SafetensorsFile SafetensorsFile::parse(std::span<const std::uint8_t> bytes, const std::string& name) {
  auto implementation = std::make_unique<Implementation>(name, -1);
  implementation->bytes = bytes;
  implementation->parse(bytes.size());
  return SafetensorsFile(std::move(implementation));
}

const std::string& SafetensorsFile::path() const { return implementation_->path; }
const std::string& SafetensorsFile::identity() const { return implementation_->identity; }
const std::map<std::string, std::string>& SafetensorsFile::metadata() const { return implementation_->header.metadata; }
const std::vector<TensorEntry>& SafetensorsFile::tensors() const { return implementation_->header.tensors; }

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto& tensors = implementation_->header.tensors;
  const auto& order = implementation_->by_name;
  const auto place =
      std::lower_bound(order.begin(), order.end(), name,
                       [&](std::uint32_t index, const std::string& wanted) { return tensors[index].name < wanted; });
  return place != order.end() && tensors[*place].name == name ? &tensors[*place] : nullptr;
}

void SafetensorsFile::read(const TensorEntry& tensor, void* destination, std::uint64_t offset,
                           std::uint64_t bytes) const {
  const std::uint64_t size = tensor.end - tensor.begin;
  if (tensor.begin > tensor.end || tensor.end > implementation_->data_bytes || offset > size || bytes > size - offset)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
                "Expected bytes within the " + std::to_string(size) + " of tensor " + quoted(tensor.name) +
                    " but received " + std::to_string(bytes) + " from byte " + std::to_string(offset));
  implementation_->read_at(implementation_->data_start + tensor.begin + offset, destination, bytes);
}

void SafetensorsFile::check_readable(std::span<const TensorEntry* const> tensors) const {
  constexpr std::uint64_t piece = std::uint64_t{4} << 20;
  std::vector<std::uint8_t> bytes;
  for (const TensorEntry* tensor : tensors) {
    const std::uint64_t size = tensor->end - tensor->begin;
    bytes.resize(static_cast<std::size_t>(std::max<std::uint64_t>(bytes.size(), std::min(size, piece))));
    for (std::uint64_t begin = 0; begin < size; begin += piece)
      read(*tensor, bytes.data(), begin, std::min(piece, size - begin));
  }
}

void SafetensorsFile::check_unchanged() const {
  const int descriptor = implementation_->descriptor.get();
  struct stat status;
  if (descriptor >= 0 && (::fstat(descriptor, &status) != 0 || identity_of(status) != identity()))
    fail_file("the file " + path() + " to stay as it was when it was opened",
              "one that was written to since: replace files by rename, and open the new one");
}

std::shared_ptr<const SafetensorsFile::Mapping> SafetensorsFile::map(bool whole) const {
  const auto bytes = static_cast<std::size_t>(implementation_->data_start + implementation_->data_bytes);
  struct stat status;
  if (::fstat(implementation_->descriptor.get(), &status) != 0 || status.st_size < static_cast<off_t>(bytes))
    fail_file("the file " + path() + " to keep its size while it is open", "another size");
  void* const address = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, implementation_->descriptor.get(), 0);
  if (address == MAP_FAILED) fail_file("a file that can be mapped for " + path(), reason(errno));
  std::shared_ptr<const Mapping> mapping(new Mapping(address, bytes, implementation_->data_start));
  // Rows are asked for in any order: reading ahead would only bring in what nobody wants.
  ::madvise(address, bytes, whole ? MADV_WILLNEED : MADV_RANDOM);
  if (whole) {
    // One byte of each page: when this returns they are there.
    const auto* const pages = static_cast<const volatile std::uint8_t*>(address);
    for (std::size_t byte = 0; byte < bytes; byte += 4096) static_cast<void>(pages[byte]);
  }
  return mapping;
}

SafetensorsFile::Mapping::~Mapping() { ::munmap(address_, bytes_); }

const void* SafetensorsFile::Mapping::data(const TensorEntry& tensor) const {
  return static_cast<const std::byte*>(address_) + data_start_ + tensor.begin;
}

void SafetensorsFile::read_float32(const TensorEntry& tensor, float* destination) const {
  read_float32(tensor, destination, 0, tensor.elements());
}

void SafetensorsFile::read_float32(const TensorEntry& tensor, float* destination, std::int64_t first,
                                   std::int64_t count) const {
  const std::int64_t elements = tensor.elements();
  if (first < 0 || count < 0 || first > elements || count > elements - first)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
                "Expected elements within the " + std::to_string(elements) + " of tensor " + quoted(tensor.name) +
                    " but received " + std::to_string(count) + " from element " + std::to_string(first));
  const auto begin = static_cast<std::uint64_t>(first), total = static_cast<std::uint64_t>(count);
  if (tensor.dtype == "F32") {
    read(tensor, destination, begin * 4, total * 4);
    return;
  }
  if (!is_float_dtype(tensor.dtype))
    fail_format("F32, F16, BF16 or F64 for tensor " + quoted(tensor.name) + " of " + path(), tensor.dtype);
  const auto width = static_cast<std::uint64_t>(dtype_bits(tensor.dtype) / 8);
  constexpr std::uint64_t piece = 1 << 15;
  std::vector<std::uint8_t> buffer(static_cast<std::size_t>(std::min(piece, total) * width));
  for (std::uint64_t done = 0; done < total; done += piece) {
    const std::uint64_t now = std::min(piece, total - done);
    read(tensor, buffer.data(), (begin + done) * width, now * width);
    to_float32(tensor.dtype, buffer.data(), static_cast<std::int64_t>(now), destination + done);
  }
}

}  // namespace onelogit
