// Longest paths over the members, counted in folds: a fold needs all columns of its row before its
// result is known, so each fold on a path from a value to a reader starts another loop.
//
//   softmax    loop 0: fold max of x
//              loop 1: e = exp(x - max), fold sum of e
//              loop 2: store e / sum               e crosses from loop 1 to loop 2: it is held in
//                                                  registers, spilled, or computed again
//
// Invariant: a member's loop is the earliest in which all that it reads is known; only updates in
// place wait for the last loop, as they overwrite what others still read.
#include "kernel/schedule/stages.h"

#include <algorithm>

#include "graph/op.h"

namespace gradus::kernel {

namespace {

class Stager {
 public:
  Stager(const Graph& graph, const Cluster& cluster, const ClusterSpace& space)
      : graph_(graph), cluster_(cluster), space_(space) {}

  Stages run() {
    Stages stages;
    for (NodeId member : cluster_.members) {
      stages.of.push_back(stage_of(stages, member));
      if (is_fold(member)) stages.count = std::max(stages.count, stages.of.back());
      if (is_full(member)) stages.count = std::max(stages.count, stages.of.back() + 1);
    }
    delay_updates(stages);
    find_crossing(stages);
    return stages;
  }

 private:
  bool is_fold(NodeId id) const { return op_def(graph_[id].op).cls == OpClass::Reduce; }
  bool is_full(NodeId id) const {
    return !is_fold(id) && level_of(graph_, space_, id) == Level::Full;
  }
  std::optional<size_t> position(NodeId id) const {
    const auto& members = cluster_.members;
    const auto at = std::find(members.begin(), members.end(), id);
    if (at == members.end()) return std::nullopt;
    return static_cast<size_t>(at - members.begin());
  }
  /// Full members: the loop they are computed in. Folds: the loop after theirs. Others: the loop
  /// before which they are known.
  int stage_of(const Stages& stages, NodeId member) const {
    int stage = 0;
    for (NodeId operand : graph_[member].operands) {
      const auto at = position(resolve_view(graph_, operand).source);
      if (at) stage = std::max(stage, stages.of[*at]);
    }
    return is_fold(member) ? stage + 1 : stage;
  }
  /// A parameter is overwritten in the last loop, when nobody reads it again.
  void delay_updates(Stages& stages) const {
    for (const auto& [value, leaf] : cluster_.updates) {
      const auto at = position(value);
      if (at && is_full(value)) stages.of[*at] = stages.count - 1;
    }
  }
  void find_crossing(Stages& stages) const {
    for (size_t i = 0; i < cluster_.members.size(); ++i) {
      const NodeId member = cluster_.members[i];
      if (is_full(member) && read_later(stages, member, stages.of[i])) {
        stages.crossing.push_back(member);
      }
    }
  }
  bool read_later(const Stages& stages, NodeId member, int stage) const {
    for (size_t i = 0; i < cluster_.members.size(); ++i) {
      const NodeId reader = cluster_.members[i];
      const int reading = is_fold(reader) ? stages.of[i] - 1 : stages.of[i];
      if (reading <= stage || (!is_full(reader) && !is_fold(reader))) continue;
      for (NodeId operand : graph_[reader].operands) {
        if (resolve_view(graph_, operand).source == member) return true;
      }
    }
    return false;
  }

  const Graph& graph_;
  const Cluster& cluster_;
  const ClusterSpace& space_;
};

}  // namespace

Stages find_stages(const Graph& graph, const Cluster& cluster, const ClusterSpace& space) {
  return Stager(graph, cluster, space).run();
}

}  // namespace gradus::kernel
