// Files of more than one window, which the disk is told of while they are written (sync_file_range, of Linux).

#ifdef __linux__

#include "format/atomic_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "error.h"
#include "scratch_directory.h"

namespace {

// What the next call with these flags fails with, once, as the system tells an error of the disk; 0: nothing.
thread_local int next_error = 0;
thread_local unsigned failing_flags = 0;
thread_local int calls = 0;

}  // namespace

// Takes the place of the C library's in this program.
extern "C" int sync_file_range(int descriptor, off_t first, off_t bytes, unsigned flags) {
  ++calls;
  if (next_error != 0 && (flags & failing_flags) != 0) {
    errno = next_error;
    next_error = 0;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_sync_file_range, descriptor, first, bytes, flags));
}

namespace onelogit {
namespace {

constexpr std::size_t piece = std::size_t{1} << 22;
constexpr int pieces = 20;  // 80 MiB: two windows and a half

// The message of the error, if there is one.
std::string write_file(const std::string& path, int error, unsigned flags) {
  next_error = error;
  failing_flags = flags;
  calls = 0;
  const std::vector<std::uint8_t> bytes(piece, 7);
  try {
    AtomicFile file(path);
    for (int i = 0; i < pieces; ++i) file.write(bytes.data(), bytes.size());
    file.commit();
  } catch (const Error& failure) {
    CHECK(failure.code() == "ERR_ONELOGIT_FILE");
    return failure.what();
  }
  return "";
}

TEST_CASE("a disk that fails while a large file is written: the file that was there stays") {
  const test::ScratchDirectory directory;
  const std::string path = directory / "large";
  std::ofstream(path) << "as it was";
  for (const unsigned flags : {SYNC_FILE_RANGE_WRITE, SYNC_FILE_RANGE_WAIT_AFTER})
    for (const int error : {EIO, ENOSPC, EDQUOT}) {
      CAPTURE(flags);
      CAPTURE(error);
      CHECK(write_file(path, error, flags).find("Expected a writable file for " + path) == 0);
      CHECK(next_error == 0);
      CHECK(std::filesystem::file_size(path) == 9);
      CHECK(directory.files() == 1);
    }
}

TEST_CASE("a system that knows no sync_file_range writes large files all the same") {
  const test::ScratchDirectory directory;
  const std::string path = directory / "large";
  for (const int error : {0, ENOSYS, EPERM}) {
    CAPTURE(error);
    CHECK(write_file(path, error, SYNC_FILE_RANGE_WRITE) == "");
    CHECK(calls == 3);  // each window is begun, and the second waits for the first
    CHECK(std::filesystem::file_size(path) == piece * pieces);
    std::ifstream file(path, std::ios::binary);
    file.seekg(-1, std::ios::end);
    CHECK(file.get() == 7);
  }
}

}  // namespace
}  // namespace onelogit

#endif
