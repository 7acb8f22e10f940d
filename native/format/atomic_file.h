// Replaces a file in one step: whoever opens the path, at any time, after any crash, finds the old file or the new one,
// whole.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace onelogit {

// How far the writing of a file is. `done` bytes are on the disk, or on their way to it.
struct WriteProgress {
  std::uint64_t done = 0, total = 0;
};

// Of what is being written to this path, named as it was to AtomicFile, by any thread; the latest if there are several.
// Nothing if none is.
std::optional<WriteProgress> write_progress(const std::string& path);

// Writes go to a temporary file in the same directory; `commit` makes it durable and renames it. Without `commit` the
// destructor removes it; what a killed process left is removed by the next one that writes the same file. If `path` is
// a symbolic link, the file that it names is replaced and the link stays. A file that is replaced hands on its
// permissions (and its owner, where the process may set it). All members throw ERR_ONELOGIT_FILE with the path and the
// system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  // So many bytes will be written in all: what `write_progress` tells as the total.
  void expect(std::uint64_t bytes);
  void write(const void* data, std::size_t bytes);
  // fsync: what was written so far is on the disk, under its temporary name. For who commits several files in a row.
  void sync();
  // sync, rename, fsync of the directory.
  void commit();

 private:
  void open_temporary(unsigned mode);
  void flush();
  void write_through(const std::uint8_t* data, std::size_t bytes);
  [[noreturn]] void fail(int error) const;

  std::string path_;       // as given, for messages
  std::string target_;     // links followed
  std::string temporary_;  // empty: nothing to remove
  int descriptor_ = -1;
  std::uint64_t written_ = 0, sent_ = 0;  // to the system; of those, the ones it was told to put on the disk
  struct Counted {
    std::atomic<std::uint64_t> done{0}, total{0};
  };
  std::shared_ptr<Counted> counted_;
  void send_to_disk(std::uint64_t window);
  friend std::optional<WriteProgress> write_progress(const std::string& path);
  friend struct WritesUnderWay;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace onelogit
