#include "cluster/cluster_space.h"

#include "cluster/growing_space.h"
#include "graph/op.h"
#include "support/check.h"

namespace gradus {

namespace {

/// `values[d]` a step along dimension d of `shape`, as a form over the space whose line is `shape`.
AccessMap project(const ClusterSpace& space, Level level, const Shape& shape,
                  const std::vector<int64_t>& values, int64_t offset) {
  const Steps steps = Line(space).project(level, shape, values);
  return {{steps.begin(), steps.end()}, offset};
}

}  // namespace

OperandRole operand_role(const Node& node, size_t k) {
  // Where data or guards say which element of the buffer it is, no single form does.
  const OpDef& def = op_def(node.op);
  const bool indexed = def.guarded || def.indexing == Indexing::Scatters ||
                       (def.indexing == Indexing::Gathers && k == 0);
  return indexed ? OperandRole::Indexed : OperandRole::Element;
}

bool folds_along_lanes(const Graph& graph, const Node& fold) {
  if (fold.op == OpKind::PartialSum) return false;
  const AttrValue* order = fold.attrs.find(AttrName::Order);
  if (order && std::get<std::string>(*order) == "chain") return false;
  const std::vector<int64_t>& dims = fold.attrs.integers(AttrName::Dims);
  const auto rank = static_cast<int64_t>(graph.type(fold.operands[0]).rank());
  return dims.front() == rank - static_cast<int64_t>(dims.size());
}

bool is_chain(const Graph& graph, const Cluster& cluster) {
  return !folds_along_lanes(graph, graph[cluster.anchor]);
}

bool dimensions_cross(const Graph& graph, NodeId reshape) {
  const Node& node = graph[reshape];
  Cuts cuts{Frame(node.type.shape)};
  cuts.add_full(graph.type(node.operands[0]).shape);
  return !cuts.line().has_value();
}

bool reads_coordinates(const Node& node) {
  const OpDef& def = op_def(node.op);
  return def.guarded || def.indexing != Indexing::None;
}

namespace {

/// The view repeated along new dimensions of `shape`: its own begin at `first`.
View spread_over(const View& view, const Shape& shape, size_t first) {
  View spread{view.source, shape, std::vector<int64_t>(shape.size(), 0), view.offset};
  for (size_t i = 0; i < view.strides.size(); ++i) spread.strides[first + i] = view.strides[i];
  return spread;
}

/// The view with a dimension of `shape` put in at `axis`, along which it repeats.
View spread_along(const View& view, const Shape& shape, size_t axis) {
  View spread = view;
  spread.extents = shape;
  spread.strides.insert(spread.strides.begin() + static_cast<std::ptrdiff_t>(axis), 0);
  return spread;
}

}  // namespace

View operand_view(const Graph& graph, NodeId member, size_t k) {
  const Node& node = graph[member];
  const View view = resolve_view(graph, node.operands[k]);
  if (op_def(node.op).cls == OpClass::Pointwise) return broadcast_view(view, node.type.shape);
  const size_t axis = static_cast<size_t>(node.attrs.get_or<int64_t>(AttrName::Axis, 0));
  if (node.op == OpKind::Gather && k == 1) return spread_over(view, node.type.shape, axis);
  if (node.op == OpKind::PutAlong) return spread_along(view, node.type.shape, axis);
  return view;
}

Level level_of(const Graph& graph, const ClusterSpace& space, NodeId member) {
  Dim kept;
  bool folds = false;
  for (size_t j = 0; j < space.extents.size(); ++j) {
    folds |= space.folded[j];
    if (!space.folded[j]) kept = times(kept, space.extents[j]);
  }
  return folds && count_of(graph.type(member).shape) == kept ? Level::Folded : Level::Full;
}

AccessMap own_map(const Graph& graph, const ClusterSpace& space, NodeId member) {
  const Line line(space);
  const Level level = level_of(graph, space, member);
  AccessMap map{std::vector<int64_t>(line.size()), 0};
  for (size_t j = 0; j < line.size(); ++j) map.strides[j] = line.own(j, level);
  return map;
}

namespace {

/// The level at which `member` reads an operand of this shape: reduces read where their operand is.
Level reading_level(const Graph& graph, const ClusterSpace& space, NodeId member) {
  return is_fold(graph[member]) ? Level::Full : level_of(graph, space, member);
}

}  // namespace

std::optional<AccessMap> operand_map(const Graph& graph, const ClusterSpace& space, NodeId member,
                                     const View& view) {
  if (count_of(view.extents) != count_of(graph.type(member).shape) && !is_fold(graph[member])) {
    return std::nullopt;
  }
  return project(space, reading_level(graph, space, member), view.extents, view.strides,
                 view.offset);
}

bool is_buffer(const Node& source) {
  if (op_def(source.op).cls != OpClass::Leaf) return true;
  if (source.op == OpKind::Constant) return source.attrs.find(AttrName::Values) != nullptr;
  return source.op == OpKind::Input || source.op == OpKind::Param || source.op == OpKind::State;
}

AccessMap along_iota(const Node& iota, AccessMap elements) {
  const size_t axis = static_cast<size_t>(iota.attrs.integer(AttrName::Axis));
  const int64_t stride = memory_strides(iota.type.shape)[axis];
  const Dim extent = iota.type.shape[axis];
  const auto along_axis = [&](int64_t step) {
    const int64_t index = step / stride;
    return extent.batch ? index : index % extent.value;
  };
  for (int64_t& step : elements.strides) step = along_axis(step);
  elements.offset = along_axis(elements.offset);
  return elements;
}

std::optional<AccessMap> iota_map(const Graph& graph, const ClusterSpace& space, NodeId member,
                                  const View& view) {
  const std::optional<AccessMap> elements = operand_map(graph, space, member, view);
  if (!elements) return std::nullopt;
  return along_iota(graph[view.source], *elements);
}

std::optional<AccessMap> coordinate_map(const Graph& graph, const ClusterSpace& space,
                                        NodeId member, size_t dim) {
  const Shape& shape = graph.type(member).shape;
  std::vector<int64_t> along(shape.size(), 0);
  along[dim] = 1;
  return project(space, level_of(graph, space, member), shape, along, 0);
}

namespace {

/// A copy reads one view, at its own shape.
std::optional<ClusterSpace> copy_space(const Graph& graph, NodeId copied) {
  std::optional<Line> line = Cuts(Frame(graph.type(copied).shape)).line();
  if (!line) return std::nullopt;
  const auto map = copied_map(graph, line->finest(), copied);
  if (!map) return std::nullopt;
  line->part_by(map->strides);
  return line->coarsest();
}

}  // namespace

std::optional<AccessMap> copied_map(const Graph& graph, const ClusterSpace& space, NodeId copied) {
  const View view = resolve_view(graph, copied);
  return graph[view.source].op == OpKind::Iota ? iota_map(graph, space, copied, view)
                                               : operand_map(graph, space, copied, view);
}

std::optional<ClusterSpace> find_space(const Graph& graph, const Cluster& cluster) {
  if (cluster.copy_result >= 0) return copy_space(graph, cluster.anchor);
  GrowingSpace space(graph, cluster.cls, cluster.anchor, cluster.items);
  if (!space.add(cluster.members, cluster.members, {})) return std::nullopt;
  return space.space();
}

ClusterSpace space_of(const Graph& graph, const Cluster& cluster) {
  std::optional<ClusterSpace> space = find_space(graph, cluster);
  GRADUS_CHECK(space.has_value(), "a cluster has a space");
  return std::move(*space);
}

}  // namespace gradus
