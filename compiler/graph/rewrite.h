// Rebuilds a graph node by node: what a pass that changes operands or order stands on.
//
//   Rewriter rewrite(graph);
//   for (NodeId id : rewrite.order()) rewrite.keep(id);   // or replace(id, other), or leave it out
//   graph = rewrite.finish();
//
// Kept nodes have their span, scope and `of`; results and scopes are carried over by `finish`. A
// graph that is given as `std::move(graph)` is spent: its nodes move to the new one, so that nothing
// but span, scope and `of` of a node may be asked once it was translated or kept.
#pragma once

#include <ranges>

#include "graph/builder.h"

namespace gradus {

class Rewriter {
 public:
  /// The source has to outlive the rewriter, also one that is spent.
  explicit Rewriter(const Graph& source);
  explicit Rewriter(Graph&& source);
  Rewriter(const Rewriter&) = delete;
  Rewriter& operator=(const Rewriter&) = delete;

  /// All nodes of the source, operands first.
  auto order() const {
    return std::views::iota(size_t{0}, source_->size()) |
           std::views::transform([](size_t i) { return NodeId(i); });
  }
  /// What stands for `old` in the new graph; it must have been kept or replaced.
  NodeId operator[](NodeId old) const;
  bool has(NodeId old) const { return map_[old].valid(); }

  /// Adds the node with its new operands.
  NodeId keep(NodeId old);
  /// The node with operands and `of` of the new graph, not yet part of it.
  Node translated(NodeId old);
  /// Adds what `translated` made of `old`.
  NodeId keep(NodeId old, Node translated);
  /// From here on `made` stands for `old`.
  void replace(NodeId old, NodeId made) { map_[old] = made; }
  /// A builder of the new graph whose nodes get span, scope and `of` of `old`.
  GraphBuilder& builder_at(NodeId old);

  const Graph& source() const { return *source_; }
  Graph& graph() { return graph_; }
  /// The new graph with the source's results. The rewriter is spent.
  Graph finish();

 private:
  NodeId primal_of(const Node& node) const;

  const Graph* source_;
  Graph* spent_ = nullptr;  // the source, where its nodes may be moved
  Graph graph_;
  GraphBuilder builder_;
  IdVector<NodeId, NodeId> map_;
};

}  // namespace gradus
