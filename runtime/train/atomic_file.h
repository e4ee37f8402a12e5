// Files that are written whole or not at all: temporary file in the same folder, fsync, rename,
// fsync of the folder. What stood there before stays until the rename; its mode bits are kept. A
// link is followed and stays a link; a device or pipe is written to as it is.
//
// A temporary file has a name that nobody can foresee and is made anew, so no link that waits under
// it is followed. It is locked while it is written: one without its lock was left by a process that
// was killed, and the next write to the folder removes it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gradus::runtime {

/// The system calls that can fail on the way, so that a test can make each of them fail.
struct FileCalls {
  int (*open)(const char* path, int flags, mode_t mode);
  int (*fchmod)(int file, mode_t mode);
  ssize_t (*write)(int file, const void* bytes, size_t count);
  int (*fsync)(int file);
  int (*close)(int file);
  int (*rename)(const char* from, const char* to);
};
const FileCalls& system_calls();

/// The problem in words where the file could not be written; then the old file is untouched, save
/// where the problem says that only the folder was not synced.
std::optional<std::string> write_file_atomically(const std::string& path, std::string_view bytes,
                                                 const FileCalls& calls = system_calls());

/// The problem that such a write would meet before its first byte: no folder, no permission, a name
/// that is too long. Leaves what stands there as it is.
std::optional<std::string> find_write_problem(const std::string& path);

}  // namespace gradus::runtime
