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
  int64_t columns = 0;           // of the square matrices under the mask
  std::vector<NodeId> columned;  // results of which nobody reads what is above the diagonal
  std::vector<NodeId> ended;     // left operands that are 0 above: terms end at the diagonal
  std::vector<NodeId> begun;     // such operands transposed: terms begin at the diagonal

  bool cuts_columns(NodeId anchor) const { return std::ranges::count(columned, anchor) > 0; }
  bool ends_terms(NodeId anchor) const { return std::ranges::count(ended, anchor) > 0; }
  bool begins_terms(NodeId anchor) const { return std::ranges::count(begun, anchor) > 0; }
};

std::optional<Bands> find_bands(const Graph& graph, const Cluster& strip);

}  // namespace gradus::kernel
