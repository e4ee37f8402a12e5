// What nodes and clusters of a graph read: views are resolved once for all that ask.
#pragma once

#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cluster/cluster.h"

namespace gradus::fuse {

/// Of one graph, which outlives the table and stays as it is.
class Sources {
 public:
  explicit Sources(const Graph& graph);

  const Graph& graph() const { return *graph_; }
  /// What a node reads, each once: every operand is a view of one of these.
  std::span<const NodeId> of(NodeId node) const {
    return {sources_.data() + begins_[node.index()], sources_.data() + begins_[node.index() + 1]};
  }
  /// The node that this one is a view of: itself where it is none.
  NodeId viewed(NodeId node) const { return viewed_[node]; }
  /// The nodes that a cluster reads and does not compute, ascending; of a copy: what it copies.
  std::vector<NodeId> reads_of(const Cluster& cluster) const;
  IdVector<ClusterId, std::vector<NodeId>> reads_of_all(const Clustering& clustering) const;
  /// The parameter or state of this name; invalid where there is none.
  NodeId leaf(std::string_view name) const;

 private:
  void find_sources();
  void find_leaves();

  const Graph* graph_;
  IdVector<NodeId, NodeId> viewed_;
  std::vector<NodeId> sources_;  // of all nodes, one after another
  std::vector<size_t> begins_;   // where those of each node begin, and the end of the last
  std::unordered_map<std::string_view, NodeId> leaves_;
};

bool contains(const std::vector<NodeId>& nodes, NodeId id);

}  // namespace gradus::fuse
