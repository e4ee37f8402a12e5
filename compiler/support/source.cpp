// Positions are found by counting newlines up to the offset: only messages ask.
#include "support/source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gradus {

Span join(Span a, Span b) {
  if (!a.valid()) return b;
  if (!b.valid() || a.file != b.file) return a;
  return {a.file, std::min(a.begin, b.begin), std::max(a.end, b.end)};
}

int32_t SourceMap::add(std::string name, std::string text) {
  files_.push_back({std::move(name), std::move(text)});
  return static_cast<int32_t>(files_.size()) - 1;
}

std::string_view SourceMap::text(Span span) const {
  if (!span.valid()) return {};
  return std::string_view(file(span.file).text).substr(span.begin, span.end - span.begin);
}

LineColumn SourceMap::position(int32_t id, uint32_t offset) const {
  std::string_view before = std::string_view(file(id).text).substr(0, offset);
  size_t newline = before.rfind('\n');
  size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
  int line = static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1;
  return {line, static_cast<int>(before.size() - line_begin) + 1};
}

std::string_view SourceMap::line_at(int32_t id, uint32_t offset) const {
  std::string_view text = file(id).text;
  size_t at = std::min<size_t>(offset, text.size());
  size_t newline = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
  size_t end = text.find('\n', begin);
  return text.substr(begin, end == std::string_view::npos ? end : end - begin);
}

namespace {

constexpr size_t kMostBytes = size_t{64} << 20;  // offsets in a Span have 32 bits

FileText problem(std::string why) { return {std::nullopt, std::move(why)}; }

FileText read_all(int file) {
  struct stat status = {};
  if (::fstat(file, &status) != 0) return problem(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return problem("a folder, expected a file");
  std::string text;
  while (text.size() <= kMostBytes) {
    constexpr size_t kChunk = size_t{64} << 10;
    const size_t have = text.size();
    text.resize(have + kChunk);
    const ssize_t got = ::read(file, text.data() + have, kChunk);
    const bool interrupted = got < 0 && errno == EINTR;
    if (got < 0 && !interrupted) return problem(std::strerror(errno));
    text.resize(have + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return {std::move(text), ""};
  }
  return problem(fmt::format("more than {} MiB, the most that is read as text", kMostBytes >> 20));
}

}  // namespace

FileText read_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return problem(std::strerror(errno));
  FileText read = read_all(file);
  ::close(file);
  return read;
}

FileText read_standard_input() { return read_all(STDIN_FILENO); }

}  // namespace gradus
