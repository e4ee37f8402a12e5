// What fusion decides: which nodes become one kernel. Nodes stay in the graph; a cluster names them.
//
//   cluster @4 contract(%7) {          // class(anchor); members in topological order
//     %7 = matmul %x, %fc.w : f32[batch,256]
//     %8 = add %7, %fc.b : f32[batch,256]
//   } yields %8
//
// Every node that needs computing is a member of exactly one cluster, but for those that a cluster
// reads in place: leaves, and layout nodes that are views (strides) of a buffer or of a leaf.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace gradus {

using ClusterId = Id<struct ClusterTag>;

enum class ClusterClass : uint8_t { Pointwise, Rows, Contract, Strip, Scatter, Window, Scalar };
std::string_view cluster_class_name(ClusterClass cls);

struct Cluster {
  ClusterClass cls = ClusterClass::Pointwise;
  NodeId anchor;
  std::vector<NodeId> members;  // topological order
  std::vector<NodeId> yields;   // members that other clusters or results read: each is stored once
};

struct Clustering {
  IdVector<ClusterId, Cluster> clusters;       // in an order that may be executed
  IdVector<NodeId, ClusterId> cluster_of;      // invalid for leaves and views
};

/// A node read in place: `source` is a leaf or a yield, addressed by strides. Extents are those of the
/// viewed node; strides are in elements of the source, 0 where a dimension repeats. With a `batch`
/// dimension of `k*batch` rows the stride is per row, and batch is always outermost in memory, so no
/// stride depends on n.
struct View {
  NodeId source;
  Shape extents;
  std::vector<int64_t> strides;
  int64_t offset = 0;
};
/// The view of `id`: through reshape, transpose, broadcast and slice as far as strides can say it.
/// A node that is not a view of another is the dense view of itself.
View resolve_view(const Graph& graph, NodeId id);
/// `view` seen as `shape`, repeated where broadcasting repeats; shapes are known to fit.
View broadcast_view(const View& view, const Shape& shape);
/// The view with other extents of equal count; nothing where strides cannot say it.
std::optional<View> reshape_view(const View& view, const Shape& shape);

}  // namespace gradus
