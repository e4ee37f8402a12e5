// Rows of functions: finding them, and reading what they say about arguments.
#include "lang/builtins.h"

namespace gradus::lang {

std::vector<BuiltinFormal> formals_of(const Builtin& row) {
  std::vector<BuiltinFormal> formals;
  std::string_view rest = row.formals;
  bool by_name = false;
  while (!rest.empty()) {
    std::string_view word = rest.substr(0, rest.find(", "));
    rest.remove_prefix(std::min(word.size() + 2, rest.size()));
    if (word == "*") {
      by_name = true;
      continue;
    }
    size_t default_value = word.find(" = "), colon = word.find(": ");
    std::string_view type = colon == word.npos ? "" : word.substr(colon + 2);
    formals.push_back({std::string(word.substr(0, word.find(':'))),
                       std::string(type.substr(0, type.find(" = "))),
                       std::string(default_value == word.npos ? "" : word.substr(default_value + 3)),
                       by_name});
  }
  return formals;
}

const Builtin* find_row(std::span<const Builtin> rows, std::string_view name) {
  auto row = std::ranges::find(rows, name, &Builtin::name);
  return row == rows.end() ? nullptr : &*row;
}

std::vector<std::string> names_of(std::span<const Builtin> rows) {
  std::vector<std::string> names;
  for (const Builtin& row : rows) names.emplace_back(row.name);
  return names;
}

const Builtin* find_builtin(std::string_view name) {
  const Builtin* row = find_row(math_builtins(), name);
  return row ? row : find_row(shape_builtins(), name);
}

std::vector<std::string> builtin_names() {
  std::vector<std::string> names;
  for (auto rows : {math_builtins(), shape_builtins(), derivative_builtins()}) {
    for (std::string& name : names_of(rows)) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace gradus::lang
