// What fusion decides: which nodes become one kernel. Nodes stay in the graph; a cluster names
// them.
//
//   cluster @4 contract(%7) {          // class(anchor); members in topological order
//     %7 = matmul %x, %fc.w : f32[batch,256]
//     %8 = add %7, %fc.b : f32[batch,256]
//   } yields %8
//
// A strip is several clusters, its parts, over the same items (leading dimensions): an item goes
// through all of them before the next, so that what passes between parts is never more than an item
// of scratch. A part may compute again what another cluster has computed, so that it is not stored
// for this; and may store its value straight to where a layout node would move it.
//
//   cluster @9 strip(%24) over [batch,4] {
//     part contract(%24) {
//       ...
//     } yields %24
//     part contract(%35) {
//       %35 = matmul %34, %22 : f32[batch,4,64,32]
//     } moves %37 = %35
//   } yields %37
//
// A strip `by rows` has no items: a cluster that goes over the rows of a matrix, and others that sum
// the columns of each block of rows behind it.
//
// Every node that needs computing is a member of exactly one cluster, but for those that a cluster
// reads in place: leaves, and layout nodes that are views (strides) of a buffer or of a leaf.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace gradus {

using ClusterId = Id<struct ClusterTag>;

enum class ClusterClass : uint8_t { Pointwise, Rows, Contract, Strip, Scatter, Scalar };
/// All of them, for readers.
inline constexpr ClusterClass kClusterClasses[] = {
    ClusterClass::Pointwise, ClusterClass::Rows,    ClusterClass::Contract,
    ClusterClass::Strip,     ClusterClass::Scatter, ClusterClass::Scalar};
std::string_view cluster_class_name(ClusterClass cls);

struct Cluster {
  ClusterClass cls = ClusterClass::Pointwise;
  NodeId anchor;
  std::vector<NodeId> members;  // ascending, and so in topological order
  std::vector<NodeId> yields;   // members that other clusters or results read: each is stored once
  /// Yields that are new values of a parameter or state (value, leaf), stored straight into the
  /// leaf's buffer: everyone else who reads the old value runs before this cluster. Such a yield
  /// has no buffer of its own; whoever else reads it reads the leaf, after this cluster.
  std::vector<std::pair<NodeId, NodeId>> updates;
  /// A strip and its parts: extents of the item dimensions, which lead every value that passes
  /// between parts. Spaces keep them apart from what follows.
  std::vector<Dim> items;
  std::vector<Cluster> parts;   // in the order in which an item goes through them
  bool again = false;           // a part whose members other clusters have computed
  std::vector<NodeId> repeats;  // a strip's: members of such parts, in order
  /// A part's: values stored straight into the buffer of the layout node that moves them.
  std::vector<std::pair<NodeId, NodeId>> moves;
  /// A copy cluster (else -1): no members; `anchor` (a leaf, a view or another cluster's yield) is
  /// stored into the buffer of this result (of an Update: the leaf's), which has no other writer.
  int32_t copy_result = -1;
};

struct Clustering {
  IdVector<ClusterId, Cluster> clusters;   // in an order that may be executed
  IdVector<NodeId, ClusterId> cluster_of;  // invalid for leaves and views
  IdVector<NodeId, std::string> names;     // of the graph's values, as text calls them
};

/// A node read in place: `source` is a leaf or a yield, addressed by strides. Extents are those of
/// the viewed node; strides are in elements of the source, 0 where a dimension repeats. With a
/// `batch` dimension of `k*batch` rows the stride is per row, and batch is always outermost in
/// memory, so no stride depends on n.
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
/// Where the elements of `value` lie in the buffer of `moved`, a layout node (reshape, or concat
/// around such) that reads it through others: a view of the shape of `value`. Nothing where strides
/// cannot say it.
std::optional<View> stored_view(const Graph& graph, NodeId value, NodeId moved);
/// The view with other extents of equal count; nothing where strides cannot say it.
std::optional<View> reshape_view(const View& view, const Shape& shape);

}  // namespace gradus
