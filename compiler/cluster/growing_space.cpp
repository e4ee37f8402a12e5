#include "cluster/growing_space.h"

#include <algorithm>

#include "graph/op.h"

namespace gradus {

namespace {

bool holds(GrowingSpace::Members members, NodeId id) {
  return std::ranges::binary_search(members, id);
}

Flags fold_flags(const Graph& graph, const Node& node) {
  Flags flags(graph.type(node.operands[0]).rank(), false);
  if (node.op == OpKind::PartialSum) {
    flags[0] = true;  // rows of the operand, in chunks
  } else {
    for (int64_t dim : node.attrs.integers(AttrName::Dims)) flags[static_cast<size_t>(dim)] = true;
  }
  return flags;
}

Frame frame_of(const Graph& graph, NodeId anchor) {
  const Node& node = graph[anchor];
  if (is_fold(node)) {
    Frame frame(graph.type(node.operands[0]).shape);
    frame.folded = fold_flags(graph, node);
    return frame;
  }
  Frame frame(node.type.shape);
  if (node.op == OpKind::CumulativeSum) {
    frame.folded[static_cast<size_t>(node.attrs.integer(AttrName::Axis))] = true;
  }
  return frame;
}

/// Elements from one item to the next, for each dimension of items but the outermost.
Steps item_ends(const std::vector<Dim>& items, Dim total) {
  Steps ends;
  int64_t end = total.value;
  for (Dim item : items) {
    end /= item.value;
    ends.push_back(end);
  }
  return ends;
}

/// Strides over `to` of what is dense in `from`, 0 where it repeats.
Steps broadcast_steps(std::span<const Dim> from, std::span<const Dim> to) {
  const Steps dense = memory_steps(from);
  Steps steps(to.size(), 0);
  const size_t lead = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i) {
    const bool repeated = from[i].is_one() && !to[lead + i].is_one();
    steps[lead + i] = repeated ? 0 : dense[i];
  }
  return steps;
}

}  // namespace

GrowingSpace::GrowingSpace(const Graph& graph, ClusterClass cls, NodeId anchor,
                           const std::vector<Dim>& items)
    : graph_(&graph),
      cls_(cls),
      anchor_(anchor),
      frame_(frame_of(graph, anchor)),
      full_(count_of(*frame_.shape)),
      kept_(frame_.kept_count()),
      ends_(item_ends(items, full_)),
      cuts_(frame_) {
  std::ranges::for_each(ends_, [&](int64_t end) { cuts_.add(end); });
}

bool GrowingSpace::add(Members members, Members joined, Members readers) {
  for (NodeId member : joined) {
    if (!cut_for(member)) return false;
  }
  const bool as_before = cuts_.size() == line_cuts_;
  const bool fit = as_before ? all_fit(joined, members) && all_fit(readers, members)
                             : divide() && all_fit(members, members);
  return fit && (cls_ != ClusterClass::Contract || line_.joins_to(shape(anchor_)));
}

/// A product keeps its dimensions: [batch..., M, N], never joined.
ClusterSpace GrowingSpace::space() const {
  if (cls_ != ClusterClass::Contract) return line_.coarsest();
  const Shape& product = shape(anchor_);
  return {product, std::vector<bool>(product.size(), false)};
}

/// False where the member has neither all points nor one for all that are folded together.
bool GrowingSpace::cut_for(NodeId member) {
  const Node& node = (*graph_)[member];
  if (node.op == OpKind::PartialSum) return true;
  const Dim count = count_of(node.type.shape);
  if (count == full_) {
    cuts_.add_full(node.type.shape);
    if (node.op == OpKind::Reshape && !dimensions_cross(*graph_, member)) {
      cuts_.add_full(shape(node.operands[0]));
    }
  } else if (count == kept_) {
    cuts_.add_kept(node.type.shape);
  } else {
    return false;
  }
  if (is_fold(node)) cuts_.add_full(shape(node.operands[0]));
  return true;
}

bool GrowingSpace::divide() {
  std::optional<Line> line = cuts_.line();
  if (!line) return false;
  line_ = *std::move(line);
  line_cuts_ = cuts_.size();
  if (cls_ != ClusterClass::Contract) line_.part_at(ends_);
  return true;
}

bool GrowingSpace::all_fit(Members checked, Members members) {
  return std::ranges::all_of(checked, [&](NodeId member) { return fits(member, members); });
}

Level GrowingSpace::level(NodeId member) const {
  return frame_.folds() && count_of(shape(member)) == kept_ ? Level::Folded : Level::Full;
}

/// Reduces read where their operand is.
Level GrowingSpace::reading_level(NodeId member) const {
  return is_fold((*graph_)[member]) ? Level::Full : level(member);
}

// Accesses.

/// Whether all that `member` reads is linear, and other members' values at its own point.
bool GrowingSpace::fits(NodeId member, Members members) {
  const Node& node = (*graph_)[member];
  // The product itself is built from its operands' views, a scatter from its own loops.
  const bool own_loops =
      class_of((*graph_)[anchor_]) == OpClass::Contract || cls_ == ClusterClass::Scatter;
  if (member == anchor_ && own_loops) return true;
  if (is_fold(node) && !same_fold(node)) return false;
  for (size_t k = 0; k < node.operands.size(); ++k) {
    if (!operand_fits(member, k, members)) return false;
  }
  if (!reads_coordinates(node)) return true;
  Steps along(node.type.rank(), 0);
  for (size_t dim = 0; dim < along.size(); ++dim) {
    along[dim] = 1;
    line_.part_by(line_.project(level(member), node.type.shape, along));
    along[dim] = 0;
  }
  return true;
}

bool GrowingSpace::operand_fits(NodeId member, size_t k, Members members) {
  const Node& node = (*graph_)[member];
  const NodeId operand = node.operands[k];
  const bool plain = class_of(node) == OpClass::Pointwise || is_fold(node);
  if (plain && class_of((*graph_)[operand]) != OpClass::Layout) {
    return plain_operand_fits(member, operand, members);
  }
  const View view = operand_view(*graph_, member, k);
  if (node.op == OpKind::Reshape && dimensions_cross(*graph_, member)) {
    return !holds(members, view.source);
  }
  if (operand_role(node, k) == OperandRole::Indexed) return indexed_fits(member, view, members);
  return element_fits(member, {view.source, view.extents, view.strides, view.offset}, members);
}

/// An operand that is no view, of a node that reads elements.
bool GrowingSpace::plain_operand_fits(NodeId member, NodeId operand, Members members) {
  const Shape& read = shape(operand);
  if (is_fold((*graph_)[member])) {
    const Steps dense = memory_steps(read);
    return element_fits(member, {operand, read, dense, 0}, members);
  }
  // All points of the same shape are numbered as the member's own.
  const bool iota = (*graph_)[operand].op == OpKind::Iota;
  if (read == shape(member) && level(member) == Level::Full && !iota) return true;
  // A single value steps nowhere.
  if (read.empty() && !holds(members, operand)) return true;
  const Steps strides = broadcast_steps(read, shape(member));
  return element_fits(member, {operand, shape(member), strides, 0}, members);
}

bool GrowingSpace::element_fits(NodeId member, const Access& access, Members members) {
  const Node& node = (*graph_)[member];
  const Node& source = (*graph_)[access.source];
  if (count_of(access.extents) != count_of(node.type.shape) && !is_fold(node)) return false;
  const Steps steps = line_.project(reading_level(member), access.extents, access.strides);
  if (source.op == OpKind::Iota) {
    const AccessMap elements{{steps.begin(), steps.end()}, access.offset};
    line_.part_by(along_iota(source, elements).strides);
    return true;
  }
  line_.part_by(steps);
  if (!holds(members, access.source)) return true;
  if (!is_own_point(access.source, steps, access.offset)) return false;
  return is_fold(node) || level(member) == Level::Full || level(access.source) == Level::Folded;
}

bool GrowingSpace::is_own_point(NodeId source, const Steps& steps, int64_t offset) const {
  const Level at = level(source);
  for (size_t j = 0; j < steps.size(); ++j) {
    if (steps[j] != line_.own(j, at)) return false;
  }
  return offset == 0;
}

/// Data at loaded indices comes from buffers; along the folded dimension also from a member, which
/// is then computed at that one point.
bool GrowingSpace::indexed_fits(NodeId member, const View& view, Members members) const {
  if (!holds(members, view.source)) return true;
  const Node& node = (*graph_)[member];
  if (node.op != OpKind::TakeAlong || cls_ != ClusterClass::Rows) return false;
  const View whole = resolve_view(*graph_, view.source);
  return view.strides == whole.strides && view.extents == whole.extents && view.offset == 0 &&
         level(view.source) == Level::Full && level(member) == Level::Folded &&
         runs_along_fold(view.source, node.attrs.integer(AttrName::Axis));
}

bool GrowingSpace::runs_along_fold(NodeId source, int64_t axis) const {
  Steps along(shape(source).size(), 0);
  along[static_cast<size_t>(axis)] = 1;
  const Steps steps = line_.project(level(source), shape(source), along);
  for (size_t j = 0; j < steps.size(); ++j) {
    if (steps[j] != (line_[j].folded ? 1 : 0)) return false;
  }
  return true;
}

/// Whether a fold folds the dimensions that the anchor folds.
bool GrowingSpace::same_fold(const Node& node) const {
  const Shape& read = shape(node.operands[0]);
  return count_of(read) == full_ && line_.folds_like(read, fold_flags(*graph_, node));
}

}  // namespace gradus
