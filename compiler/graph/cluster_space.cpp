// Spaces are found by linear identity: a member's elements are numbered as they lie in memory, and
// the boundaries between dimensions of all members cut that one line into the finest dimensions.
// Views are then linear over these, and neighbours are merged again where every access allows it.
#include "graph/cluster_space.h"

#include <algorithm>
#include <set>

#include "graph/op.h"

namespace gradus {
namespace {

Dim times(Dim a, Dim b) { return {a.value * b.value, a.batch || b.batch}; }

Dim count_of(const Shape& shape) {
  Dim count;
  for (Dim dim : shape) count = times(count, dim);
  return count;
}

/// The dimension of `shape` in which a step of `stride` elements moves; nothing where all are 1.
std::optional<size_t> dim_moved(const Shape& shape, const std::vector<int64_t>& strides,
                                int64_t stride) {
  std::optional<size_t> best;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].is_one() || strides[i] > stride) continue;
    if (!best || strides[i] > strides[*best]) best = i;
  }
  return best;
}

/// Strides of the line of all points (Full), or of the points of the dimensions that are not
/// folded.
std::vector<int64_t> line_strides(const ClusterSpace& space, Level level) {
  std::vector<int64_t> strides(space.extents.size(), 0);
  int64_t stride = 1;
  for (size_t j = space.extents.size(); j-- > 0;) {
    if (level == Level::Folded && space.folded[j]) continue;
    strides[j] = space.extents[j].is_one() ? 0 : stride;
    stride *= space.extents[j].value;
  }
  return strides;
}

/// `values[d]` a step along dimension d of `shape`, as a form over the space whose line is `shape`.
Place project(const ClusterSpace& space, Level level, const Shape& shape,
              const std::vector<int64_t>& values, int64_t offset) {
  const std::vector<int64_t> line = line_strides(space, level);
  const std::vector<int64_t> dense = memory_strides(shape);
  Place place{std::vector<int64_t>(line.size(), 0), offset};
  for (size_t j = 0; j < line.size(); ++j) {
    if (line[j] == 0) continue;
    if (const auto dim = dim_moved(shape, dense, line[j])) {
      place.strides[j] = values[*dim] * (line[j] / dense[*dim]);
    }
  }
  return place;
}

bool is_fold(const Node& node) { return op_def(node.op).cls == OpClass::Reduce; }

std::vector<int64_t> fold_dims(const Node& node) {
  if (node.op == OpKind::PartialSum) return {0};  // rows of the operand, in chunks
  return node.attrs.integers(AttrName::Dims);
}

std::vector<bool> fold_flags(const Graph& graph, const Node& node) {
  std::vector<bool> flags(graph.type(node.operands[0]).rank(), false);
  for (int64_t dim : fold_dims(node)) flags[static_cast<size_t>(dim)] = true;
  return flags;
}

/// The shape whose line is the space, and which of its dimensions are folded.
struct Frame {
  Shape shape;
  std::vector<bool> folded;
};

Frame frame_of(const Graph& graph, const Cluster& cluster) {
  const Node& anchor = graph[cluster.anchor];
  if (is_fold(anchor)) return {graph.type(anchor.operands[0]).shape, fold_flags(graph, anchor)};
  if (anchor.op == OpKind::CumulativeSum) {
    Frame frame{anchor.type.shape, std::vector<bool>(anchor.type.rank(), false)};
    frame.folded[static_cast<size_t>(anchor.attrs.integer(AttrName::Axis))] = true;
    return frame;
  }
  return {anchor.type.shape, std::vector<bool>(anchor.type.rank(), false)};
}

Dim kept_count(const Frame& frame) {
  Dim count;
  for (size_t i = 0; i < frame.shape.size(); ++i) {
    if (!frame.folded[i]) count = times(count, frame.shape[i]);
  }
  return count;
}

/// Collects where the line must be cut: products of inner extents, in elements of the whole line.
class Cuts {
 public:
  explicit Cuts(const Frame& frame) : frame_(frame) { add_full(frame.shape); }

  void add_full(const Shape& shape) {
    const std::vector<int64_t> strides = memory_strides(shape);
    for (size_t i = 0; i < shape.size(); ++i) {
      if (!shape[i].is_one()) cuts_.insert(strides[i]);
    }
  }
  /// The ends of items: elements of one, of the row of items around it, ...
  void add_items(const std::vector<int64_t>& ends) { cuts_.insert(ends.begin(), ends.end()); }
  /// A shape of the kept dimensions: its steps are stretched over the folded ones.
  void add_kept(const Shape& shape) {
    const std::vector<int64_t> strides = memory_strides(shape);
    for (size_t i = 0; i < shape.size(); ++i) {
      if (!shape[i].is_one()) cuts_.insert(stretch(strides[i]));
    }
  }
  /// The finest dimensions, outermost first; nothing where cuts cross.
  std::optional<ClusterSpace> space() const {
    const Dim total = count_of(frame_.shape);
    cuts_.insert(1);
    std::vector<int64_t> ends(cuts_.begin(), cuts_.end());
    ClusterSpace space;
    for (size_t i = 0; i < ends.size(); ++i) {
      const bool last = i + 1 == ends.size();
      const int64_t next = last ? total.value : ends[i + 1];
      if (next % ends[i] != 0) return std::nullopt;
      const Dim extent{next / ends[i], last && total.batch};
      if (extent.is_one()) continue;
      space.extents.insert(space.extents.begin(), extent);
      space.folded.insert(space.folded.begin(), is_folded(ends[i]));
    }
    return space;
  }

 private:
  bool is_folded(int64_t stride) const {
    const auto dim = dim_moved(frame_.shape, memory_strides(frame_.shape), stride);
    return dim && frame_.folded[*dim];
  }
  int64_t stretch(int64_t kept_stride) const {
    Shape kept = frame_.shape;
    for (size_t i = 0; i < kept.size(); ++i) {
      if (frame_.folded[i]) kept[i] = Dim{};
    }
    const std::vector<int64_t> kept_strides = memory_strides(kept);
    const auto dim = dim_moved(kept, kept_strides, kept_stride);
    if (!dim) return kept_stride;
    return memory_strides(frame_.shape)[*dim] * (kept_stride / kept_strides[*dim]);
  }

  const Frame& frame_;
  mutable std::set<int64_t> cuts_;
};

/// A dimension of 1 is no dimension of the line; a fold over one element still needs its loop.
void add_unit_fold(const Frame& frame, ClusterSpace& space) {
  const bool wanted =
      std::find(frame.folded.begin(), frame.folded.end(), true) != frame.folded.end();
  if (!wanted || std::find(space.folded.begin(), space.folded.end(), true) != space.folded.end())
    return;
  space.extents.push_back(Dim{});
  space.folded.push_back(true);
}

bool holds(const Cluster& cluster, NodeId id) {
  return std::find(cluster.members.begin(), cluster.members.end(), id) != cluster.members.end();
}

/// All linear forms that a cluster's statements use, checked on the way: false where one is missing
/// or reads another member elsewhere than at its own point.
class Accesses {
 public:
  Accesses(const Graph& graph, const Cluster& cluster, const ClusterSpace& space)
      : graph_(graph), cluster_(cluster), space_(space) {}

  bool collect() {
    for (NodeId member : cluster_.members) {
      if (member == cluster_.anchor && skips_anchor()) continue;
      places.push_back(own_place(graph_, space_, member));
      if (!collect_member(member)) return false;
    }
    return true;
  }
  std::vector<Place> places;

 private:
  /// The product itself is built from its operands' views, a scatter from its own loops.
  bool skips_anchor() const {
    const OpClass cls = op_def(graph_[cluster_.anchor].op).cls;
    return cls == OpClass::Contract || cluster_.cls == ClusterClass::Scatter;
  }
  bool collect_member(NodeId member) {
    const Node& node = graph_[member];
    if (is_fold(node) && !same_fold(node)) return false;
    for (size_t k = 0; k < node.operands.size(); ++k) {
      if (!collect_operand(member, k)) return false;
    }
    if (reads_coordinates(node)) {
      for (size_t dim = 0; dim < node.type.rank(); ++dim) {
        const auto place = coordinate_place(graph_, space_, member, dim);
        if (!place) return false;
        places.push_back(*place);
      }
    }
    return true;
  }
  bool collect_operand(NodeId member, size_t k) {
    const Node& node = graph_[member];
    const View view = operand_view(graph_, member, k);
    const bool crosses = node.op == OpKind::Reshape && dimensions_cross(graph_, member);
    if (crosses) return !holds(cluster_, view.source);
    if (operand_role(node, k) == OperandRole::Indexed) return indexed_fits(member, view);
    const auto place = operand_place(graph_, space_, member, view);
    if (!place) return false;
    if (!is_iota_like(graph_[view.source])) places.push_back(*place);
    if (graph_[view.source].op == OpKind::Iota) {
      const auto index = iota_place(graph_, space_, member, view);
      if (!index) return false;
      places.push_back(*index);
    }
    if (!holds(cluster_, view.source)) return true;
    return *place == own_place(graph_, space_, view.source) && may_read(member, view.source);
  }
  /// Data at loaded indices comes from buffers; along the folded dimension also from a member,
  /// which is then computed at that one point.
  bool indexed_fits(NodeId member, const View& view) const {
    if (!holds(cluster_, view.source)) return true;
    if (graph_[member].op != OpKind::TakeAlong || cluster_.cls != ClusterClass::Rows) return false;
    const View whole = resolve_view(graph_, view.source);
    return view.strides == whole.strides && view.extents == whole.extents && view.offset == 0 &&
           level_of(graph_, space_, view.source) == Level::Full &&
           level_of(graph_, space_, member) == Level::Folded &&
           runs_along_fold(view.source, graph_[member].attrs.integer(AttrName::Axis));
  }
  bool runs_along_fold(NodeId source, int64_t axis) const {
    const auto place = coordinate_place(graph_, space_, source, static_cast<size_t>(axis));
    for (size_t j = 0; place && j < place->strides.size(); ++j) {
      if (place->strides[j] != (space_.folded[j] ? 1 : 0)) return false;
    }
    return place.has_value();
  }
  bool may_read(NodeId member, NodeId source) const {
    if (is_fold(graph_[member])) return true;
    return level_of(graph_, space_, member) == Level::Full ||
           level_of(graph_, space_, source) == Level::Folded;
  }
  bool same_fold(const Node& node) const {
    const Shape& shape = graph_.type(node.operands[0]).shape;
    const std::vector<bool> flags = fold_flags(graph_, node);
    const std::vector<int64_t> line = line_strides(space_, Level::Full);
    const std::vector<int64_t> dense = memory_strides(shape);
    if (count_of(shape) != count_of(space_.extents)) return false;
    for (size_t j = 0; j < line.size(); ++j) {
      if (line[j] == 0) continue;
      const auto dim = dim_moved(shape, dense, line[j]);
      if (!dim || flags[*dim] != space_.folded[j]) return false;
    }
    return true;
  }
  static bool is_iota_like(const Node& node) { return node.op == OpKind::Iota; }

  const Graph& graph_;
  const Cluster& cluster_;
  const ClusterSpace& space_;
};

/// Elements from one item to the next, for each dimension of items but the outermost.
std::vector<int64_t> item_ends(const std::vector<Dim>& items, Dim total) {
  std::vector<int64_t> ends;
  int64_t end = total.value;
  for (Dim item : items) {
    end /= item.value;
    ends.push_back(end);
  }
  return ends;
}

/// What coarsening looks at: neighbours are one dimension where all places step alike and no item
/// ends between them.
struct Coarsening {
  std::vector<Place> places;
  std::vector<int64_t> ends;  // of items
};

bool mergeable(const ClusterSpace& space, const Coarsening& by, size_t outer) {
  const size_t inner = outer + 1;
  const std::vector<Place>& places = by.places;
  if (space.folded[outer] != space.folded[inner] || space.extents[inner].batch) return false;
  const int64_t end = count_of({space.extents.begin() + static_cast<std::ptrdiff_t>(inner),
                                space.extents.end()}).value;
  if (std::ranges::find(by.ends, end) != by.ends.end()) return false;
  return std::all_of(places.begin(), places.end(), [&](const Place& place) {
    return place.strides[outer] == place.strides[inner] * space.extents[inner].value;
  });
}

void merge(ClusterSpace& space, Coarsening& by, size_t outer) {
  space.extents[outer] = times(space.extents[outer], space.extents[outer + 1]);
  const auto erase = [outer](auto& items) {
    items.erase(items.begin() + static_cast<std::ptrdiff_t>(outer) + 1);
  };
  erase(space.extents);
  erase(space.folded);
  for (Place& place : by.places) {
    place.strides[outer] = place.strides[outer + 1];
    erase(place.strides);
  }
}

void coarsen(ClusterSpace& space, Coarsening by) {
  for (size_t j = 0; j + 1 < space.extents.size();) {
    if (mergeable(space, by, j)) {
      merge(space, by, j);
    } else {
      ++j;
    }
  }
}

/// A product keeps its dimensions: each must come out of the finest ones as one.
std::optional<ClusterSpace> contract_space(const Shape& shape, ClusterSpace fine, Coarsening by) {
  ClusterSpace space{shape, std::vector<bool>(shape.size(), false)};
  size_t j = 0;
  for (Dim dim : shape) {
    if (dim.is_one()) continue;
    if (j >= fine.extents.size()) return std::nullopt;
    while (fine.extents[j] != dim) {
      if (j + 1 >= fine.extents.size() || !mergeable(fine, by, j)) return std::nullopt;
      merge(fine, by, j);
    }
    ++j;
  }
  return j == fine.extents.size() ? std::optional(space) : std::nullopt;
}

}  // namespace

OperandRole operand_role(const Node& node, size_t k) {
  // The rows that address a buffer by data or by guarded indices, so that no single form says
  // where.
  switch (node.op) {
    case OpKind::Pad:
    case OpKind::Concat:
      return OperandRole::Indexed;
    case OpKind::Gather:
    case OpKind::TakeAlong:
      return k == 0 ? OperandRole::Indexed : OperandRole::Element;
    case OpKind::ScatterAdd:
      return OperandRole::Indexed;
    default:
      return OperandRole::Element;
  }
}

bool folds_along_lanes(const Graph& graph, const Node& fold) {
  if (fold.op == OpKind::PartialSum) return false;
  if (fold.attrs.get_or<std::string>(AttrName::Order, "") == "chain") return false;
  const std::vector<int64_t>& dims = fold.attrs.integers(AttrName::Dims);
  const auto rank = static_cast<int64_t>(graph.type(fold.operands[0]).rank());
  return dims.front() == rank - static_cast<int64_t>(dims.size());
}

bool dimensions_cross(const Graph& graph, NodeId reshape) {
  const Node& node = graph[reshape];
  const Frame frame{node.type.shape, std::vector<bool>(node.type.rank(), false)};
  Cuts cuts(frame);
  cuts.add_full(graph.type(node.operands[0]).shape);
  return !cuts.space().has_value();
}

bool reads_coordinates(const Node& node) {
  const OpClass cls = op_def(node.op).cls;
  return (cls == OpClass::Indexed && node.op != OpKind::CumulativeSum) || node.op == OpKind::Pad ||
         node.op == OpKind::Concat;
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

Place own_place(const Graph& graph, const ClusterSpace& space, NodeId member) {
  return {line_strides(space, level_of(graph, space, member)), 0};
}

namespace {

/// The level at which `member` reads an operand of this shape: reduces read where their operand is.
Level reading_level(const Graph& graph, const ClusterSpace& space, NodeId member) {
  return is_fold(graph[member]) ? Level::Full : level_of(graph, space, member);
}

}  // namespace

std::optional<Place> operand_place(const Graph& graph, const ClusterSpace& space, NodeId member,
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

Place along_iota(const Node& iota, Place elements) {
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

std::optional<Place> iota_place(const Graph& graph, const ClusterSpace& space, NodeId member,
                                const View& view) {
  const std::optional<Place> elements = operand_place(graph, space, member, view);
  if (!elements) return std::nullopt;
  return along_iota(graph[view.source], *elements);
}

std::optional<Place> coordinate_place(const Graph& graph, const ClusterSpace& space, NodeId member,
                                      size_t dim) {
  const Shape& shape = graph.type(member).shape;
  std::vector<int64_t> along(shape.size(), 0);
  along[dim] = 1;
  return project(space, level_of(graph, space, member), shape, along, 0);
}

namespace {

/// A copy reads one view, at its own shape.
std::optional<ClusterSpace> copy_space(const Graph& graph, NodeId copied) {
  const Frame frame{graph.type(copied).shape, std::vector<bool>(graph.type(copied).rank(), false)};
  std::optional<ClusterSpace> space = Cuts(frame).space();
  if (!space) return std::nullopt;
  const auto place = copied_place(graph, *space, copied);
  if (!place) return std::nullopt;
  coarsen(*space, {{own_place(graph, *space, copied), *place}, {}});
  return space;
}

}  // namespace

std::optional<Place> copied_place(const Graph& graph, const ClusterSpace& space, NodeId copied) {
  const View view = resolve_view(graph, copied);
  return graph[view.source].op == OpKind::Iota ? iota_place(graph, space, copied, view)
                                               : operand_place(graph, space, copied, view);
}

std::optional<ClusterSpace> find_space(const Graph& graph, const Cluster& cluster) {
  if (cluster.copy_result >= 0) return copy_space(graph, cluster.anchor);
  const Frame frame = frame_of(graph, cluster);
  const Dim full = count_of(frame.shape), kept = kept_count(frame);
  Cuts cuts(frame);
  for (NodeId member : cluster.members) {
    const Node& node = graph[member];
    if (node.op == OpKind::PartialSum) continue;
    const Dim count = count_of(node.type.shape);
    if (count == full) {
      cuts.add_full(node.type.shape);
      if (node.op == OpKind::Reshape && !dimensions_cross(graph, member)) {
        cuts.add_full(graph.type(node.operands[0]).shape);
      }
    } else if (count == kept) {
      cuts.add_kept(node.type.shape);
    } else {
      return std::nullopt;
    }
    if (is_fold(node)) cuts.add_full(graph.type(node.operands[0]).shape);
  }
  const std::vector<int64_t> ends = item_ends(cluster.items, full);
  cuts.add_items(ends);
  std::optional<ClusterSpace> space = cuts.space();
  if (!space) return std::nullopt;
  add_unit_fold(frame, *space);
  Accesses accesses(graph, cluster, *space);
  if (!accesses.collect()) return std::nullopt;
  if (cluster.cls == ClusterClass::Contract) {
    return contract_space(graph.type(cluster.anchor).shape, *space, {accesses.places, {}});
  }
  coarsen(*space, {accesses.places, ends});
  return space;
}

}  // namespace gradus
