#include "fuse/class_rules.h"

#include <algorithm>

#include "graph/op.h"

namespace gradus::fuse {

namespace {

constexpr int64_t kLongRow = 16384;

/// Members are sorted.
bool is_member(const Cluster& cluster, NodeId id) {
  return std::binary_search(cluster.members.begin(), cluster.members.end(), id);
}

class ClassRules {
 public:
  ClassRules(const Sources& sources, const Cluster& cluster, const ClusterSpace& space)
      : sources_(sources), graph_(sources.graph()), cluster_(cluster), space_(space) {}

  bool hold() const {
    switch (cluster_.cls) {
      case ClusterClass::Contract:
        return contract_holds();
      case ClusterClass::Rows:
        return is_chain(graph_, cluster_) ? chain_holds() : lanes_hold();
      case ClusterClass::Pointwise:
      case ClusterClass::Scalar:
        return count(OpClass::Reduce) == 0;
      default:
        return cluster_.members.size() == 1;
    }
  }

 private:
  int64_t count(OpClass cls) const {
    return std::count_if(cluster_.members.begin(), cluster_.members.end(),
                         [&](NodeId id) { return class_of(graph_[id]) == cls; });
  }
  bool contract_holds() const {
    const auto sources = sources_.of(cluster_.anchor);
    const bool prologue = std::any_of(sources.begin(), sources.end(),
                                      [&](NodeId source) { return is_member(cluster_, source); });
    return count(OpClass::Contract) == 1 && count(OpClass::Reduce) == 0 && !prologue;
  }
  bool lanes_hold() const {
    if (count(OpClass::Contract) > 0) return false;
    for (NodeId member : cluster_.members) {
      const bool fold = is_fold(graph_[member]);
      if (fold && !folds_along_lanes(graph_, graph_[member])) return false;
    }
    return std::count(space_.folded.begin(), space_.folded.end(), true) == 1 &&
           space_.folded.back() && !(is_one_long_row() && reads_fold_again());
  }
  /// A fold over a whole large tensor is one item; what follows it elementwise is better off with
  /// many.
  bool is_one_long_row() const {
    return space_.extents.size() == 1 && space_.extents[0].value > kLongRow;
  }
  bool reads_fold_again() const {
    return std::any_of(cluster_.members.begin(), cluster_.members.end(), [&](NodeId member) {
      if (is_fold(graph_[member])) return false;
      if (level_of(graph_, space_, member) != Level::Full) return false;
      const auto sources = sources_.of(member);
      return std::any_of(sources.begin(), sources.end(), [&](NodeId source) {
        return is_member(cluster_, source) && level_of(graph_, space_, source) == Level::Folded;
      });
    });
  }
  /// Sums are known when all rows are done: nothing of a single row may read them.
  bool chain_holds() const {
    const Node& anchor = graph_[cluster_.anchor];
    const bool partial = anchor.op == OpKind::PartialSum;
    if (count(OpClass::Contract) > 0) return false;
    if (partial && std::count(space_.folded.begin(), space_.folded.end(), true) != 1) return false;
    for (NodeId member : cluster_.members) {
      const Node& node = graph_[member];
      if (is_fold(graph_[member])) {
        const bool other_kind = (node.op == OpKind::PartialSum) != partial;
        if (other_kind || folds_along_lanes(graph_, node)) return false;
        if (partial && (node.attrs != anchor.attrs || node.type.shape != anchor.type.shape)) {
          return false;
        }
      }
      if (!chain_member_holds(member, partial)) return false;
    }
    return true;
  }
  bool chain_member_holds(NodeId member, bool partial) const {
    const bool fold = is_fold(graph_[member]);
    const bool per_row = fold || level_of(graph_, space_, member) == Level::Full;
    if (partial && !per_row) return false;
    for (NodeId source : sources_.of(member)) {
      if (!is_member(cluster_, source)) continue;
      const bool sum = is_fold(graph_[source]);
      if (per_row && (sum || level_of(graph_, space_, source) == Level::Folded)) return false;
      if (!per_row && !sum && level_of(graph_, space_, source) == Level::Full) return false;
    }
    return true;
  }

  const Sources& sources_;
  const Graph& graph_;
  const Cluster& cluster_;
  const ClusterSpace& space_;
};

}  // namespace

std::set<NodeId> computed_at_indices(const Graph& graph, const std::vector<NodeId>& members) {
  std::set<NodeId> found;
  for (size_t i = members.size(); i-- > 0;) {
    const Node& node = graph[members[i]];
    for (size_t k = 0; k < node.operands.size(); ++k) {
      if (found.count(members[i]) == 0 && operand_role(node, k) != OperandRole::Indexed) continue;
      const NodeId source = operand_view(graph, members[i], k).source;
      if (contains(members, source) && !is_fold(graph[source])) found.insert(source);
    }
  }
  return found;
}

bool class_rules_hold(const Sources& sources, const Cluster& cluster, const ClusterSpace& space) {
  return ClassRules(sources, cluster, space).hold();
}

}  // namespace gradus::fuse
