// POSIX calls, each answer looked at.
#include "runtime/train/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string_view>

namespace gradus::runtime {

namespace {

constexpr int kMaxLinks = 40;
constexpr int kMaxTries = 100;

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// The file that a link points to, there or not; the path itself where it is none or leads in a
/// circle.
std::string resolved(const std::string& path) {
  std::filesystem::path at = path;
  for (int links = 0; links < kMaxLinks; ++links) {
    std::error_code error;
    std::filesystem::path target = std::filesystem::read_symlink(at, error);
    if (error) return at.string();
    at = at.parent_path() / target;
  }
  return path;
}

// Names of temporary files: `.gradus-0123456789abcdef.tmp`, whatever the file is called, so that the
// longest name allowed can be written too.
constexpr std::string_view kTemporaryBegin = ".gradus-", kTemporaryEnd = ".tmp";
constexpr size_t kTemporaryDigits = 16;

std::string temporary_name() {
  uint64_t number = 0;
  // Without random bytes time and process tell names apart, and O_EXCL holds all the same.
  if (::getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number) {
    timespec now = {};
    ::clock_gettime(CLOCK_REALTIME, &now);
    number = static_cast<uint64_t>(now.tv_nsec) << 32 ^ static_cast<uint64_t>(::getpid());
  }
  return fmt::format("{}{:016x}{}", kTemporaryBegin, number, kTemporaryEnd);
}

bool is_temporary(std::string_view name) {
  if (name.size() != kTemporaryBegin.size() + kTemporaryDigits + kTemporaryEnd.size()) return false;
  std::string_view digits = name.substr(kTemporaryBegin.size(), kTemporaryDigits);
  return name.starts_with(kTemporaryBegin) && name.ends_with(kTemporaryEnd) &&
         digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Removes the temporary file unless a living process holds its lock.
void remove_if_left(int folder, const char* name) {
  int file = ::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return;
  struct stat status = {};
  bool ours = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == ::geteuid();
  if (ours && ::flock(file, LOCK_EX | LOCK_NB) == 0) ::unlinkat(folder, name, 0);
  ::close(file);
}

void remove_left_files(const std::string& folder) {
  std::unique_ptr<DIR, int (*)(DIR*)> names(::opendir(folder.c_str()), ::closedir);
  if (!names) return;
  while (const dirent* entry = ::readdir(names.get())) {
    if (is_temporary(entry->d_name)) remove_if_left(::dirfd(names.get()), entry->d_name);
  }
}

/// One file on its way; remembers what was being done and why it failed.
class Writer {
 public:
  Writer(std::string path, const FileCalls& calls) : path_(std::move(path)), calls_(calls) {}

  bool write_in_place(std::string_view bytes) {
    bool done = open(path_, O_WRONLY | O_CLOEXEC, 0) && write(bytes, false) && close();
    if (file_ >= 0) calls_.close(file_);
    return done;
  }

  bool replace(std::string_view bytes, const struct stat* before) {
    remove_left_files(folder_of(path_));
    bool done = open_temporary(before) && keep_mode(before) && write(bytes, true) && close() &&
                check("rename", calls_.rename(temporary_.c_str(), path_.c_str()) == 0);
    abandon(!done);
    return done;
  }

  /// Whether a temporary file can be made where the file is to stand.
  bool probe() {
    struct stat status = {};
    bool named = !path_.empty() && (::lstat(path_.c_str(), &status) == 0 || errno == ENOENT);
    bool done = check("open", named) && open_temporary(nullptr);
    abandon(done);
    return done;
  }

  bool sync_folder() {
    if (!open(folder_of(path_), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)) return false;
    // Some file systems cannot sync a folder and say EINVAL: then rename is as durable as it gets.
    bool synced = check("sync", calls_.fsync(file_) == 0 || errno == EINVAL);
    calls_.close(file_);
    file_ = -1;
    return synced;
  }

  const char* doing() const { return doing_; }
  const char* reason() const { return std::strerror(error_); }

 private:
  bool check(const char* doing, bool good) {
    doing_ = doing;
    if (!good) error_ = errno;
    return good;
  }
  bool open(const std::string& path, int flags, mode_t mode) {
    file_ = calls_.open(path.c_str(), flags, mode);
    return check("open", file_ >= 0);
  }
  /// A file that was not there before, locked until it has its own name. One that another process
  /// has taken for left behind, between its making and its lock, is made again.
  bool open_temporary(const struct stat* before) {
    mode_t mode = before ? before->st_mode & 0777 : 0666;
    for (int tries = 0; tries < kMaxTries; ++tries) {
      temporary_ = fmt::format("{}/{}", folder_of(path_), temporary_name());
      if (!open(temporary_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)) {
        if (error_ == EEXIST) continue;
        return false;
      }
      // A file system without locks goes without: then nobody removes what is left either.
      lock_ = ::fcntl(file_, F_DUPFD_CLOEXEC, 0);
      struct stat made = {};
      if (lock_ < 0 || ::flock(lock_, LOCK_EX | LOCK_NB) != 0) return true;
      if (::fstat(lock_, &made) != 0 || made.st_nlink > 0) return true;
      abandon(false);
    }
    return false;
  }
  /// Lets go of the temporary file, and of its name where it still has it.
  void abandon(bool remove) {
    if (remove && !temporary_.empty()) ::unlink(temporary_.c_str());
    for (int* file : {&file_, &lock_}) {
      if (*file >= 0) ::close(*file);
      *file = -1;
    }
  }
  bool keep_mode(const struct stat* before) {
    return !before || check("keep its mode", calls_.fchmod(file_, before->st_mode & 07777) == 0);
  }
  bool write(std::string_view bytes, bool sync) {
    while (!bytes.empty()) {
      ssize_t written = calls_.write(file_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written == 0) errno = ENOSPC;
      if (!check("write", written > 0)) return false;
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return !sync || check("sync", calls_.fsync(file_) == 0);
  }
  bool close() {
    int file = file_;
    file_ = -1;
    return check("close", calls_.close(file) == 0);
  }

  std::string path_, temporary_;
  const FileCalls& calls_;
  int file_ = -1;
  int lock_ = -1;  // the same open file, so that its lock outlives `file_`
  const char* doing_ = "";
  int error_ = 0;
};

}  // namespace

const FileCalls& system_calls() {
  static const FileCalls calls = {
      [](const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); },
      ::fchmod,
      ::write,
      ::fsync,
      ::close,
      ::rename};
  return calls;
}

std::optional<std::string> find_write_problem(const std::string& path) {
  std::string target = resolved(path);
  struct stat before = {};
  bool existed = ::stat(target.c_str(), &before) == 0;
  if (existed && S_ISDIR(before.st_mode)) {
    return fmt::format("cannot write `{}`: a folder has this name", path);
  }
  if (existed && !S_ISREG(before.st_mode)) return std::nullopt;  // opened when it is written to
  Writer writer(target, system_calls());
  if (writer.probe()) return std::nullopt;
  return fmt::format("cannot write `{}`: {}: {}", path, writer.doing(), writer.reason());
}

std::optional<std::string> write_file_atomically(const std::string& path, std::string_view bytes,
                                                 const FileCalls& calls) {
  std::string target = resolved(path);
  struct stat before = {};
  bool existed = ::stat(target.c_str(), &before) == 0;
  Writer writer(target, calls);
  // A rename would put a plain file where /dev/null was.
  bool in_place = existed && !S_ISREG(before.st_mode) && !S_ISDIR(before.st_mode);
  bool done =
      in_place ? writer.write_in_place(bytes) : writer.replace(bytes, existed ? &before : nullptr);
  if (!done) return fmt::format("cannot write `{}`: {}: {}", path, writer.doing(), writer.reason());
  if (!in_place && !writer.sync_folder()) {
    return fmt::format("`{}` was written, but its folder was not synced: {}", path,
                       writer.reason());
  }
  return std::nullopt;
}

}  // namespace gradus::runtime
