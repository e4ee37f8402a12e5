// POSIX calls, each answer looked at.
#include "runtime/train/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace gradus::runtime {

namespace {

constexpr int kMaxLinks = 40;

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

/// One file on its way; remembers what was being done and why it failed.
class Writer {
 public:
  Writer(std::string path, const FileCalls& calls) : path_(std::move(path)), calls_(calls) {}

  bool write_in_place(std::string_view bytes) {
    bool done = open(path_, O_WRONLY | O_CLOEXEC) && write(bytes, false) && close();
    if (file_ >= 0) calls_.close(file_);
    return done;
  }

  bool replace(std::string_view bytes, const struct stat* before) {
    temporary_ = fmt::format("{}.tmp-{}", path_, ::getpid());
    bool done = open(temporary_, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC) && keep_mode(before) &&
                write(bytes, true) && close() &&
                check("rename", calls_.rename(temporary_.c_str(), path_.c_str()) == 0);
    if (file_ >= 0) calls_.close(file_);
    if (!done) ::unlink(temporary_.c_str());
    return done;
  }

  bool sync_folder() {
    if (!open(folder_of(path_), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) return false;
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
  bool open(const std::string& path, int flags) {
    file_ = calls_.open(path.c_str(), flags, 0666);
    return check("open", file_ >= 0);
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
