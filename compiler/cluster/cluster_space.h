// The iteration space of a cluster: dimensions over which its members are computed, and where every
// value that they read lies, as a linear form over those dimensions. Fusion asks whether a space
// exists (a set of nodes that has none is no cluster); kernels are built from it.
//
// A member is at level Full (one element per point) or Folded (one element per point of the
// dimensions that are not folded). All accesses to one member are at its own point, so a member is
// computed once per point and read in registers. Everything else is read from buffers.
#pragma once

#include <optional>
#include <vector>

#include "cluster/cluster.h"

namespace gradus {

/// Sum of stride * coordinate + offset: an element of a buffer, or an index along a dimension.
struct AccessMap {
  std::vector<int64_t> strides;  // one per dimension of the space
  int64_t offset = 0;
  friend bool operator==(const AccessMap&, const AccessMap&) = default;
};

enum class Level : uint8_t { Full, Folded };

struct ClusterSpace {
  std::vector<Dim> extents;  // outermost in memory first
  std::vector<bool> folded;  // one per extent: reduced by the cluster's folds
};

/// The coarsest space in which every access of the cluster is linear; nothing where there is none.
/// Contract: the dimensions of the product, [batch..., M, N], never merged.
std::optional<ClusterSpace> find_space(const Graph& graph, const Cluster& cluster);
/// As find_space, of a cluster that fusion has made: it has one.
ClusterSpace space_of(const Graph& graph, const Cluster& cluster);

Level level_of(const Graph& graph, const ClusterSpace& space, NodeId member);
/// Elements of the member's own dense buffer.
AccessMap own_map(const Graph& graph, const ClusterSpace& space, NodeId member);
/// Where `member` reads `view` (extents as in broadcast_view(view, member's shape)); nothing where
/// no linear form says it.
std::optional<AccessMap> operand_map(const Graph& graph, const ClusterSpace& space, NodeId member,
                                     const View& view);
/// Whether a fold's dimensions end its operand's shape, so that they may run along lanes; else it is a
/// chain: ascending, one accumulator for each column.
bool folds_along_lanes(const Graph& graph, const Node& fold);
/// Whether the fold of a rows cluster is a chain: summed over items, whole or in chunks.
bool is_chain(const Graph& graph, const Cluster& cluster);
/// Whether a reshape's old and new dimensions cross, so that no linear form says where an element was:
/// it is then found by division.
bool dimensions_cross(const Graph& graph, NodeId reshape);
/// Where a copy of this node reads the buffer (or iota) that it is a view of.
std::optional<AccessMap> copied_map(const Graph& graph, const ClusterSpace& space, NodeId copied);
/// Element: at the member's own point (through a view). Indexed: where indices from data or guards
/// say.
enum class OperandRole : uint8_t { Element, Indexed };
OperandRole operand_role(const Node& node, size_t k);
/// Whether its value depends on where it stands: pads, indexed rows.
bool reads_coordinates(const Node& node);
/// Operand `k` as `member` reads it: broadcast to its shape where it is pointwise.
View operand_view(const Graph& graph, NodeId member, size_t k);
/// Whether a view's source is memory: not a constant of one value, nor known by its position alone.
bool is_buffer(const Node& source);
/// Steps through the elements of an Iota as steps of its index.
AccessMap along_iota(const Node& iota, AccessMap elements);
/// The value of an Iota seen through `view`.
std::optional<AccessMap> iota_map(const Graph& graph, const ClusterSpace& space, NodeId member,
                                  const View& view);
/// The member's index along its dimension `dim`.
std::optional<AccessMap> coordinate_map(const Graph& graph, const ClusterSpace& space,
                                        NodeId member, size_t dim);

}  // namespace gradus
