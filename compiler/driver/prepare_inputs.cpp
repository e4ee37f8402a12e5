// The places of fitted constants ("x/0": operand 0 of the expression of input x) are those of runtime/data/expression.
#include "driver/prepare_inputs.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "driver/data_binder.h"
#include "graph/rewrite.h"

namespace gradus::driver {

namespace {

using lang::DataExpr;
using Numbers = std::vector<double>;

bool is_source(const DataExpr& expr) {
  return expr.kind == DataExpr::Kind::Columns || expr.kind == DataExpr::Kind::Array;
}

int64_t count_sources(const DataExpr& expr) {
  int64_t count = is_source(expr) ? 1 : 0;
  for (const DataExpr& operand : expr.operands) count += count_sources(operand);
  return count;
}

bool has_call(const DataExpr& expr, const std::string& name) {
  return (expr.kind == DataExpr::Kind::Call && expr.name == name) ||
         std::any_of(expr.operands.begin(), expr.operands.end(), [&](const DataExpr& operand) { return has_call(operand, name); });
}

bool takes_file_numbers(const lang::ModelInput& input, const DataExpr& expr) {
  bool rows = !input.type.shape.empty() && input.type.shape[0].batch;
  return rows && !is_source(expr) && is_float(input.type.dtype) && count_sources(expr) == 1 && !has_call(expr, "category");
}

/// The nodes that make an input of what its file holds.
class Preparation {
 public:
  Preparation(Session& session, GraphBuilder& builder, const lang::ModelInput& input, const runtime::Fitted& fitted, NodeId raw)
      : session_(session), b_(builder), input_(input), fitted_(fitted), raw_(raw) {}

  NodeId build(const DataExpr& expr, const std::string& place) {
    switch (expr.kind) {
      case DataExpr::Kind::Number: return b_.constant({input_.type.dtype, {}}, expr.number);
      case DataExpr::Kind::Columns:
      case DataExpr::Kind::Array: return raw_;
      case DataExpr::Kind::Unary:
      case DataExpr::Kind::Binary:
      case DataExpr::Kind::Call: break;
    }
    NodeId x = build(expr.operands[0], place + "/0");
    if (expr.kind == DataExpr::Kind::Unary) return b_.neg(x);
    if (expr.kind == DataExpr::Kind::Call) return call(expr, x, place);
    NodeId y = build(expr.operands[1], place + "/1");
    if (expr.name == "+") return b_.add(x, y);
    if (expr.name == "-") return b_.sub(x, y);
    return expr.name == "*" ? b_.mul(x, y) : b_.div(x, y);
  }

 private:
  NodeId call(const DataExpr& expr, NodeId x, const std::string& place) {
    if (expr.name == "log") return b_.unary(OpKind::Log, x);
    if (expr.name == "fill_missing") return b_.select(b_.equal(x, x), x, each(place, 0, 1));
    return b_.div(b_.sub(x, each(place, 0, 2)), each(place, 1, 2));  // standardize, minmax
  }

  /// Every `stride`-th of the constants fitted at `place`, as sizes of a row: one for each number, or one for each
  /// column of windows, whose numbers take turns.
  NodeId each(const std::string& place, size_t first, size_t stride) {
    auto found = fitted_.numbers.find(place);
    Shape row(input_.type.shape.begin() + 1, input_.type.shape.end());
    auto width = static_cast<size_t>(element_count(row, 1));
    size_t columns = found == fitted_.numbers.end() ? 0 : found->second.size() / stride;
    if (columns == 0 || width % columns != 0 || found->second.size() != columns * stride) {
      session_.diags.error(Diag::BadWeights, input_.span,
                           fmt::format("the weights hold no constants for {} numbers of input `{}`", width, input_.name));
      session_.stop_on_errors();
    }
    Numbers values;
    for (size_t i = 0; i < width; ++i) values.push_back(found->second[i % columns * stride + first]);
    if (row.empty()) return b_.constant({input_.type.dtype, {}}, values[0]);
    return b_.dense_constant({input_.type.dtype, row}, values);
  }

  Session& session_;
  GraphBuilder& b_;
  const lang::ModelInput& input_;
  const runtime::Fitted& fitted_;
  NodeId raw_;
};

void build_in(Session& session, Graph& graph, const lang::ModelInput& input, const DataExpr& expr, const runtime::Fitted& fitted) {
  Rewriter rewrite(graph);
  for (NodeId id : rewrite.order()) {
    NodeId kept = rewrite.keep(id);
    bool is_input = graph[id].op == OpKind::Input && leaf_name(graph[id]) == input.name;
    if (is_input) rewrite.replace(id, Preparation(session, rewrite.builder_at(id), input, fitted, kept).build(expr, input.name));
  }
  graph = rewrite.finish();
}

// ---- text ----

/// As a C comment may hold it.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c == '"' || c == '\\') out += std::string("\\") + c;
    else if (static_cast<unsigned char>(c) < 32 || c == '/') out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else out += c;
  }
  return out + "\"";
}

std::string words(const std::vector<std::string>& list) {
  std::string out;
  for (size_t i = 0; i < list.size(); ++i) out += fmt::format("{}{} {}", i == 0 ? "" : ", ", i, quoted(list[i]));
  return out;
}

/// "standardize, (x - m) / s: m 3.5 s 1.25, m ..": the constants of each function below `expr`.
void list_constants(const DataExpr& expr, const std::string& place, const runtime::Fitted& fitted, std::vector<std::string>& lines) {
  for (size_t i = 0; i < expr.operands.size(); ++i) {
    list_constants(expr.operands[i], fmt::format("{}/{}", place, i), fitted, lines);
  }
  if (auto found = fitted.categories.find(place); found != fitted.categories.end()) {
    lines.push_back("category: " + words(found->second));
  }
  auto found = fitted.numbers.find(place);
  if (found == fitted.numbers.end()) return;
  const Numbers& values = found->second;
  if (expr.name == "fill_missing") {
    lines.push_back(fmt::format("fill_missing, in place of a missing value: {}", fmt::join(values, ", ")));
    return;
  }
  std::vector<std::string> pairs;
  for (size_t i = 0; i + 1 < values.size(); i += 2) pairs.push_back(fmt::format("(x - {}) / {}", values[i], values[i + 1]));
  lines.push_back(fmt::format("{}: {}", expr.name, fmt::join(pairs, ", ")));
}

std::string one_line(std::string text) {
  for (size_t at = 0; (at = text.find_first_of("\n\r\t", at)) != std::string::npos;) text[at] = ' ';
  for (size_t at = 0; (at = text.find("*/", at)) != std::string::npos;) text.insert(at + 1, " ");
  for (size_t at = 0; (at = text.find("/*", at)) != std::string::npos;) text.insert(at + 1, " ");
  return text;
}

}  // namespace

std::set<std::string> build_in_preparation(Session& session, const runtime::Fitted& fitted) {
  std::set<std::string> built_in;
  for (const lang::DataBinding& binding : session.model.data.bindings) {
    for (const lang::ModelInput& input : session.model.inputs) {
      if (input.name != binding.input || !takes_file_numbers(input, binding.value)) continue;
      for (Graph* graph : {&session.model.train, &session.model.predict}) {
        build_in(session, *graph, input, binding.value, fitted);
      }
      built_in.insert(input.name);
    }
  }
  return built_in;
}

std::string preparation_comment(const Session& session, const runtime::Fitted* fitted, const std::set<std::string>& built_in) {
  std::vector<std::string> lines;
  for (const lang::DataBinding& binding : session.model.data.bindings) {
    if (is_source(binding.value)) continue;
    std::string source = one_line(std::string(session.sources.text(binding.value.span)));
    lines.push_back(fmt::format("  {} = {}{}", binding.input, source,
                                built_in.count(binding.input) > 0 ? "   built in: give what stands in the file" : ""));
    std::vector<std::string> constants;
    if (fitted) list_constants(binding.value, binding.input, *fitted, constants);
    for (const std::string& line : constants) lines.push_back("      " + line);
  }
  if (fitted) {
    auto characters = fitted->categories.find(kVocabulary);
    if (characters != fitted->categories.end()) lines.push_back("  characters of the text: " + words(characters->second));
  }
  if (lines.empty()) return "";
  std::string out = "/* Inputs are given as training prepares them; what is fitted is fitted on the training part";
  out += fitted ? ":" : "\n * (`gradus compile --weights W` prints the constants):";
  for (const std::string& line : lines) out += "\n * " + line;
  return out + " */\n";
}

}  // namespace gradus::driver
