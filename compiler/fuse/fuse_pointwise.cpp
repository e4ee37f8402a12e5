// What is left: scalars into one cluster, and pointwise neighbours by the bytes that pass between
// them.
#include <algorithm>
#include <tuple>

#include "fuse/legality.h"
#include "graph/op.h"

namespace gradus::fuse {

bool merge_single_use_producers(Drafts& drafts, DraftId id) {
  bool changed = false;
  for (DraftId candidate : drafts.producers(id)) {
    if (drafts[candidate].cls != ClusterClass::Pointwise) continue;
    if (!drafts.only_read_by(candidate, id)) continue;
    changed |= drafts.merge(id, candidate);
  }
  return changed;
}

namespace {

bool is_scalar_work(const Drafts& drafts, DraftId id) {
  const Graph& graph = drafts.graph();
  for (NodeId member : drafts[id].members) {
    const Node& node = graph[member];
    if (op_def(node.op).cls != OpClass::Pointwise || !node.type.is_scalar()) return false;
    for (NodeId operand : node.operands) {
      if (!graph.type(operand).is_scalar()) return false;
      const DraftId producer = drafts.draft_of(drafts.sources().viewed(operand));
      if (producer.valid() && drafts[producer].cls != ClusterClass::Scalar && producer != id)
        return false;
    }
  }
  return true;
}

struct Edge {
  int64_t bytes;
  DraftId consumer, producer;
};

std::vector<Edge> pointwise_edges(const Drafts& drafts) {
  std::vector<Edge> edges;
  for (DraftId consumer : drafts.live(ClusterClass::Pointwise)) {
    for (DraftId producer : drafts.producers(consumer)) {
      if (drafts[producer].cls != ClusterClass::Pointwise) continue;
      edges.push_back({drafts.bytes_between(producer, consumer), consumer, producer});
    }
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
    return std::tuple(-a.bytes, a.consumer, a.producer) <
           std::tuple(-b.bytes, b.consumer, b.producer);
  });
  return edges;
}

}  // namespace

void fuse_scalar(Drafts& drafts) {
  DraftId all;
  for (DraftId id : drafts.live(ClusterClass::Pointwise)) {
    if (!is_scalar_work(drafts, id)) continue;
    if (!all.valid()) {
      all = id;
      drafts.set_class(id, ClusterClass::Scalar);
    } else {
      drafts.merge(all, id);
    }
  }
}

void fuse_pointwise(Drafts& drafts) {
  bool changed = true;
  while (changed) {
    changed = false;
    for (const Edge& edge : pointwise_edges(drafts)) {
      // Earlier merges of this round may have moved either end.
      if (drafts[edge.consumer].members.empty() || drafts[edge.producer].members.empty()) continue;
      changed |= drafts.merge(edge.producer, edge.consumer);
    }
  }
}

}  // namespace gradus::fuse
