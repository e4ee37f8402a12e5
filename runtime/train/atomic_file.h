// Files that are written whole or not at all: temporary file in the same folder, fsync, rename, fsync of
// the folder. What stood there before stays until the rename; its mode bits are kept.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gradus::runtime {

/// The problem in words where the file could not be written; then the old file is untouched.
std::optional<std::string> write_file_atomically(const std::string& path, std::string_view bytes);

}  // namespace gradus::runtime
