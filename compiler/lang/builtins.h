// Functions that are written in C++, one row each: calls are matched with the row, and
// `gradus functions` prints it.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gradus::lang {

struct BuiltinCall;
struct Value;

struct Builtin {
  std::string_view group;    // heading in the list of functions
  std::string_view name;
  /// "x: tensor, *, axis: int = -1": ` = `: may be left out; after `*`: by name alone.
  std::string_view formals;
  std::string_view result;   // empty: stands where no value is expected
  std::string_view doc;      // begins with one sentence that is enough in a list
  /// None: elaborated where it stands, as derivatives (of names) and the lines of `data` and `train`.
  Value (*run)(BuiltinCall& call) = nullptr;
};

/// For static_assert: no row is without words for its reader.
constexpr bool all_described(std::span<const Builtin> rows) {
  return std::ranges::all_of(rows, [](const Builtin& row) {
    return !row.group.empty() && !row.name.empty() && row.doc.size() > 8;
  });
}

struct BuiltinFormal {
  std::string name;
  std::string type;           // "int", "string or list"
  std::string default_value;  // the default as text; empty: must be given
  bool by_name = false;   // never by position
};
std::vector<BuiltinFormal> formals_of(const Builtin& row);

std::span<const Builtin> math_builtins();
std::span<const Builtin> shape_builtins();
std::span<const Builtin> derivative_builtins();
std::span<const Builtin> data_builtins();
std::span<const Builtin> train_builtins();

const Builtin* find_row(std::span<const Builtin> rows, std::string_view name);
std::vector<std::string> names_of(std::span<const Builtin> rows);

/// What the model's own expressions call by name.
const Builtin* find_builtin(std::string_view name);
std::vector<std::string> builtin_names();

}  // namespace gradus::lang
