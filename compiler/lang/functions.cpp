// Built-in functions come from their rows. Of the library each paragraph is read: the first of a file is
// the heading of its functions, as is one of the form `// ---- words ----`; any other is one function
// with the comment before it.
#include "lang/functions.h"

#include <fmt/format.h>

#include <algorithm>

#include "lang/builtins.h"
#include "lang/model.h"

namespace gradus::lang {

namespace {

std::vector<std::string_view> parted(std::string_view text, std::string_view by) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    std::string_view part = text.substr(0, text.find(by));
    if (!part.empty()) parts.push_back(part);
    text.remove_prefix(std::min(part.size() + by.size(), text.size()));
  }
  return parts;
}

/// A word of the text for each run of spaces and line ends, none inside brackets at their ends.
std::string on_one_line(std::string_view text) {
  std::string line;
  for (char c : text) {
    bool space = c == ' ' || c == '\n';
    bool opened = line.empty() || line.back() == ' ' || line.back() == '(';
    if (space && opened) continue;
    if (c == ')' && line.ends_with(", ")) line.resize(line.size() - 2);
    line += space ? ' ' : c;
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

/// The words of the comment lines that begin a paragraph, which are taken off it.
std::string take_comment(std::string_view& paragraph) {
  std::string words;
  while (paragraph.starts_with("//")) {
    std::string_view line = paragraph.substr(0, paragraph.find('\n'));
    words += line.substr(2);
    paragraph.remove_prefix(std::min(line.size() + 1, paragraph.size()));
  }
  return on_one_line(words);
}

std::string heading(std::string words) {
  words.erase(0, words.find_first_not_of("- "));
  words.erase(words.find_last_not_of("-. ") + 1);
  words[0] = static_cast<char>(std::toupper(words[0]));
  return words;
}

void add_library(std::vector<FunctionEntry>& entries, std::string_view file) {
  constexpr std::string_view kFn = "fn ";
  std::string group;
  for (std::string_view paragraph : parted(file, "\n\n")) {
    paragraph.remove_prefix(std::min(paragraph.find_first_not_of('\n'), paragraph.size()));
    std::string_view text = paragraph;
    std::string doc = take_comment(text);
    if (!text.starts_with(kFn)) {
      if (!doc.empty()) group = heading(doc);
      continue;
    }
    std::string signature = on_one_line(text.substr(kFn.size(), text.find('{') - kFn.size()));
    std::string name = signature.substr(0, signature.find('('));
    paragraph = paragraph.substr(0, paragraph.find_last_not_of('\n') + 1);
    entries.push_back({group, name, signature, doc, std::string(paragraph)});
  }
}

void add_rows(std::vector<FunctionEntry>& entries, std::span<const Builtin> rows) {
  for (const Builtin& row : rows) {
    std::string result = row.result.empty() ? "" : fmt::format(" -> {}", row.result);
    entries.push_back({std::string(row.group), std::string(row.name),
                       fmt::format("{}({}){}", row.name, row.formals, result), std::string(row.doc),
                       ""});
  }
}

/// Functions of one group side by side, groups in the order of their first one.
void gather_groups(std::vector<FunctionEntry>& entries) {
  std::vector<std::string> groups;
  for (const FunctionEntry& entry : entries) {
    if (std::ranges::find(groups, entry.group) == groups.end()) groups.push_back(entry.group);
  }
  std::ranges::stable_sort(entries, {}, [&](const FunctionEntry& entry) {
    return std::ranges::find(groups, entry.group) - groups.begin();
  });
}

}  // namespace

std::vector<FunctionEntry> function_entries() {
  std::vector<FunctionEntry> entries;
  add_rows(entries, math_builtins());
  add_rows(entries, shape_builtins());
  add_rows(entries, derivative_builtins());
  for (const LibraryFile& file : library_files()) add_library(entries, file.text);
  add_rows(entries, data_builtins());
  add_rows(entries, train_builtins());
  gather_groups(entries);
  return entries;
}

std::string first_sentence(std::string_view doc) {
  size_t end = doc.find(". ");
  return std::string(doc.substr(0, end == doc.npos ? doc.size() : end + 1));
}

}  // namespace gradus::lang
