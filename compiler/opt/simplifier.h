// What the equations of `simplify` are written on: questions to a node, and making of nodes that
// are simplified themselves.
#pragma once

#include <optional>
#include <span>

#include "graph/rewrite.h"

namespace gradus::opt {

class Simplifier {
 public:
  /// The source is spent.
  explicit Simplifier(Graph&& source);

  /// The simplified graph, and whether any rule fired.
  std::pair<Graph, bool> run();

  // Questions. `n` is a node that is about to be made; its operands are nodes of the new graph.
  const Node& operator[](NodeId id) const { return graph()[id]; }
  const TensorType& type(NodeId id) const { return graph().type(id); }
  bool is(NodeId id, OpKind kind) const { return (*this)[id].op == kind; }
  NodeId operand(NodeId id, size_t i = 0) const { return (*this)[id].operands[i]; }
  /// The value of a constant that has one for all elements.
  std::optional<double> splat(NodeId id) const;
  /// Whether operand `i` of `n` is the constant `value`, told from its zero of other sign.
  bool is_splat(const Node& n, size_t i, double value) const;
  bool single_use(NodeId id) const;

  // Making. New nodes have the place of the node that is being simplified.
  NodeId make(OpKind kind, std::vector<NodeId> operands, Attrs attrs = {},
              const TensorType* given = nullptr);
  NodeId constant_like(NodeId like, double value);
  NodeId reshape(NodeId x, const Shape& shape);
  /// x as the value of `n`: broadcast to its shape where it has another.
  NodeId as(const Node& n, NodeId x);
  ShapeResult infer(OpKind kind, std::span<const NodeId> operands, const Attrs& attrs,
                    const TensorType* given = nullptr);

 private:
  const Graph& graph() const { return graph_; }
  /// Applies the first rule that fits, else adds the node.
  NodeId add(Node node);

  IdVector<NodeId, int> source_uses_;
  Rewriter rewrite_;
  Graph& graph_;
  GraphBuilder builder_{graph_};  // for types alone
  std::vector<int> uses_;  // of new nodes, by nodes of the source; 0 for those that rules made
  Span span_;              // of new nodes, as their scope and `of`
  int32_t scope_ = -1;
  NodeId of_;
  bool fired_ = false;
};

inline NodeId first(const Node& n) { return n.operands[0]; }

/// An equation: what stands for `n`, or an invalid id where the left side does not fit.
using Rewrite = NodeId (*)(Simplifier& s, const Node& n);
struct SimplifyRule {
  OpKind op;
  Rewrite rewrite;
};

std::span<const SimplifyRule> arithmetic_rules();
std::span<const SimplifyRule> layout_rules();
std::span<const SimplifyRule> reduce_rules();
/// Those for all operators of a class.
NodeId simplify_pointwise(Simplifier& s, const Node& n);
NodeId simplify_layout_of_scalar(Simplifier& s, const Node& n);

}  // namespace gradus::opt
