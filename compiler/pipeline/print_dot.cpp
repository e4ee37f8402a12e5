// Graphviz text of a graph: nodes of one call stand in one box, backward nodes are dashed.
#include <map>

#include <fmt/format.h>

#include "graph/text.h"
#include "pipeline/compile.h"

namespace gradus::pipeline {

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

class DotPrinter {
 public:
  explicit DotPrinter(const Graph& graph) : graph_(graph), names_(value_names(graph)) {
    for (size_t i = 0; i < graph.scopes.size(); ++i) {
      children_[graph.scopes[i].parent].push_back(static_cast<int32_t>(i));
    }
    for (size_t i = 0; i < graph.size(); ++i) {
      nodes_[graph[NodeId(i)].scope].push_back(NodeId(i));
    }
  }

  std::string print() {
    out_ = fmt::format("digraph \"{}\" {{\n  node [shape=box, fontname=\"sans\"];\n", escaped(graph_.name));
    print_scope(-1, "  ");
    for (size_t i = 0; i < graph_.size(); ++i) {
      for (NodeId operand : graph_[NodeId(i)].operands) {
        out_ += fmt::format("  n{} -> n{};\n", operand.index(), i);
      }
    }
    for (size_t i = 0; i < graph_.results.size(); ++i) {
      const Result& result = graph_.results[i];
      out_ += fmt::format("  r{} [label=\"{} {}\", shape=oval];\n  n{} -> r{};\n", i,
                          result_kind_name(result.kind), escaped(result.name), result.value.index(), i);
    }
    return out_ + "}\n";
  }

 private:
  void print_scope(int32_t scope, const std::string& indent) {
    for (NodeId id : nodes_[scope]) {
      const Node& node = graph_[id];
      out_ += fmt::format("{}n{} [label=\"{} = {}\\n{}\"{}];\n", indent, id.index(), escaped(names_[id]),
                          op_def(node.op).name, to_string(node.type), node.of.valid() ? ", style=dashed" : "");
    }
    for (int32_t child : children_[scope]) {
      out_ += fmt::format("{}subgraph cluster_{} {{\n{}  label=\"{}\";\n", indent, child, indent,
                          escaped(graph_.scopes[static_cast<size_t>(child)].name));
      print_scope(child, indent + "  ");
      out_ += indent + "}\n";
    }
  }

  const Graph& graph_;
  IdVector<NodeId, std::string> names_;
  std::map<int32_t, std::vector<int32_t>> children_;
  std::map<int32_t, std::vector<NodeId>> nodes_;
  std::string out_;
};

}  // namespace

std::string print_dot(const Graph& graph) { return DotPrinter(graph).print(); }

}  // namespace gradus::pipeline
