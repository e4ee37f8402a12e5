// Each cluster of rows seeds a strip; then the strips take the places of their parts.
#include "fuse/fuse_strips.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <set>

#include "cluster/cluster_space.h"
#include "fuse/class_rules.h"
#include "fuse/strip_set.h"
#include "graph/op.h"

namespace gradus::fuse {

namespace {

/// Scratch of one item beyond which values are better off in the arena.
constexpr int64_t kMaxItemBytes = int64_t{32} << 20;
constexpr size_t kNone = StripSet::kNone;

class StripFuser {
 public:
  StripFuser(const Sources& sources, int64_t capacity, Clustering& clustering, Remarks* remarks)
      : graph_(sources.graph()),
        capacity_(capacity),
        clustering_(clustering),
        remarks_(remarks),
        strips_(sources, clustering) {}

  void run() {
    for (size_t i = 0; i < strips_.clusters(); ++i) seed(i);
    strips_.replace(clustering_);
  }

 private:
  const Graph& graph_;
  int64_t capacity_;
  Clustering& clustering_;
  Remarks* remarks_;
  StripSet strips_;

  const Cluster& at(size_t cluster) const { return clustering_.clusters[ClusterId(cluster)]; }
  const Shape& shape(NodeId id) const { return graph_.type(id).shape; }
  size_t producer(NodeId id) const {
    const ClusterId cluster = clustering_.cluster_of[id];
    return cluster.valid() ? cluster.index() : kNone;
  }
  bool moves_elements(NodeId id) const {
    const OpKind op = graph_[id].op;
    return op == OpKind::Reshape || op == OpKind::Transpose || op == OpKind::Concat;
  }
  bool is_free(size_t cluster, ClusterClass cls) const {
    return strips_.strip_of(cluster) == kNone && at(cluster).cls == cls &&
           at(cluster).updates.empty() && at(cluster).copy_result < 0;
  }

  void seed(size_t rows);
  std::vector<Dim> items_of(const Cluster& rows) const;
  bool is_over(const Shape& shape, const std::vector<Dim>& items) const;
  bool rows_fit(size_t cluster, const StripParts& strip) const;
  bool product_fits(size_t cluster, const StripParts& strip) const;
  bool reads_are_local(size_t cluster, const StripParts& strip) const;
  bool is_computed(NodeId id, const StripParts& strip) const;
  void take_producers(StripParts& strip, size_t rows) const;
  void repeat(StripParts& strip, size_t rows) const;
  void take_consumers(StripParts& strip) const;
  std::set<size_t> movers_behind(const StripParts& strip) const;
  void take_moves(StripParts& strip) const;
  bool gather(const StripParts& strip, NodeId moved, NodeId node, std::set<size_t>& clusters,
              std::vector<std::pair<NodeId, NodeId>>& moves) const;
  int64_t bytes_inside(const StripParts& strip) const;
  bool read_outside(NodeId id, const StripParts& strip) const;
};

/// The dimensions before the matrices whose rows are folded; none where they are no items.
std::vector<Dim> StripFuser::items_of(const Cluster& rows) const {
  if (op_def(graph_[rows.anchor].op).cls != OpClass::Reduce) return {};
  if (!folds_along_lanes(graph_, graph_[rows.anchor])) return {};
  const Shape& folded = shape(graph_[rows.anchor].operands[0]);
  if (folded.size() < 3 || folded.back().batch || folded[folded.size() - 2].batch) return {};
  std::vector<Dim> items(folded.begin(), folded.end() - 2);
  for (size_t d = 1; d < items.size(); ++d) {
    if (items[d].batch) return {};
  }
  const bool many = std::ranges::any_of(items, [](Dim dim) { return !dim.is_one(); });
  return many ? items : std::vector<Dim>{};
}

bool StripFuser::is_over(const Shape& shape, const std::vector<Dim>& items) const {
  return shape.size() > items.size() && std::equal(items.begin(), items.end(), shape.begin());
}

bool StripFuser::is_computed(NodeId id, const StripParts& strip) const {
  const size_t by = producer(id);
  return by != kNone && (strip.own.count(by) > 0 || strip.again.count(by) > 0);
}

/// What the strip has computed is read where the same item lies.
bool StripFuser::reads_are_local(size_t cluster, const StripParts& strip) const {
  const std::set<NodeId> at_indices = computed_at_indices(graph_, at(cluster).members);
  for (NodeId member : at(cluster).members) {
    const bool moved = at_indices.count(member) > 0;
    for (size_t k = 0; k < graph_[member].operands.size(); ++k) {
      const View view = operand_view(graph_, member, k);
      if (contains(at(cluster).members, view.source) || !is_computed(view.source, strip)) continue;
      if (moved || operand_role(graph_[member], k) == OperandRole::Indexed) return false;
      const std::vector<int64_t> dense = memory_strides(shape(view.source));
      const size_t items = strip.items.size();
      if (!is_over(shape(view.source), strip.items) || !is_over(view.extents, strip.items)) {
        return false;
      }
      for (size_t d = 0; d < items; ++d) {
        if (!strip.items[d].is_one() && view.strides[d] != dense[d]) return false;
      }
      int64_t item = 1;
      for (size_t d = items; d < dense.size(); ++d) item *= shape(view.source)[d].value;
      if (view.offset >= item) return false;
    }
  }
  return true;
}

bool StripFuser::rows_fit(size_t cluster, const StripParts& strip) const {
  Cluster part = at(cluster);
  part.items = strip.items;
  const std::optional<ClusterSpace> space = find_space(graph_, part);
  if (!space) return false;
  const auto loops = std::ranges::count_if(strip.items, [](Dim dim) { return !dim.is_one(); });
  if (space->extents.size() != static_cast<size_t>(loops) + 2) return false;
  const auto folded = std::ranges::count(space->folded, true);
  return folded == 1 && space->folded.back() && reads_are_local(cluster, strip);
}

bool StripFuser::product_fits(size_t cluster, const StripParts& strip) const {
  const Cluster& product = at(cluster);
  const Shape& own = shape(product.anchor);
  if (own.size() != strip.items.size() + 2 || !is_over(own, strip.items)) return false;
  if (own.back().batch || own[own.size() - 2].batch) return false;
  // A single element in scratch has no dimension along which lanes could run.
  if (own.back().is_one() && own[own.size() - 2].is_one()) return false;
  const Shape& left = shape(graph_[product.anchor].operands[0]);
  if (left.size() < 2 || left.back().batch || left[left.size() - 2].batch) return false;
  if (graph_.type(product.anchor).dtype != DType::F32) return false;
  return find_space(graph_, product).has_value() && reads_are_local(cluster, strip);
}

/// Products that the rows read; matrices that an earlier strip computes are computed again, where
/// one number a row is rather stored.
void StripFuser::take_producers(StripParts& strip, size_t rows) const {
  for (NodeId read : strips_.reads(rows)) {
    const size_t by = producer(read);
    if (by == kNone || !is_over(shape(read), strip.items)) continue;
    if (is_free(by, ClusterClass::Contract) && product_fits(by, strip)) strip.own.insert(by);
    const bool of_strip = strips_.strip_of(by) != kNone && at(by).cls == ClusterClass::Rows;
    if (of_strip && !shape(read).back().is_one()) repeat(strip, by);
  }
}

/// The rows cluster and the products that it reads, if what these read lies in buffers.
void StripFuser::repeat(StripParts& strip, size_t rows) const {
  const StripParts& earlier = strips_[strips_.strip_of(rows)];
  std::set<size_t> parts{rows};
  if (earlier.items != strip.items || earlier.again.count(rows) > 0) return;
  for (NodeId read : strips_.reads(rows)) {
    const size_t by = producer(read);
    if (by == kNone || strips_.strip_of(by) != strips_.strip_of(rows)) continue;
    if (at(by).cls != ClusterClass::Contract) return;
    for (NodeId further : strips_.reads(by)) {
      const size_t source = producer(further);
      if (source != kNone && strips_.strip_of(source) == strips_.strip_of(rows)) return;
    }
    parts.insert(by);
  }
  strip.again.insert(parts.begin(), parts.end());
}

/// Products of what the strip computes, in order: later ones may read earlier ones.
void StripFuser::take_consumers(StripParts& strip) const {
  std::set<size_t> open;
  const auto add_readers = [&](size_t cluster) {
    for (NodeId yield : at(cluster).yields) {
      open.insert(strips_.readers(yield).begin(), strips_.readers(yield).end());
    }
  };
  std::ranges::for_each(strip.own, add_readers);
  std::ranges::for_each(strip.again, add_readers);
  while (!open.empty()) {
    const size_t i = *open.begin();
    open.erase(open.begin());
    if (!is_free(i, ClusterClass::Contract) || strip.own.count(i) > 0) continue;
    if (!product_fits(i, strip)) continue;
    strip.own.insert(i);
    if (strips_.leaves_and_returns(strip)) {
      strip.own.erase(i);
    } else {
      add_readers(i);
    }
  }
}

/// From a moved node down to products of the strip; the clusters on the way exist for it alone.
bool StripFuser::gather(const StripParts& strip, NodeId moved, NodeId node,
                        std::set<size_t>& clusters,
                        std::vector<std::pair<NodeId, NodeId>>& moves) const {
  const size_t by = producer(node);
  if (by != kNone && strip.own.count(by) > 0) {
    const bool product = at(by).cls == ClusterClass::Contract && contains(at(by).yields, node);
    // A value that comes twice would have two places; `stored_view` finds one.
    const bool again = std::ranges::count(moves, std::pair(node, moved)) > 0;
    if (!product || again || !stored_view(graph_, node, moved)) return false;
    moves.emplace_back(node, moved);
    return true;
  }
  if (!moves_elements(node)) return false;
  if (by != kNone) {
    const bool alone = is_free(by, ClusterClass::Pointwise) && at(by).members.size() == 1;
    const bool read =
        node != moved && (strips_.is_result(node) || strips_.readers(node).size() != 1);
    if (!alone || read) return false;
    clusters.insert(by);
  }
  return std::ranges::all_of(graph_[node].operands, [&](NodeId operand) {
    return gather(strip, moved, operand, clusters, moves);
  });
}

/// Clusters that only move elements: of what the strip stores, or of what others of them have moved.
std::set<size_t> StripFuser::movers_behind(const StripParts& strip) const {
  std::set<size_t> movers;
  std::vector<NodeId> open;
  for (size_t own : strip.own) {
    open.insert(open.end(), at(own).yields.begin(), at(own).yields.end());
  }
  while (!open.empty()) {
    const NodeId value = open.back();
    open.pop_back();
    for (size_t i : strips_.readers(value)) {
      const bool alone = at(i).cls == ClusterClass::Pointwise && at(i).members.size() == 1;
      if (!alone || !moves_elements(at(i).anchor) || !movers.insert(i).second) continue;
      open.push_back(at(i).anchor);
    }
  }
  return movers;
}

/// Copies of the strip's products that only move their elements: the longest ways first.
void StripFuser::take_moves(StripParts& strip) const {
  const std::set<size_t> movers = movers_behind(strip);
  for (size_t i : std::ranges::reverse_view(movers)) {
    if (!is_free(i, ClusterClass::Pointwise) || strip.moved.count(i) > 0) continue;
    std::set<size_t> clusters;
    std::vector<std::pair<NodeId, NodeId>> moves;
    if (!gather(strip, at(i).anchor, at(i).anchor, clusters, moves)) continue;
    StripParts with = strip;
    with.moved.insert(clusters.begin(), clusters.end());
    with.moves.insert(with.moves.end(), moves.begin(), moves.end());
    if (!strips_.leaves_and_returns(with)) strip = std::move(with);
  }
}

bool StripFuser::read_outside(NodeId id, const StripParts& strip) const {
  return strips_.is_result(id) || std::ranges::any_of(strips_.readers(id), [&](size_t reader) {
           return !strip.takes(reader);
         });
}

/// Bytes of an item that pass between parts and are seen by nobody else.
int64_t StripFuser::bytes_inside(const StripParts& strip) const {
  int64_t bytes = 0;
  const auto add = [&](size_t cluster, bool again) {
    for (NodeId yield : at(cluster).yields) {
      if (shape(yield).size() != strip.items.size() + 2) continue;
      if (!again && read_outside(yield, strip)) continue;
      const Shape item(shape(yield).begin() + static_cast<std::ptrdiff_t>(strip.items.size()),
                       shape(yield).end());
      bytes += byte_size({graph_.type(yield).dtype, item}, capacity_);
    }
  };
  for (size_t i : strip.own) add(i, false);
  for (size_t i : strip.again) add(i, true);
  return bytes;
}

void StripFuser::seed(size_t rows) {
  if (!is_free(rows, ClusterClass::Rows)) return;
  StripParts strip;
  strip.items = items_of(at(rows));
  if (strip.items.empty()) return;
  strip.own.insert(rows);
  if (!rows_fit(rows, strip)) return;
  take_producers(strip, rows);
  if (strips_.leaves_and_returns(strip) || !rows_fit(rows, strip)) return;
  take_consumers(strip);
  if (strip.own.size() < 2) return;
  take_moves(strip);
  const int64_t bytes = bytes_inside(strip);
  if (bytes == 0 || bytes > kMaxItemBytes) return;
  if (remarks_) {
    int64_t items = 1;
    for (Dim dim : strip.items) items *= dim.at(capacity_);
    remarks_->push_back(fmt::format("strip of {} clusters over {}: saves {} B",
                                    strip.own.size() + strip.moved.size(), to_string(strip.items),
                                    items * bytes));
  }
  strips_.add(std::move(strip));
}

}  // namespace

void fuse_strips(const Sources& sources, int64_t capacity, Clustering& clustering,
                 Remarks* remarks) {
  StripFuser(sources, capacity, clustering, remarks).run();
}

}  // namespace gradus::fuse
