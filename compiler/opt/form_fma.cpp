// First decides which products are absorbed, then rebuilds. The pass names kinds: it is about
// these.
#include "opt/form_fma.h"

#include "graph/rewrite.h"

namespace gradus::opt {

namespace {

struct Decision {
  IdVector<NodeId, int> product;    // of an add or sub: the operand to absorb, or -1
  IdVector<NodeId, bool> absorbed;  // products that are no nodes any more
  bool any = false;
};

bool is_sum(const Node& node) {
  return (node.op == OpKind::Add || node.op == OpKind::Sub) && is_float(node.type.dtype);
}

Decision decide(const Graph& graph) {
  Decision decision{IdVector<NodeId, int>(graph.size(), -1), IdVector<NodeId, bool>(graph.size())};
  IdVector<NodeId, int> uses = count_uses(graph);
  for (size_t i = 0; i < graph.size(); ++i) {
    const Node& node = graph[NodeId(i)];
    if (!is_sum(node)) continue;
    for (int side = 0; side < 2 && decision.product[NodeId(i)] < 0; ++side) {
      NodeId operand = node.operands[static_cast<size_t>(side)];
      const Node& product = graph[operand];
      if (product.op != OpKind::Mul || uses[operand] != 1 || product.type != node.type) continue;
      decision.product[NodeId(i)] = side;
      decision.absorbed[operand] = true;
      decision.any = true;
    }
  }
  return decision;
}

bool is_splat(const Node& node) {
  return node.op == OpKind::Constant && !node.attrs.find(AttrName::Values);
}

/// -x, as a constant where x is one.
NodeId negated(GraphBuilder& builder, NodeId x) {
  const Node& node = builder.graph()[x];
  if (!is_splat(node)) return builder.neg(x);
  const TensorType type = node.type;
  return builder.constant(type, -node.attrs.get_or<double>(AttrName::Value, 0));
}

/// Which factor of a product takes its sign: a constant, else the one of fewer elements.
NodeId& signed_factor(const Graph& graph, NodeId& a, NodeId& b) {
  if (is_splat(graph[a]) || is_splat(graph[b])) return is_splat(graph[b]) ? b : a;
  const auto elements = [&](NodeId id) { return element_count(graph.type(id).shape, 1); };
  return elements(b) < elements(a) ? b : a;
}

void form(Rewriter& rewrite, NodeId id, int side) {
  const Node& node = rewrite.source()[id];
  NodeId product = node.operands[static_cast<size_t>(side)];
  NodeId a = rewrite[rewrite.source()[product].operands[0]];
  NodeId b = rewrite[rewrite.source()[product].operands[1]];
  NodeId c = rewrite[node.operands[static_cast<size_t>(1 - side)]];
  GraphBuilder& builder = rewrite.builder_at(id);
  if (node.op == OpKind::Sub) {
    NodeId& signed_operand = side == 0 ? c : signed_factor(rewrite.graph(), a, b);
    signed_operand = negated(builder, signed_operand);
  }
  NodeId fma = builder.make(OpKind::Fma, {a, b, c});
  rewrite.replace(id, fma);
  rewrite.replace(product, fma);  // for backward nodes whose primal it is
}

}  // namespace

bool form_fma(Graph& graph) {
  Decision decision = decide(graph);
  if (!decision.any) return false;
  Rewriter rewrite(std::move(graph));
  for (NodeId id : rewrite.order()) {
    if (decision.absorbed[id]) continue;
    if (decision.product[id] >= 0) {
      form(rewrite, id, decision.product[id]);
    } else {
      rewrite.keep(id);
    }
  }
  graph = rewrite.finish();
  return true;
}

}  // namespace gradus::opt
