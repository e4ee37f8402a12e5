// The types in the functions' rows decide how an option is read; those with few values are checked
// here, so that whoever opens the file meets none that it does not know.
#include "lang/data_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "lang/setting_numbers.h"

namespace gradus::lang {

namespace {

class OptionReader {
 public:
  OptionReader(Elaborator& e, const Expr& call, const Builtin& row, DataOptions& options)
      : e_(e), call_(call), formals_(formals_of(row)), options_(options) {
    formals_.erase(formals_.begin());  // the path
  }

  std::string run() {
    std::string path;
    bool given = false;
    for (const Argument& argument : call_.arguments) {
      if (argument.name.empty() && !given) {
        path = text(*argument.value, "a path");
        given = true;
        continue;
      }
      auto formal = std::ranges::find(formals_, argument.name, &BuiltinFormal::name);
      if (formal == formals_.end()) unknown(argument);
      options_[argument.name] = value(*formal, *argument.value);
    }
    if (!given) {
      e_.fail(Diag::BadArgument, call_.span,
              fmt::format("`{}` misses the path of its file", call_.text));
    }
    check_cells();
    return path;
  }

 private:
  std::string text(const Expr& expr, std::string_view what) {
    if (expr.kind != Expr::Kind::String) {
      e_.fail(Diag::BadSetting, expr.span,
              fmt::format("{} is a text in quotes, found `{}`", what, e_.source(expr)));
    }
    return expr.text;
  }

  [[noreturn]] void unknown(const Argument& argument) {
    std::vector<std::string> names;
    for (const BuiltinFormal& formal : formals_) names.push_back(formal.name);
    const std::string& name = argument.name;
    std::string nearest = nearest_name(name, names);
    e_.fail(Diag::BadSetting, name.empty() ? argument.value->span : argument.name_span,
            fmt::format("`{}` has no option `{}` here{}", call_.text,
                        name.empty() ? e_.source(*argument.value) : name,
                        nearest.empty() ? "" : "; did you mean `" + nearest + "`?"));
  }

  DataOption value(const BuiltinFormal& formal, const Expr& expr) {
    const std::string name = fmt::format("`{}`", formal.name);
    if (formal.type == "bool")
      return e_.compile_time_bool(e_.eval(expr), expr.span, name) ? 1.0 : 0.0;
    if (formal.type == "string") return word(formal.name, expr, text(expr, name));
    if (formal.type == "string or list") return words(expr, name);
    const limits::Range& range = formal.name == "window" ? limits::kWindow : limits::kStride;
    return static_cast<double>(whole_within(e_, expr, name, range));
  }

  DataOption words(const Expr& expr, const std::string& name) {
    if (expr.kind != Expr::Kind::List) return std::vector<std::string>{text(expr, name)};
    std::vector<std::string> list;
    for (const ExprPtr& item : expr.operands) list.push_back(text(*item, name));
    return list;
  }

  std::string word(const std::string& name, const Expr& expr, std::string found) {
    if (name == "separator" && (found == "tab" || found == "\\t")) return "\t";
    const bool known = name == "encoding"    ? found == "characters" || found == "bytes"
                       : name == "decimal"   ? found == "." || found == ","
                       : name == "separator" ? found.size() == 1 && ends_cells(found[0])
                                             : true;
    if (known) return found;
    const char* expected = name == "encoding" ? "\"characters\" or \"bytes\""
                           : name == "decimal"
                               ? "\".\" or \",\""
                               : "one character that stands in no number, or \"tab\"";
    e_.fail(Diag::BadSetting, expr.span,
            fmt::format("`{}` is {}, found \"{}\"", name, expected, found));
  }

  static bool ends_cells(char c) {
    auto byte = static_cast<unsigned char>(c);
    bool letter = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                  (byte >= 'a' && byte <= 'z');
    return byte >= ' ' && byte < 0x7F && !letter &&
           std::string_view("\"+-.").find(c) == std::string_view::npos;
  }

  /// One character cannot both part cells and stand in them.
  void check_cells() {
    auto decimal = options_.find("decimal"), separator = options_.find("separator");
    if (decimal == options_.end() || decimal->second != DataOption(",")) return;
    if (separator != options_.end() && separator->second != DataOption(",")) return;
    e_.fail(
        Diag::BadSetting, call_.span,
        "`decimal: \",\"` where a comma parts the cells; `separator: \";\"` parts them otherwise");
  }

  Elaborator& e_;
  const Expr& call_;
  std::vector<BuiltinFormal> formals_;
  DataOptions& options_;
};

}  // namespace

std::string read_source_options(Elaborator& e, const Expr& call, const Builtin& row,
                                DataOptions& options) {
  return OptionReader(e, call, row, options).run();
}

}  // namespace gradus::lang
