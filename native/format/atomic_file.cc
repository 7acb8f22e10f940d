#include "format/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string_view>
#include <system_error>

#include "error.h"

namespace onelogit {
namespace {

constexpr std::size_t buffer_bytes = 1 << 20;
// Bytes that the system is told to put on the disk at once. Without that it would keep gigabytes, and `sync` would take
// all the time that writing seemed not to.
constexpr std::uint64_t window_bytes = 1 << 25;

[[noreturn]] void fail_at(const std::string& path, const std::string& received) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_FILE",
              "Expected a writable file for " + path + " but received " + received);
}
std::string reason(int error) { return std::generic_category().message(error); }

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// The file that `path` names after its last component's links, which need not exist.
std::string follow_links(const std::string& path) {
  std::string target = path;
  for (int links = 0; links < 40; ++links) {
    char text[PATH_MAX];
    const ssize_t length = ::readlink(target.c_str(), text, sizeof(text));
    if (length < 0) return target;  // not a link, or not there: opening will tell
    const std::string next(text, static_cast<std::size_t>(length));
    if (next.starts_with('/'))
      target = next;
    else
      target = directory_of(target).append("/").append(next);
  }
  fail_at(path, reason(ELOOP));
}

// Names of temporary files of a target: its own name between these, and numbers that no other process or call uses.
struct TemporaryName {
  std::string directory, prefix;
  static constexpr std::string_view suffix = ".tmp";
};
TemporaryName temporary_name(const std::string& target) {
  const std::size_t slash = target.rfind('/');
  std::string base = target.substr(slash == std::string::npos ? 0 : slash + 1);
  if (base.size() > 150) base.resize(150);  // a name has at most 255 bytes
  return {directory_of(target), "." + base + "."};
}

// Whether a name continues `prefix` with three numbers: only files that we made.
bool is_temporary(std::string_view name, const TemporaryName& temporary) {
  if (!name.starts_with(temporary.prefix) || !name.ends_with(TemporaryName::suffix)) return false;
  name.remove_prefix(temporary.prefix.size());
  if (name.size() <= TemporaryName::suffix.size()) return false;
  name.remove_suffix(TemporaryName::suffix.size());
  return std::count(name.begin(), name.end(), '.') == 2 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

// A writer holds a lock on its temporary file, which ends with its process however that ends. So a file that can be
// locked is one that nobody writes any more. Where locks or the directory cannot be had, files stay.
void remove_abandoned(const TemporaryName& temporary) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(temporary.directory.c_str()), ::closedir);
  if (!directory) return;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (!is_temporary(entry->d_name, temporary)) continue;
    const int at = ::dirfd(directory.get());
    const int descriptor = ::openat(at, entry->d_name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0) continue;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) ::unlinkat(at, entry->d_name, 0);
    ::close(descriptor);
  }
}

}  // namespace

// What is being written, by any thread, under the names that were given.
struct WritesUnderWay {
  std::mutex mutex;
  std::multimap<std::string, std::shared_ptr<AtomicFile::Counted>> files;

  static WritesUnderWay& all() {
    static auto* writes = new WritesUnderWay;  // for threads that still write when the process ends
    return *writes;
  }
  void add(const std::string& path, const std::shared_ptr<AtomicFile::Counted>& counted) {
    const std::lock_guard lock(mutex);
    files.emplace(path, counted);
  }
  void remove(const std::string& path, const std::shared_ptr<AtomicFile::Counted>& counted) {
    const std::lock_guard lock(mutex);
    const auto [begin, end] = files.equal_range(path);
    const auto found = std::find_if(begin, end, [&](const auto& entry) { return entry.second == counted; });
    if (found != end) files.erase(found);
  }
};

std::optional<WriteProgress> write_progress(const std::string& path) {
  WritesUnderWay& writes = WritesUnderWay::all();
  const std::lock_guard lock(writes.mutex);
  const auto [begin, end] = writes.files.equal_range(path);
  if (begin == end) return std::nullopt;
  const AtomicFile::Counted& latest = *std::prev(end)->second;
  return WriteProgress{latest.done.load(), latest.total.load()};
}

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  if (path.empty() || path.find('\0') != std::string::npos)
    fail_at("a path", path.empty() ? "an empty one" : "a NUL character in it");
  target_ = follow_links(path);
  struct stat status;
  const bool replaces = ::stat(target_.c_str(), &status) == 0;
  if (replaces && !S_ISREG(status.st_mode))
    fail_at(path, S_ISDIR(status.st_mode) ? "a directory" : "something that is not a regular file");
  buffer_.reserve(buffer_bytes);
  remove_abandoned(temporary_name(target_));
  // A replaced file may be private: its successor is not readable by others for a moment.
  open_temporary(replaces ? 0600 : 0666);
  if (replaces) {
    struct stat own;
    // Only the superuser may give a file away; for others the writer owns it, as with any rename.
    if (::fstat(descriptor_, &own) == 0 && (own.st_uid != status.st_uid || own.st_gid != status.st_gid) &&
        ::fchown(descriptor_, status.st_uid, status.st_gid) != 0)
      errno = 0;
    if (::fchmod(descriptor_, status.st_mode & 0777) != 0) {
      const int error = errno;
      ::close(descriptor_);
      ::unlink(temporary_.c_str());
      fail(error);
    }
  }
  counted_ = std::make_shared<Counted>();
  WritesUnderWay::all().add(path_, counted_);
}

void AtomicFile::open_temporary(unsigned mode) {
  static std::atomic<std::uint64_t> calls{0};
  static const std::uint64_t process = std::random_device{}() + (std::uint64_t{std::random_device{}()} << 32);
  const TemporaryName name = temporary_name(target_);
  for (;;) {
    temporary_ = name.directory + "/" + name.prefix + std::to_string(::getpid()) + "." + std::to_string(process) + "." +
                 std::to_string(calls.fetch_add(1)) + std::string(TemporaryName::suffix);
    do {
      descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    } while (descriptor_ < 0 && errno == EINTR);
    if (descriptor_ < 0) fail(errno);
    // Another writer may have taken it for abandoned between the two calls: then it has no name any more.
    struct stat status;
    if (::flock(descriptor_, LOCK_EX) != 0 || ::fstat(descriptor_, &status) != 0 || status.st_nlink > 0) return;
    ::close(descriptor_);
  }
}

AtomicFile::~AtomicFile() {
  if (counted_) WritesUnderWay::all().remove(path_, counted_);
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(int error) const { fail_at(path_, reason(error)); }

void AtomicFile::expect(std::uint64_t bytes) { counted_->total.store(bytes); }

void AtomicFile::write(const void* data, std::size_t bytes) {
  const auto* from = static_cast<const std::uint8_t*>(data);
  if (bytes > buffer_bytes - buffer_.size()) flush();
  if (bytes >= buffer_bytes)
    write_through(from, bytes);
  else
    buffer_.insert(buffer_.end(), from, from + bytes);
}

void AtomicFile::flush() {
  write_through(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void AtomicFile::write_through(const std::uint8_t* data, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, data, std::min<std::size_t>(bytes, window_bytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(errno);
    data += written;
    bytes -= static_cast<std::size_t>(written);
    written_ += static_cast<std::uint64_t>(written);
    if (written_ - sent_ >= window_bytes) send_to_disk(written_ - sent_);
    counted_->done.store(written_);
  }
}

// Begins to put the next `window` bytes on the disk and waits for those before: one window is under way while the next
// is made. An error of the disk is told once to whoever has the file open: `sync` would not hear of it again.
void AtomicFile::send_to_disk(std::uint64_t window) {
#ifdef __linux__
  const auto send = [&](std::uint64_t first, std::uint64_t bytes, unsigned flags) {
    if (::sync_file_range(descriptor_, static_cast<off_t>(first), static_cast<off_t>(bytes), flags) == 0) return;
    // A system or a sandbox without this call leaves it all to `sync`.
    const bool without = errno == ENOSYS || errno == EPERM || errno == EINVAL || errno == ESPIPE || errno == EOPNOTSUPP;
    if (!without) fail(errno);
  };
  send(sent_, window, SYNC_FILE_RANGE_WRITE);
  const std::uint64_t before = std::min(sent_, 2 * window_bytes);
  if (before > 0)
    send(sent_ - before, before, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
#endif
  sent_ += window;
}

void AtomicFile::sync() {
  flush();
#ifdef __APPLE__
  // fsync leaves the data in the drive's cache there. Not every file system has F_FULLFSYNC.
  if (::fcntl(descriptor_, F_FULLFSYNC) != 0 && ::fsync(descriptor_) != 0) fail(errno);
#else
  if (::fsync(descriptor_) != 0) fail(errno);
#endif
}

void AtomicFile::commit() {
  sync();
  // Before closing, which gives up the lock: until it has its name, nobody may take it for abandoned.
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(errno);
  temporary_.clear();
  const int descriptor = descriptor_;
  descriptor_ = -1;
  if (::close(descriptor) != 0 && errno != EINTR) fail(errno);
  // The rename itself must survive a power cut. Some file systems cannot sync a directory (EINVAL): they order by
  // themselves.
  const int directory = ::open(directory_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;  // a directory that may be written but not read: the rename is done
  const int error = ::fsync(directory) != 0 ? errno : 0;
  ::close(directory);
  if (error != 0 && error != EINVAL) fail(error);
}

}  // namespace onelogit
