// POSIX calls, each answer looked at.
#include "runtime/train/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace gradus::runtime {

namespace {

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

bool sync_folder(const std::string& folder) {
  int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return false;
  // Some file systems cannot sync a folder and say EINVAL: then rename is as durable as it gets.
  bool synced = ::fsync(file) == 0 || errno == EINVAL;
  ::close(file);
  return synced;
}

}  // namespace

std::optional<std::string> write_file_atomically(const std::string& path, std::string_view bytes) {
  std::string temporary = fmt::format("{}.tmp-{}", path, ::getpid());
  auto problem = [&](const char* doing) {
    std::string text = fmt::format("cannot write `{}`: {}: {}", path, doing, std::strerror(errno));
    ::unlink(temporary.c_str());
    return text;
  };
  struct stat before = {};
  bool existed = ::stat(path.c_str(), &before) == 0;
  int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return problem("open");
  if (existed && ::fchmod(file, before.st_mode & 07777) != 0) {
    ::close(file);
    return problem("keep its mode");
  }
  if (!write_all(file, bytes) || ::fsync(file) != 0) {
    int error = errno;
    ::close(file);
    errno = error;
    return problem("write");
  }
  if (::close(file) != 0) return problem("close");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return problem("rename");
  if (!sync_folder(folder_of(path))) return fmt::format("`{}` was written, but its folder was not synced: {}", path, std::strerror(errno));
  return std::nullopt;
}

}  // namespace gradus::runtime
