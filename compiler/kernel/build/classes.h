// The builders, one for each class of clusters; build_cluster dispatches clusters to them.
#pragma once

#include "cluster/cluster_space.h"
#include "kernel/kernel.h"
#include "support/target.h"

namespace gradus::kernel {

/// What a builder is given: a cluster of the clustering, or a part of one.
struct BuildInput {
  const Graph& graph;
  const Clustering& clustering;
  const Cluster& cluster;
  const Schedule& schedule;
  const Target& target;
  int64_t capacity = 1;
};

/// Matrix products: the cluster with one contraction becomes blocks, packs and a grid of register
/// tiles whose epilogue is the rest of the cluster, in the tile or over the finished block.
/// Every layout is a matter of strides: the operands are read through their views, and where the
/// lanes axis of the right operand is not unit-stride it is packed, which transposes it.
Kernel build_contract(const BuildInput& input);

Kernel build_pointwise(const BuildInput& input);
/// A copy cluster: its anchor into the buffer of one result.
Kernel build_copy(const BuildInput& input);

Kernel build_rows(const BuildInput& input);

Kernel build_chain(const BuildInput& input);

Kernel build_scatter(const BuildInput& input);
Kernel build_cumulative(const BuildInput& input);

Kernel build_scalar(const BuildInput& input);

Kernel build_strip(const BuildInput& input);
Kernel build_row_strip(const BuildInput& input);

/// The builder of the cluster's class.
Kernel build_cluster(const BuildInput& input);

}  // namespace gradus::kernel
