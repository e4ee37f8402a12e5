// Positions are found by counting newlines up to the offset: only messages ask.
#include "support/source.h"

#include <algorithm>
#include <fstream>
#include <sstream>

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

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad() || (in.fail() && text.str().empty() && in.peek() != EOF)) return std::nullopt;
  return std::move(text).str();
}

}  // namespace gradus
