// Each product becomes [.., M, K, N], or [.., K, M, N] where K is the batch; then K is summed. The
// pass names its kind: it is about this one.
#include "opt/expand_products.h"

#include <algorithm>
#include <numeric>

#include "graph/rewrite.h"

namespace gradus::opt {

namespace {

bool is_expanded(const Node& node) {
  return node.op == OpKind::Matmul && node.type.dtype == DType::F64;
}

NodeId swap_last_two(GraphBuilder& builder, NodeId x) {
  std::vector<int64_t> perm(builder.type(x).rank());
  std::iota(perm.begin(), perm.end(), 0);
  std::swap(perm[perm.size() - 2], perm[perm.size() - 1]);
  return builder.transpose(x, perm);
}

/// x with a dimension of size 1 before its last `after` ones.
NodeId with_one(GraphBuilder& builder, NodeId x, int64_t after) {
  Shape shape = builder.type(x).shape;
  shape.insert(shape.end() - after, Dim::fixed(1));
  return builder.reshape(x, shape);
}

NodeId expand(GraphBuilder& builder, NodeId a, NodeId b, bool ta, bool tb, int64_t rank) {
  const TensorType& left = builder.type(a);
  const bool batch_first = left.shape[left.rank() - (ta ? 2 : 1)].batch;
  if (ta != batch_first) a = swap_last_two(builder, a);
  if (tb) b = swap_last_two(builder, b);
  a = with_one(builder, a, 0);
  if (batch_first || builder.type(b).rank() > 2) b = with_one(builder, b, batch_first ? 1 : 2);
  return builder.sum(builder.mul(a, b), {batch_first ? rank - 2 : rank - 1});
}

}  // namespace

bool expand_products(Graph& graph) {
  if (std::ranges::none_of(graph.nodes, is_expanded)) return false;
  Rewriter rewrite(std::move(graph));
  for (NodeId id : rewrite.order()) {
    const Node& node = rewrite.source()[id];
    if (!is_expanded(node)) {
      rewrite.keep(id);
      continue;
    }
    const int64_t rank = static_cast<int64_t>(node.type.rank());
    rewrite.replace(id, expand(rewrite.builder_at(id), rewrite[node.operands[0]],
                               rewrite[node.operands[1]], node.attrs.flag(AttrName::Ta),
                               node.attrs.flag(AttrName::Tb), rank));
  }
  graph = rewrite.finish();
  return true;
}

}  // namespace gradus::opt
