// The table of message kinds, the engine, and the renderer with its carets.
#include "support/diag.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>

#include <fmt/format.h>

#include "support/check.h"

namespace gradus {

namespace {

constexpr DiagInfo kDiagInfos[] = {
#define DIAG(name, id, summary) {id, summary},
#include "support/diag_kinds.def"
#undef DIAG
};

struct Colours {
  const char* bold = "";
  const char* red = "";
  const char* green = "";
  const char* reset = "";
};

Colours colours_if(bool wanted) {
  if (!wanted) return {};
  return {"\033[1m", "\033[1;31m", "\033[32m", "\033[0m"};
}

/// Marks `span` in `marks`, a line as wide as the source line, where both are on the line at `line_begin`.
void mark(std::string& marks, Span span, uint32_t line_begin, size_t line_size, char symbol) {
  size_t from = span.begin > line_begin ? span.begin - line_begin : 0;
  size_t to = std::min<size_t>(span.end > line_begin ? span.end - line_begin : 0, line_size);
  for (size_t i = from; i < std::max(to, from + 1) && i < marks.size(); ++i) {
    if (marks[i] == ' ') marks[i] = symbol;
  }
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

/// A line as a terminal may show it: a control character is one `?`.
std::string columns_kept(std::string_view line) {
  std::string shown(line);
  std::ranges::replace_if(shown, [](char c) { return is_control(c) && c != '\t'; }, '?');
  return shown;
}

/// A message as a terminal may show it: names of files and strings may hold any byte.
std::string escaped(std::string_view message) {
  std::string shown;
  for (char c : message) {
    if (is_control(c)) shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else shown += c;
  }
  return shown;
}

/// The source line with a caret at `span` and tildes under `also`; tabs are kept so that columns agree.
std::string excerpt(const SourceMap& sources, Span span, const std::vector<Span>& also,
                    const Colours& colours) {
  std::string_view line = sources.line_at(span.file, span.begin);
  int column = sources.position(span.file, span.begin).column;
  uint32_t line_begin = span.begin - static_cast<uint32_t>(column - 1);
  std::string marks(line.size() + 1, ' ');
  marks[static_cast<size_t>(column - 1)] = '^';
  mark(marks, span, line_begin, line.size(), '~');
  for (Span other : also) {
    bool same_line = other.file == span.file && other.begin >= line_begin &&
                     other.begin <= line_begin + line.size();
    if (same_line) mark(marks, other, line_begin, line.size(), '~');
  }
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\t') marks[i] = marks[i] == ' ' ? '\t' : marks[i];
  }
  marks.erase(marks.find_last_not_of(" \t") + 1);
  return fmt::format("  {}\n  {}{}{}\n", columns_kept(line), colours.green, marks, colours.reset);
}

std::string place(const SourceMap& sources, Span span) {
  if (!span.valid()) return "gradus: ";
  LineColumn at = sources.position(span.file, span.begin);
  return fmt::format("{}:{}:{}: ", escaped(sources.file(span.file).name), at.line, at.column);
}

std::string note_text(const SourceMap& sources, const DiagNote& note, const Colours& colours) {
  std::string text = fmt::format("{}note: {}\n", place(sources, note.span), escaped(note.message));
  if (note.span.valid()) text += excerpt(sources, note.span, {}, colours);
  return text;
}

/// Letters added, left out, replaced, or swapped with the next (Damerau and Levenshtein).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), row(b.size() + 1), next(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    next[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      next[j] = std::min({row[j] + 1, next[j - 1] + 1, replaced});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) next[j] = std::min(next[j], before[j - 2] + 1);
    }
    before.swap(row);
    row.swap(next);
  }
  return row[b.size()];
}

}  // namespace

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  throw InternalError(fmt::format("{}:{}: {} does not hold: {}", file, line, condition, message));
}

const DiagInfo& diag_info(Diag kind) { return kDiagInfos[static_cast<size_t>(kind)]; }

size_t diag_count() { return std::size(kDiagInfos); }

DiagEngine::Handle DiagEngine::error(Diag kind, Span span, std::string message) {
  auto key = fmt::format("{} {} {} {}", static_cast<int>(kind), span.file, span.begin, message);
  if (!told_.insert(std::move(key)).second) {
    again_ = {kind, span, std::move(message), {}, {}};
    return Handle(again_);
  }
  diagnostics_.push_back({kind, span, std::move(message), {}, {}});
  return Handle(diagnostics_.back());
}

void DiagEngine::note(Span span, std::string message) {
  notes_.push_back({span, std::move(message)});
}

std::string DiagEngine::render(bool colour) const {
  constexpr size_t kMostShown = 20;  // what comes after these has mostly the same cause
  const Colours colours = colours_if(colour);
  std::string out;
  for (const Diagnostic& d : std::span(diagnostics_).first(std::min(count(), kMostShown))) {
    out += fmt::format("{}{}{}{}error: {}{}{}{} [{}]\n", colours.bold, place(*sources_, d.span),
                       colours.reset, colours.red, colours.reset, colours.bold, escaped(d.message),
                       colours.reset, diag_info(d.kind).id);
    if (d.span.valid()) out += excerpt(*sources_, d.span, d.also, colours);
    for (const DiagNote& note : d.notes) out += note_text(*sources_, note, colours);
  }
  if (count() > kMostShown) out += "gradus: further errors are not shown\n";
  for (const DiagNote& note : notes_) out += note_text(*sources_, note, colours);
  return out;
}

std::string DiagEngine::take_notes(bool colour) {
  std::string out;
  for (const DiagNote& note : notes_) out += note_text(*sources_, note, colours_if(colour));
  notes_.clear();
  return out;
}

std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    size_t distance = edit_distance(word, candidate);
    bool kin = distance < std::max(word.size(), candidate.size());  // `a` is no misspelt `k`
    if (kin && distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace gradus
