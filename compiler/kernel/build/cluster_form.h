// What of a cluster decides its kernel: clusters of equal form have the same kernel, but for the
// nodes that its slots stand for. Blocks that repeat are built once.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "cluster/cluster.h"

namespace gradus::kernel {

struct ClusterForm {
  /// All that schedules and builders read of the graph, with nodes by number. Equal keys: equal
  /// kernels, where nodes of one number take each other's places.
  std::string key;
  std::vector<NodeId> nodes;  // by number: the cluster's own, then what they read
};

/// Forms of the clusters of one graph.
class FormFinder {
 public:
  FormFinder(const Graph& graph, const Clustering& clustering);

  ClusterForm find(const Cluster& cluster);

 private:
  void write(int64_t number);
  void write(const Shape& shape);
  void write(const Attrs& attrs);
  void mention(NodeId id);
  void mention(const std::vector<NodeId>& ids);
  void mention(const std::vector<std::pair<NodeId, NodeId>>& pairs);
  void describe(const Cluster& cluster);
  void describe_bands(const Cluster& strip);
  void describe_copy(const Cluster& copy);
  void describe_node(NodeId id, bool own);

  const Graph& graph_;
  const Clustering& clustering_;
  std::unordered_map<std::string, NodeId> leaves_;  // parameters and states by name
  IdVector<NodeId, int64_t> numbers_;               // in the form at hand; -1: not mentioned
  ClusterForm form_;
};

}  // namespace gradus::kernel
