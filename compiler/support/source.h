// The text of input files and places in them. Line and column are worked out only when asked for.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace gradus {

/// A half-open range of bytes [begin, end) in one source file; `file` indexes SourceMap, -1 is nowhere.
struct Span {
  int32_t file = -1;
  uint32_t begin = 0;
  uint32_t end = 0;

  bool valid() const { return file >= 0; }
  friend bool operator==(const Span&, const Span&) = default;
};

/// The smallest span that holds both; either may be nowhere.
Span join(Span a, Span b);

struct SourceFile {
  std::string name;  // as shown in messages
  std::string text;
};

struct LineColumn {
  int line = 0;    // from 1
  int column = 0;  // from 1, in bytes
};

/// All files of one compilation. Addresses of files stay put.
class SourceMap {
 public:
  int32_t add(std::string name, std::string text);
  const SourceFile& file(int32_t id) const { return files_[static_cast<size_t>(id)]; }
  std::string_view text(Span span) const;
  LineColumn position(int32_t file, uint32_t offset) const;
  /// The whole line that holds `offset`, without its newline.
  std::string_view line_at(int32_t file, uint32_t offset) const;

 private:
  std::deque<SourceFile> files_;
};

/// The text of a file, or why there is none: "No such file or directory", "a folder, expected a file".
struct FileText {
  std::optional<std::string> text;
  std::string problem;
};
/// Reads to the end; what goes on for ever ends in a problem, at the largest size that a source may have.
FileText read_file(const std::string& path);
FileText read_standard_input();

}  // namespace gradus
