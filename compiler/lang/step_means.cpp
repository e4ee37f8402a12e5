// What is linear in means of the rows keeps its sense under a mean over steps. Each node up to the
// value has one of few kinds; operators combine these as in a check of dimensions, with the number of
// rows as the unit.
#include "lang/step_means.h"

#include <algorithm>

namespace gradus::lang {

namespace {

enum class Kind : uint8_t {
  Fixed,  // no row is read
  Row,    // something of each row
  Rows,   // how many rows, times something fixed
  Sum,    // linear in sums over the rows
  Mean,   // linear in means over the rows
  Other,
};

bool has_batch(const TensorType& type) {
  return std::ranges::any_of(type.shape, [](const Dim& dim) { return dim.batch; });
}

Kind product(Kind a, Kind b) {
  if (a == Kind::Fixed) return b;
  if (b == Kind::Fixed) return a;
  if (a == Kind::Mean && b == Kind::Rows) return Kind::Sum;
  return a == Kind::Rows && b == Kind::Mean ? Kind::Sum : Kind::Other;
}

Kind quotient(Kind a, Kind b) {
  if (b == Kind::Fixed) return a;
  if (b != Kind::Rows) return Kind::Other;
  return a == Kind::Sum ? Kind::Mean : a == Kind::Rows ? Kind::Fixed : Kind::Other;
}

Kind sum(Kind a, Kind b) {
  if (a == b && a != Kind::Rows) return a;
  bool means = std::max(a, b) == Kind::Mean && std::min(a, b) == Kind::Fixed;
  return means ? Kind::Mean : Kind::Other;
}

class Kinds {
 public:
  explicit Kinds(const Graph& graph) : graph_(graph) {}

  Kind of(NodeId value) {
    for (size_t i = 0; i <= value.index(); ++i) kinds_.push_back(find(graph_[NodeId(i)]));
    return kinds_[value];
  }

 private:
  Kind operand(const Node& node, size_t i) const { return kinds_[node.operands[i]]; }

  Kind find(const Node& node) const {
    if (has_batch(node.type)) return Kind::Row;
    if (node.op == OpKind::BatchSize) return Kind::Rows;
    bool fixed = true, row = false;
    for (NodeId x : node.operands) {
      fixed &= kinds_[x] == Kind::Fixed;
      row |= kinds_[x] == Kind::Row;
    }
    if (fixed) return Kind::Fixed;
    if (row && node.op != OpKind::OwnDerivative) {
      bool adds = node.op == OpKind::Sum || node.op == OpKind::Matmul;
      return adds ? Kind::Sum : Kind::Other;
    }
    return combined(node);
  }

  /// Of values without rows.
  Kind combined(const Node& node) const {
    switch (node.op) {
      case OpKind::Neg:
      case OpKind::Convert:
      case OpKind::Sum:
      case OpKind::StopGradient:
      case OpKind::OwnDerivative:  // its value is its first operand
      case OpKind::Gradient:       // linear in what is differentiated; the rest is fixed
        return operand(node, 0);
      case OpKind::Add:
      case OpKind::Sub:
        return sum(operand(node, 0), operand(node, 1));
      case OpKind::Mul:
        return product(operand(node, 0), operand(node, 1));
      case OpKind::Div:
        return quotient(operand(node, 0), operand(node, 1));
      default:
        return node.operands.size() == 1 && op_def(node.op).cls == OpClass::Layout
                   ? operand(node, 0)
                   : Kind::Other;
    }
  }

  const Graph& graph_;
  IdVector<NodeId, Kind> kinds_;
};

}  // namespace

bool depends_on_steps(const Graph& graph, NodeId value) {
  const Kind kind = Kinds(graph).of(value);
  return kind != Kind::Fixed && kind != Kind::Mean;
}

}  // namespace gradus::lang
