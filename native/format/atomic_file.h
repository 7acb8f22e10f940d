// Replaces a file in one step: whoever opens the path, at any time, after any crash, finds the old file or the new one,
// whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace onelogit {

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
  std::vector<std::uint8_t> buffer_;
};

}  // namespace onelogit
