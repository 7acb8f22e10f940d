// Reading and writing of the safetensors format (https://github.com/huggingface/safetensors): 8 bytes little-endian
// header length N, N bytes of JSON, then the tensors' bytes. Everything read is bounds-checked before use: a file is
// hostile until shown otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace onelogit {

struct TensorEntry {
  std::string name;
  std::string dtype;  // "F32", "F16", "BF16", "I8", "U8", "I32", "I64", "F64", …
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes, relative to the start of the data
  std::int64_t elements() const;
};

// A file opened read-only. Moves and closes by itself.
class SafetensorsFile {
 public:
  // Throws ERR_ONELOGIT_FILE (cannot be opened or read) or ERR_ONELOGIT_FORMAT (what was expected, what came): header
  // larger than 100 MB or than the file, not the JSON of the format, duplicate names, unknown dtype, shape × dtype size
  // ≠ end − begin (overflow included), ranges that overlap, leave holes, or pass the end of the file.
  static SafetensorsFile open(const std::string& path);
  // The same checks on bytes in memory (fuzzing, tests); `size` bytes must outlive the object.
  static SafetensorsFile parse(std::span<const std::uint8_t> bytes, const std::string& name);

  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();

  const std::string& path() const;
  // Device, inode, size and time of the last change when it was opened: equal for the same file under any name, another
  // for what replaces it. Empty for bytes in memory.
  const std::string& identity() const;
  const std::map<std::string, std::string>& metadata() const;
  const std::vector<TensorEntry>& tensors() const;  // in order of `begin`
  const TensorEntry* find(const std::string& name) const;
  // Reads a tensor's bytes (pread: truncation after opening is an error, not a signal).
  void read(const TensorEntry& tensor, void* destination, std::uint64_t offset, std::uint64_t bytes) const;
  // The same as float32; F32, F16, BF16, F64 are converted. Throws ERR_ONELOGIT_FORMAT for other types.
  void read_float32(const TensorEntry& tensor, float* destination) const;
  // `count` elements from element `first`.
  void read_float32(const TensorEntry& tensor, float* destination, std::int64_t first, std::int64_t count) const;

  // Reads tensors and forgets what they hold, so that a disk that fails is found before anything is replaced by what is
  // read. Reading them again comes from memory, as far as the system has any. Throws ERR_ONELOGIT_FILE.
  void check_readable(std::span<const TensorEntry* const> tensors) const;

  // Throws ERR_ONELOGIT_FILE if the file was written to since it was opened: what was read before and what is read now
  // need not belong together.
  void check_unchanged() const;

  // The file's pages in memory, read when they are touched and shared with everybody who maps the file. What is here
  // when the file is truncated in place later on raises SIGBUS when it is touched; replacing a file by rename is safe.
  // `whole`: read it all now. Throws ERR_ONELOGIT_FILE.
  class Mapping {
   public:
    ~Mapping();
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    const void* data(const TensorEntry& tensor) const;

   private:
    friend class SafetensorsFile;
    Mapping(void* address, std::size_t bytes, std::uint64_t data_start)
        : address_(address), bytes_(bytes), data_start_(data_start) {}
    void* address_;
    std::size_t bytes_;
    std::uint64_t data_start_;
  };
  std::shared_ptr<const Mapping> map(bool whole) const;

 private:
  struct Implementation;
  explicit SafetensorsFile(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

struct TensorToWrite {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  // Writes the tensor's bytes in pieces: called with a sink until all have been passed; keeps peak memory small.
  std::function<void(const std::function<void(const void*, std::size_t)>& sink)> produce;
};

// A tensor of a file as it is to be written into another one: the same bytes, or ERR_ONELOGIT_FILE if the file was
// written to meanwhile. The file must outlive the result.
TensorToWrite copy_of_tensor(const SafetensorsFile& file, const TensorEntry& entry);

// Atomic: a temporary file beside `path` (its name unique to process and call), fsync, rename, fsync of the directory;
// the temporary file is removed on failure. Keeps the permissions of a file it replaces. Tensor data starts 64-byte
// aligned. Throws ERR_ONELOGIT_FILE with the system's reason.
void write_safetensors(const std::string& path, const std::map<std::string, std::string>& metadata,
                       const std::vector<TensorToWrite>& tensors);

}  // namespace onelogit
