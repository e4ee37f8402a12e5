// Cluster text in: what print_clustering prints for a graph at hand.
#pragma once

#include <optional>
#include <string>

#include "fuse/fuse.h"
#include "support/diag.h"

namespace gradus::fuse {

/// Reads the clusters of `graph` from byte `begin` of the file on. Each line has to say what the
/// graph says of its nodes, and the clustering has to verify.
std::optional<Clustering> read_clustering(const Graph& graph, const SourceMap& sources,
                                          int32_t file, size_t begin, DiagEngine& diags);
/// Where the clusters behind the graphs of a text begin; its size where there are none.
size_t find_clusters(std::string_view text);

}  // namespace gradus::fuse
