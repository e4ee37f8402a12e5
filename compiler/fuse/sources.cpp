#include "fuse/sources.h"

#include <algorithm>

#include "cluster/viewed.h"

namespace gradus::fuse {

bool contains(const std::vector<NodeId>& nodes, NodeId id) {
  return std::ranges::find(nodes, id) != nodes.end();
}

Sources::Sources(const Graph& graph) : graph_(&graph), viewed_(find_viewed(graph)) {
  find_sources();
  find_leaves();
}

void Sources::find_sources() {
  begins_.reserve(graph_->size() + 1);
  for (const Node& node : graph_->nodes) {
    const auto begin = static_cast<std::ptrdiff_t>(sources_.size());
    begins_.push_back(sources_.size());
    for (NodeId operand : node.operands) {
      const NodeId source = viewed_[operand];
      if (std::find(sources_.begin() + begin, sources_.end(), source) == sources_.end()) {
        sources_.push_back(source);
      }
    }
  }
  begins_.push_back(sources_.size());
}

void Sources::find_leaves() {
  for (size_t i = 0; i < graph_->size(); ++i) {
    const Node& node = (*graph_)[NodeId(i)];
    const bool stored = node.op == OpKind::Param || node.op == OpKind::State;
    if (stored) leaves_.emplace(leaf_name(node), NodeId(i));
  }
}

NodeId Sources::leaf(std::string_view name) const {
  const auto found = leaves_.find(name);
  return found == leaves_.end() ? NodeId() : found->second;
}

IdVector<ClusterId, std::vector<NodeId>> Sources::reads_of_all(const Clustering& clustering) const {
  IdVector<ClusterId, std::vector<NodeId>> reads;
  for (const Cluster& cluster : clustering.clusters) reads.push_back(reads_of(cluster));
  return reads;
}

std::vector<NodeId> Sources::reads_of(const Cluster& cluster) const {
  if (cluster.copy_result >= 0) return {viewed_[cluster.anchor]};
  std::vector<NodeId> computed = cluster.members;
  computed.insert(computed.end(), cluster.repeats.begin(), cluster.repeats.end());
  if (!std::ranges::is_sorted(computed)) std::ranges::sort(computed);
  std::vector<NodeId> reads;
  for (NodeId node : computed) {
    for (NodeId source : of(node)) {
      if (!std::ranges::binary_search(computed, source)) reads.push_back(source);
    }
  }
  std::ranges::sort(reads);
  const auto repeated = std::ranges::unique(reads);
  reads.erase(repeated.begin(), repeated.end());
  return reads;
}

}  // namespace gradus::fuse
