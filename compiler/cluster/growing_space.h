// The space of a cluster that gains members, one lot after another: what has been found of those
// that it had is not found again.
//
// A member's elements are numbered as they lie in memory, and the boundaries between dimensions of
// all members cut that one line into the finest dimensions (graph/space_line.h). Views are then
// linear over these, and neighbours are joined again where every access allows it. While new
// members cut nothing, the accesses of earlier ones are what they were.
#pragma once

#include "cluster/space_line.h"

namespace gradus {

class GrowingSpace {
 public:
  /// Of a cluster of this class, anchor and items, that has no members yet. Items lead the shape of
  /// the anchor, of a fold that of its operand.
  GrowingSpace(const Graph& graph, ClusterClass cls, NodeId anchor, const std::vector<Dim>& items);

  using Members = std::span<const NodeId>;
  /// `joined` are new, `members` are then all, ascending; `readers` are those earlier ones that
  /// read new ones. False where no space holds them all: this one is then of no use.
  bool add(Members members, Members joined, Members readers);
  /// The coarsest space in which all accesses are linear.
  ClusterSpace space() const;

 private:
  /// What a View says, of shapes and strides that stand elsewhere.
  struct Access {
    NodeId source;
    std::span<const Dim> extents;
    std::span<const int64_t> strides;
    int64_t offset;
  };

  bool cut_for(NodeId member);
  bool divide();
  bool all_fit(Members checked, Members members);

  bool fits(NodeId member, Members members);
  bool operand_fits(NodeId member, size_t k, Members members);
  bool plain_operand_fits(NodeId member, NodeId operand, Members members);
  bool element_fits(NodeId member, const Access& access, Members members);
  bool indexed_fits(NodeId member, const View& view, Members members) const;
  bool runs_along_fold(NodeId source, int64_t axis) const;
  bool same_fold(const Node& node) const;

  const Shape& shape(NodeId id) const { return graph_->type(id).shape; }
  Level level(NodeId member) const;
  Level reading_level(NodeId member) const;
  bool is_own_point(NodeId source, const Steps& steps, int64_t offset) const;

  const Graph* graph_;
  ClusterClass cls_;
  NodeId anchor_;
  Frame frame_;
  Dim full_, kept_;  // elements of the frame, and of its dimensions that are not folded
  Steps ends_;       // of items
  Cuts cuts_;
  Line line_;
  size_t line_cuts_ = 0;  // so many there were when the line was divided
};

}  // namespace gradus
