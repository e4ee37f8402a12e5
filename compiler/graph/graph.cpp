// Small questions about graphs.
#include "graph/graph.h"

namespace gradus {

std::string_view result_kind_name(ResultKind kind) {
  switch (kind) {
    case ResultKind::Value:
      return "value";
    case ResultKind::Output:
      return "output";
    case ResultKind::Loss:
      return "loss";
    case ResultKind::Update:
      return "update";
    case ResultKind::AccumulateSum:
      return "accumulate_sum";
    case ResultKind::AccumulateMax:
      return "accumulate_max";
    case ResultKind::AccumulateMin:
      return "accumulate_min";
    case ResultKind::AccumulateMoments:
      return "accumulate_moments";
    case ResultKind::Check:
      return "check";
  }
  return "";
}

IdVector<NodeId, int> count_uses(const Graph& graph) {
  IdVector<NodeId, int> uses(graph.size(), 0);
  for (const Node& node : graph.nodes) {
    for (NodeId operand : node.operands) ++uses[operand];
  }
  for (const Result& result : graph.results) ++uses[result.value];
  return uses;
}

const std::string& leaf_name(const Node& node) { return node.attrs.string(AttrName::Name); }

bool is_leaf(const Node& node) { return class_of(node) == OpClass::Leaf; }

}  // namespace gradus
