// The bookkeeping of rebuilding a graph: see rewrite.h.
#include "graph/rewrite.h"

#include <fmt/format.h>

namespace gradus {

Rewriter::Rewriter(const Graph& source) : source_(&source), builder_(graph_), map_(source.size()) {
  graph_.name = source.name;
  graph_.scopes = source.scopes;
}

Rewriter::Rewriter(Graph&& source)
    : source_(&source), spent_(&source), builder_(graph_), map_(source.size()) {
  graph_.name = source.name;
  graph_.scopes = std::move(source.scopes);
}

NodeId Rewriter::operator[](NodeId old) const {
  NodeId made = map_[old];
  GRADUS_CHECK(made.valid(), fmt::format("node {} ({}) is used but was left out", old.index(),
                                         op_def((*source_)[old].op).name));
  return made;
}

Node Rewriter::translated(NodeId old) {
  Node node = spent_ ? std::move((*spent_)[old]) : (*source_)[old];
  for (NodeId& operand : node.operands) operand = (*this)[operand];
  node.of = primal_of(node);
  return node;
}

/// A primal that became a constant or was left out is none any more.
NodeId Rewriter::primal_of(const Node& node) const {
  if (!node.of.valid()) return {};
  NodeId primal = map_[node.of];
  return primal.valid() && graph_[primal].op == OpKind::Constant ? NodeId() : primal;
}

NodeId Rewriter::keep(NodeId old) { return keep(old, translated(old)); }

NodeId Rewriter::keep(NodeId old, Node translated) {
  NodeId made = graph_.nodes.push_back(std::move(translated));
  map_[old] = made;
  return made;
}

GraphBuilder& Rewriter::builder_at(NodeId old) {
  const Node& node = (*source_)[old];
  builder_.set_span(node.span);
  builder_.set_scope(node.scope);
  builder_.set_of(primal_of(node));
  return builder_;
}

Graph Rewriter::finish() {
  for (Result result : source_->results) {
    result.value = (*this)[result.value];
    graph_.results.push_back(std::move(result));
  }
  return std::move(graph_);
}

}  // namespace gradus
