// Graph text out.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <set>

#include "graph/text.h"

namespace gradus {

namespace {

/// A rank-0 constant of f32 or i32 stands in its user's place.
bool is_inline(const Node& node) {
  return node.op == OpKind::Constant && node.type.is_scalar() && node.attrs.find(AttrName::Value) &&
         (node.type.dtype == DType::F32 || node.type.dtype == DType::I32);
}

std::string inline_text(const Node& node) {
  double value = std::get<double>(*node.attrs.find(AttrName::Value));
  return node.type.dtype == DType::F32 ? float_text(value, DType::F32)
                                       : fmt::format("{:.0f}", value + 0.0);
}

bool has_name(const Node& node) {
  return node.op == OpKind::Input || node.op == OpKind::Param || node.op == OpKind::State;
}

std::string clean(const std::string& name) {
  std::string out;
  for (char c : name) {
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 c == '_' || c == '.';
    out += plain ? c : '_';
  }
  bool number = !out.empty() && out.find_first_not_of("0123456789") == std::string::npos;
  return number || out.empty() ? "_" + out : out;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + "\"";
}

std::string list_text(const std::vector<int64_t>& items) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); ++i) out += fmt::format("{}{}", i == 0 ? "" : ",", items[i]);
  return out + "]";
}

class Printer {
 public:
  Printer(const Graph& graph, const PrintOptions& options)
      : graph_(graph), options_(options), names_(value_names(graph)) {}

  std::string print() {
    out_ = fmt::format("graph @{} {{\n", clean(graph_.name));
    for (size_t i = 0; i < graph_.size(); ++i) {
      if (!is_inline(graph_[NodeId(i)])) print_node(NodeId(i));
    }
    print_results();
    return out_ + "}\n";
  }

 private:
  void print_node(NodeId id) {
    const Node& node = graph_[id];
    out_ += fmt::format("  {} = {}", names_[id], op_def(node.op).name);
    if (has_name(node)) out_ += " " + quoted(leaf_name(node));
    for (size_t i = 0; i < node.operands.size(); ++i) {
      out_ += (i == 0 ? " " : ", ") + names_[node.operands[i]];
    }
    print_attrs(node);
    out_ += " : " + to_string(node.type);
    if (options_.show_locs && node.span.valid()) {
      out_ += fmt::format(" // {}:{}-{}", node.span.file, node.span.begin, node.span.end);
    }
    out_ += "\n";
  }

  void print_attrs(const Node& node) {
    std::string text;
    auto add = [&](std::string item) { text += (text.empty() ? "" : ", ") + item; };
    for (const AttrSpec& spec : op_def(node.op).attrs) {
      const AttrValue* value = node.attrs.find(spec.name);
      if (!value || spec.name == AttrName::Name ||
          (spec.default_value && *spec.default_value == *value)) {
        bool splat = value && node.op == OpKind::Constant && spec.name == AttrName::Value;
        if (!splat) continue;
      }
      add(fmt::format("{}={}", attr_text(spec.name), value_text(*value, node.type.dtype)));
    }
    // A primal that became a constant has no name to print.
    if (node.of.valid() && !is_inline(graph_[node.of])) add("of=" + names_[node.of]);
    if (!text.empty()) out_ += " {" + text + "}";
  }

  static std::string value_text(const AttrValue& value, DType dtype) {
    struct Visitor {
      DType dtype;
      std::string operator()(int64_t v) const { return std::to_string(v); }
      std::string operator()(double v) const { return number(v); }
      std::string operator()(bool v) const { return v ? "true" : "false"; }
      std::string operator()(const std::string& v) const { return v; }
      std::string operator()(const std::vector<int64_t>& v) const { return list_text(v); }
      std::string operator()(const std::vector<double>& v) const {
        std::string out = "[";
        for (size_t i = 0; i < v.size(); ++i) out += (i == 0 ? "" : ",") + number(v[i]);
        return out + "]";
      }
      std::string number(double v) const {
        return is_float(dtype) ? float_text(v, dtype) : fmt::format("{:.0f}", v + 0.0);
      }
    };
    return std::visit(Visitor{dtype}, value);
  }

  void print_results() {
    out_ += "  return";
    for (size_t i = 0; i < graph_.results.size(); ++i) {
      const Result& result = graph_.results[i];
      out_ += i == 0 ? " " : ", ";
      if (result.kind != ResultKind::Value)
        out_ += std::string(result_kind_name(result.kind)) + " ";
      if (result.kind != ResultKind::Value && result.kind != ResultKind::Loss)
        out_ += quoted(result.name) + " ";
      out_ += names_[result.value];
    }
    out_ += "\n";
  }

  const Graph& graph_;
  const PrintOptions& options_;
  IdVector<NodeId, std::string> names_;
  std::string out_;
};

template <typename T>
std::string shortest(T value) {
  std::array<char, 64> buffer;
  auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  std::string text(buffer.data(), end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

std::string float_text(double value, DType dtype) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  return dtype == DType::F32 ? shortest(static_cast<float>(value)) : shortest(value);
}

IdVector<NodeId, std::string> value_names(const Graph& graph) {
  IdVector<NodeId, std::string> names(graph.size());
  std::set<std::string> taken;
  size_t next = 0;
  for (size_t i = 0; i < graph.size(); ++i) {
    const Node& node = graph[NodeId(i)];
    std::string& name = names[NodeId(i)];
    if (is_inline(node)) {
      name = inline_text(node);
    } else if (has_name(node)) {
      name = clean(leaf_name(node));
      while (!taken.insert(name).second) name += "_";
      name = "%" + name;
    } else {
      name = fmt::format("%{}", next++);
    }
  }
  return names;
}

std::string print_graph(const Graph& graph, const PrintOptions& options) {
  return Printer(graph, options).print();
}

}  // namespace gradus
