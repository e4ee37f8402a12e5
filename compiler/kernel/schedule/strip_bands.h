// Strips under a causal mask: which of their products need or have only the lower triangle.
// Internal to the strip's builder.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "cluster/cluster.h"

namespace gradus::kernel {

/// Products by their anchors. Bands are possible only where all parts agree.
struct Bands {
  int64_t columns = 0;  // of the square matrices under the mask
  /// Results of which nobody reads what is above the diagonal: the columns of a band of rows end
  /// with the band.
  std::vector<NodeId> trims_columns;
  /// Left operands that are 0 above the diagonal: the sum over k ends there.
  std::vector<NodeId> k_ends_at_diagonal;
  /// Such operands transposed, 0 below it: the sum over k starts there.
  std::vector<NodeId> k_starts_at_diagonal;

  static bool has(const std::vector<NodeId>& anchors, NodeId anchor) {
    return std::ranges::find(anchors, anchor) != anchors.end();
  }
};

std::optional<Bands> find_bands(const Graph& graph, const Cluster& strip);

}  // namespace gradus::kernel
