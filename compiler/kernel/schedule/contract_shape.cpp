// Reads the shape of a product from its row of the operator table and its operands' views.
//
// Every contraction is seen as C[b, i, j] = sum over k of A[b, i, k] * B[b, k, j]. A transposed
// operand is a view with its strides exchanged; nothing is moved. Swapped is the same sum from the
// other side, C'[j, i] = sum over k of B'[j, k] * A'[k, i]: the terms and their order are equal.
#include "kernel/schedule/contract_shape.h"


#include <utility>

#include "graph/op.h"
#include "support/check.h"

namespace gradus::kernel {

ContractShape contract_shape(const Graph& graph, const Cluster& cluster, bool swapped) {
  const Node& node = graph[cluster.anchor];
  const OpDef& def = op_def(node.op);
  GRADUS_CHECK(def.contract != nullptr, "the anchor of a contract cluster is a contraction");
  const std::vector<TensorType> types = {graph.type(node.operands[0]),
                                         graph.type(node.operands[1])};
  const ContractDims dims = def.contract(types, node.attrs);
  ContractShape shape;
  for (size_t dim : dims.batch) shape.batch.push_back(node.type.shape[dim]);
  shape.row_dim = dims.row;
  shape.column_dim = dims.column;
  shape.rows = node.type.shape[dims.row];
  shape.columns = node.type.shape[dims.column];
  shape.inner = types[0].shape[dims.left_inner];
  shape.left = {resolve_view(graph, node.operands[0]), dims.left_row, dims.left_inner};
  shape.right = {resolve_view(graph, node.operands[1]), dims.right_column, dims.right_inner};
  if (swapped) {
    std::swap(shape.row_dim, shape.column_dim);
    std::swap(shape.rows, shape.columns);
    std::swap(shape.left, shape.right);
  }
  return shape;
}

bool stores_along_columns(const Graph& graph, const Cluster& cluster) {
  // Batch is outermost in memory: a product whose columns are the batch lies transposed.
  return !graph.type(cluster.anchor).shape.back().batch;
}

int simple_epilogue_ops(const Graph& graph, const Cluster& cluster) {
  int count = 0;
  for (NodeId member : cluster.members) {
    if (member == cluster.anchor) continue;
    const Node& node = graph[member];
    // What is a scalar is computed once before the loops.
    if (node.type.is_scalar()) continue;
    const OpDef& def = op_def(node.op);
    if (def.cost == CostClass::Moves) continue;
    if (def.cls != OpClass::Pointwise || def.cost != CostClass::Simple) return -1;
    ++count;
  }
  return count;
}

}  // namespace gradus::kernel
