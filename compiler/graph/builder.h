// Makes nodes through the shape rules of their rows. Everything that adds nodes goes through here.
#pragma once

#include "graph/graph.h"

namespace gradus {

/// What the operator's row says of these operands, once they are as many as it takes. Their types
/// are collected in `room`, which may serve again.
ShapeResult infer_type(const Graph& graph, OpKind kind, std::span<const NodeId> operands,
                       const Attrs& attrs, const TensorType* given, std::vector<TensorType>& room);

class GraphBuilder {
 public:
  explicit GraphBuilder(Graph& graph) : graph_(&graph) {}

  /// Adds a node. Operands that do not fit are an internal error here: front ends ask `infer` first.
  /// `given` is the result type, for rows with `given_type`.
  NodeId make(OpKind kind, std::vector<NodeId> operands, Attrs attrs = {},
              const TensorType* given = nullptr);
  ShapeResult infer(OpKind kind, std::span<const NodeId> operands, const Attrs& attrs,
                    const TensorType* given = nullptr);
  /// Adds a node of the type that `infer` has answered.
  NodeId add(OpKind kind, TensorType type, std::vector<NodeId> operands, Attrs attrs);
  /// Copies `node` (of any graph) with these operands; type, attributes and span are kept.
  NodeId copy(const Node& node, std::vector<NodeId> operands);

  // What new nodes inherit until it is set again.
  void set_span(Span span) { span_ = span; }
  void set_of(NodeId of) { of_ = of; }
  void set_scope(int32_t scope) { scope_ = scope; }
  Span span() const { return span_; }

  Graph& graph() { return *graph_; }
  const TensorType& type(NodeId id) const { return graph_->type(id); }

  // Leaves.
  NodeId constant(TensorType type, double value);                     // splat
  NodeId constant_like(NodeId like, double value);                    // rank 0, dtype of `like`
  NodeId dense_constant(TensorType type, std::vector<double> values);
  NodeId one_like(NodeId like) { return constant_like(like, 1); }
  NodeId zero_like(NodeId like) { return constant_like(like, 0); }
  NodeId zeros(const TensorType& type) { return constant(type, 0); }
  NodeId iota(TensorType type, int64_t axis);                         // i32: the index along axis

  // Pointwise.
  NodeId unary(OpKind kind, NodeId x) { return make(kind, {x}); }
  NodeId neg(NodeId x) { return make(OpKind::Neg, {x}); }
  NodeId add(NodeId x, NodeId y) { return make(OpKind::Add, {x, y}); }
  NodeId sub(NodeId x, NodeId y) { return make(OpKind::Sub, {x, y}); }
  NodeId mul(NodeId x, NodeId y) { return make(OpKind::Mul, {x, y}); }
  NodeId div(NodeId x, NodeId y) { return make(OpKind::Div, {x, y}); }
  NodeId less(NodeId x, NodeId y) { return make(OpKind::Less, {x, y}); }
  NodeId less_equal(NodeId x, NodeId y) { return make(OpKind::LessEqual, {x, y}); }
  NodeId equal(NodeId x, NodeId y) { return make(OpKind::Equal, {x, y}); }
  NodeId select(NodeId c, NodeId x, NodeId y) { return make(OpKind::Select, {c, x, y}); }
  NodeId convert(NodeId x, DType to);                                 // x itself where it fits

  // Reduce, contract, layout.
  NodeId sum(NodeId x, std::vector<int64_t> dims, bool keep = false);
  NodeId reduce(OpKind kind, NodeId x, std::vector<int64_t> dims, bool keep = false);
  NodeId matmul(NodeId a, NodeId b, bool ta = false, bool tb = false);
  NodeId reshape(NodeId x, Shape shape);
  NodeId transpose(NodeId x, std::vector<int64_t> perm);
  NodeId broadcast(NodeId x, Shape shape);
  NodeId reverse(NodeId x, size_t dim);  // from its last element to its first along a dimension
  /// The sum over what broadcasting `shape` to x's shape repeated: back to `shape`.
  NodeId unbroadcast(NodeId x, const Shape& shape);
  /// The number of elements in `dims` of x, as rank-0 f32 (a constant, or batch_size times one).
  NodeId count(NodeId x, const std::vector<int64_t>& dims);

 private:
  Graph* graph_;
  std::vector<TensorType> types_;  // of the operands at hand, memory used again
  Span span_;
  NodeId of_;
  int32_t scope_ = -1;
};

}  // namespace gradus
