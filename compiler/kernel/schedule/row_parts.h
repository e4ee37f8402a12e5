// The parts of a strip by rows, which has no items: a cluster that goes over the rows of a matrix,
// and others that sum the columns of each block of rows behind it.
#pragma once

#include <vector>

#include "cluster/cluster.h"

namespace gradus::kernel {

/// Whoever goes first over a block of rows, and the sums, all of equal chunks.
struct RowParts {
  const Cluster* rows = nullptr;
  std::vector<const Cluster*> sums;
  int64_t chunk = 1;
  Dim height;  // of the matrix

  RowParts(const Graph& graph, const Cluster& strip);
};

}  // namespace gradus::kernel
