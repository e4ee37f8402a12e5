// The text leaves out what may change without changing what a constant means: paths, and what unknown categories become.
#include "driver/fitted_expressions.h"

#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "driver/data_binder.h"
#include "support/check.h"

namespace gradus::driver {

namespace {

using lang::DataExpr;

std::string option_text(const lang::DataOption& option) {
  if (std::holds_alternative<double>(option)) return fmt::format("{}", std::get<double>(option));
  GRADUS_CHECK(std::holds_alternative<std::string>(option), "a list among the options of an expression");
  return fmt::format("\"{}\"", std::get<std::string>(option));
}

std::string selection_text(const DataExpr::Selection& selection) {
  if (selection.column) return fmt::format("\"{}\"", *selection.column);
  if (selection.to == selection.from + 1) return fmt::format("{}", selection.from);
  return fmt::format("{}:{}", selection.from, selection.to);
}

std::string columns_text(const DataExpr& expr) {
  std::vector<std::string> parts;
  if (expr.window) parts.push_back(fmt::format("{}:{}", expr.time_from, expr.time_to));
  for (const DataExpr::Selection& selection : expr.columns) parts.push_back(selection_text(selection));
  return fmt::format("{}[{}]", expr.window ? "window" : "columns", fmt::join(parts, ", "));
}

std::string array_text(const DataExpr& expr) {
  if (expr.name != "linspace") return expr.name + "(..)";
  return fmt::format("linspace({}, {}, {})", option_text(expr.options.at("from")), option_text(expr.options.at("to")),
                     option_text(expr.options.at("count")));
}

std::string text_of(const DataExpr& expr) {
  switch (expr.kind) {
    case DataExpr::Kind::Number: return fmt::format("{}", expr.number);
    case DataExpr::Kind::Columns: return columns_text(expr);
    case DataExpr::Kind::Array: return array_text(expr);
    case DataExpr::Kind::Unary: return fmt::format("(-{})", text_of(expr.operands[0]));
    case DataExpr::Kind::Binary: return fmt::format("({} {} {})", text_of(expr.operands[0]), expr.name, text_of(expr.operands[1]));
    case DataExpr::Kind::Call: break;
  }
  auto with = expr.options.find("with");
  std::string option = with == expr.options.end() ? "" : ", " + option_text(with->second);
  return fmt::format("{}({}{})", expr.name, text_of(expr.operands[0]), option);
}

/// An expression that has constants, by its place: `visit(place, expression)`.
template <class Visit>
void each_fitted(const DataExpr& expr, const std::string& place, const Visit& visit) {
  for (size_t i = 0; i < expr.operands.size(); ++i) each_fitted(expr.operands[i], fmt::format("{}/{}", place, i), visit);
  if (expr.kind == DataExpr::Kind::Call && expr.name != "log") visit(place, expr);
}

bool is_of(const std::string& place, const std::string& input) { return place == input || place.starts_with(input + "/"); }

}  // namespace

void record_expressions(const lang::DataBinding& binding, runtime::Fitted& fitted) {
  each_fitted(binding.value, binding.input,
              [&](const std::string& place, const DataExpr& expr) { fitted.expressions[place] = text_of(expr); });
}

void check_expressions(Session& session, const lang::DataBinding& binding, const runtime::Fitted& fitted, const std::string& path) {
  std::map<std::string, const DataExpr*> here;
  each_fitted(binding.value, binding.input, [&](const std::string& place, const DataExpr& expr) { here[place] = &expr; });
  for (const auto& [place, text] : fitted.expressions) {
    if (!is_of(place, binding.input)) continue;
    auto found = here.find(place);
    if (found != here.end() && text_of(*found->second) == text) continue;
    Span span = found == here.end() ? binding.value.span : found->second->span;
    session.diags.error(Diag::BadWeights, span,
                        fmt::format("`{}` prepares input `{}`, but the constants in {} were fitted for `{}`; prepare it as in "
                                    "training, or train anew",
                                    session.sources.text(span), binding.input, path, text));
    session.stop_on_errors();
  }
}

void check_encoding(Session& session, const runtime::Fitted& fitted, const std::string& path) {
  const std::optional<lang::DataSource>& from = session.model.data.from;
  if (!from || from->kind != "text" || fitted.categories.count(kVocabulary) == 0) return;
  auto encoding = from->options.find("encoding");
  if (encoding == from->options.end() || std::get<std::string>(encoding->second) != "bytes") return;
  session.diags.error(Diag::BadWeights, from->span,
                      fmt::format("the text is read by its bytes, but {} holds the numbers of its characters", path));
  session.stop_on_errors();
}

}  // namespace gradus::driver
