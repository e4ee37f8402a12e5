// In which of a row's loops each member is computed: a fold's result is known after its loop,
// whoever reads it waits for the next one. Internal to the rows class.
#pragma once

#include "cluster/cluster_space.h"
#include "kernel/kernel.h"

namespace gradus::kernel {

struct Stages {
  std::vector<int> of;  // per member of the cluster, in its order
  int count = 1;        // loops over the columns
  /// Full members that a later loop than their own reads, or that a loop's folds and stores need
  /// again.
  std::vector<NodeId> crossing;
};
Stages find_stages(const Graph& graph, const Cluster& cluster, const ClusterSpace& space);

}  // namespace gradus::kernel
