// Each cluster of rows seeds a strip; then the strips take the places of their parts.
#include "fuse/fuse_strips.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "fuse/order.h"
#include "graph/cluster_space.h"
#include "graph/op.h"
#include "graph/text.h"

namespace gradus::fuse {

namespace {

/// Scratch of one item beyond which values are better off in the arena.
constexpr int64_t kMaxItemBytes = int64_t{32} << 20;
constexpr size_t kNone = SIZE_MAX;

bool contains(const std::vector<NodeId>& nodes, NodeId id) {
  return std::ranges::find(nodes, id) != nodes.end();
}

void insert(std::vector<NodeId>& sorted, const std::vector<NodeId>& more) {
  sorted.insert(sorted.end(), more.begin(), more.end());
  std::ranges::sort(sorted);
}

/// A strip under construction: clusters by number.
struct Draft {
  std::vector<Dim> items;
  std::set<size_t> own;    // to be parts
  std::set<size_t> again;  // parts of earlier strips, computed once more
  std::set<size_t> moved;  // layout clusters whose elements the parts store
  std::vector<std::pair<NodeId, NodeId>> moves;
};

class StripFuser {
 public:
  StripFuser(const Graph& graph, int64_t capacity, Clustering& clustering, Remarks& remarks)
      : graph_(graph),
        capacity_(capacity),
        clustering_(clustering),
        remarks_(remarks),
        strip_of_(clustering.clusters.size(), kNone),
        readers_(graph.size()),
        successors_(clustering.clusters.size()) {
    const auto before = find_predecessors(graph, clustering);
    for (size_t i = 0; i < strip_of_.size(); ++i) {
      for (ClusterId id : before[ClusterId(i)]) successors_[id.index()].push_back(i);
      for (NodeId read : reads_of(graph, at(i))) readers_[read].push_back(i);
    }
    wanted_.resize(graph.size(), false);
    for (const Result& result : graph.results) {
      wanted_[resolve_view(graph, result.value).source] = true;
    }
  }

  void run() {
    for (size_t i = 0; i < strip_of_.size(); ++i) seed(i);
    if (!drafts_.empty()) assemble();
  }

 private:
  const Graph& graph_;
  int64_t capacity_;
  Clustering& clustering_;
  Remarks& remarks_;
  std::vector<Draft> drafts_;
  std::vector<size_t> strip_of_;                  // of each cluster that is part of one
  IdVector<NodeId, std::vector<size_t>> readers_;  // clusters
  IdVector<NodeId, bool> wanted_;                 // by results
  std::vector<std::vector<size_t>> successors_;

  const Cluster& at(size_t cluster) const { return clustering_.clusters[ClusterId(cluster)]; }
  const Shape& shape(NodeId id) const { return graph_.type(id).shape; }
  size_t producer(NodeId id) const {
    const ClusterId cluster = clustering_.cluster_of[id];
    return cluster.valid() ? cluster.index() : kNone;
  }
  bool is_free(size_t cluster, ClusterClass cls) const {
    return strip_of_[cluster] == kNone && at(cluster).cls == cls && at(cluster).updates.empty() &&
           at(cluster).copy_result < 0;
  }

  void seed(size_t rows);
  std::vector<Dim> items_of(const Cluster& rows) const;
  bool is_over(const Shape& shape, const std::vector<Dim>& items) const;
  bool rows_fit(size_t cluster, const Draft& draft) const;
  bool product_fits(size_t cluster, const Draft& draft) const;
  bool reads_are_local(size_t cluster, const Draft& draft) const;
  bool is_computed(NodeId id, const Draft& draft) const;
  void take_producers(Draft& draft, size_t rows) const;
  void repeat(Draft& draft, size_t rows) const;
  void take_consumers(Draft& draft) const;
  void take_moves(Draft& draft) const;
  bool gather(const Draft& draft, NodeId moved, NodeId node, std::set<size_t>& clusters,
              std::vector<std::pair<NodeId, NodeId>>& moves) const;
  bool leaves_and_returns(const Draft& draft) const;
  int64_t bytes_inside(const Draft& draft) const;
  bool read_outside(NodeId id, const Draft& draft) const;
  Cluster make_part(size_t cluster, const Draft& draft, bool again) const;
  Cluster make_strip(const Draft& draft) const;
  void assemble();
  void set_yields(Clustering& clustering) const;
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

bool StripFuser::is_computed(NodeId id, const Draft& draft) const {
  const size_t by = producer(id);
  return by != kNone && (draft.own.count(by) > 0 || draft.again.count(by) > 0);
}

/// What the strip has computed is read where the same item lies.
bool StripFuser::reads_are_local(size_t cluster, const Draft& draft) const {
  for (NodeId member : at(cluster).members) {
    for (size_t k = 0; k < graph_[member].operands.size(); ++k) {
      const View view = operand_view(graph_, member, k);
      if (contains(at(cluster).members, view.source) || !is_computed(view.source, draft)) continue;
      if (operand_role(graph_[member], k) == OperandRole::Indexed) return false;
      const std::vector<int64_t> dense = memory_strides(shape(view.source));
      const size_t items = draft.items.size();
      if (!is_over(shape(view.source), draft.items) || !is_over(view.extents, draft.items)) {
        return false;
      }
      for (size_t d = 0; d < items; ++d) {
        if (!draft.items[d].is_one() && view.strides[d] != dense[d]) return false;
      }
      int64_t item = 1;
      for (size_t d = items; d < dense.size(); ++d) item *= shape(view.source)[d].value;
      if (view.offset >= item) return false;
    }
  }
  return true;
}

bool StripFuser::rows_fit(size_t cluster, const Draft& draft) const {
  Cluster part = at(cluster);
  part.items = draft.items;
  const std::optional<ClusterSpace> space = find_space(graph_, part);
  if (!space) return false;
  const auto loops = std::ranges::count_if(draft.items, [](Dim dim) { return !dim.is_one(); });
  if (space->extents.size() != static_cast<size_t>(loops) + 2) return false;
  const auto folded = std::ranges::count(space->folded, true);
  return folded == 1 && space->folded.back() && reads_are_local(cluster, draft);
}

bool StripFuser::product_fits(size_t cluster, const Draft& draft) const {
  const Cluster& product = at(cluster);
  const Shape& own = shape(product.anchor);
  if (own.size() != draft.items.size() + 2 || !is_over(own, draft.items)) return false;
  if (own.back().batch || own[own.size() - 2].batch) return false;
  const Shape& left = shape(graph_[product.anchor].operands[0]);
  if (left.size() < 2 || left.back().batch || left[left.size() - 2].batch) return false;
  if (graph_.type(product.anchor).dtype != DType::F32) return false;
  return find_space(graph_, product).has_value() && reads_are_local(cluster, draft);
}

/// Products that the rows read; matrices that an earlier strip computes are computed again.
void StripFuser::take_producers(Draft& draft, size_t rows) const {
  for (NodeId read : reads_of(graph_, at(rows))) {
    const size_t by = producer(read);
    if (by == kNone || !is_over(shape(read), draft.items)) continue;
    if (is_free(by, ClusterClass::Contract) && product_fits(by, draft)) draft.own.insert(by);
    if (strip_of_[by] != kNone && at(by).cls == ClusterClass::Rows) repeat(draft, by);
  }
}

/// The rows cluster and the products that it reads, if what these read lies in buffers.
void StripFuser::repeat(Draft& draft, size_t rows) const {
  const Draft& strip = drafts_[strip_of_[rows]];
  std::set<size_t> parts{rows};
  if (strip.items != draft.items || strip.again.count(rows) > 0) return;
  for (NodeId read : reads_of(graph_, at(rows))) {
    const size_t by = producer(read);
    if (by == kNone || strip_of_[by] != strip_of_[rows]) continue;
    if (at(by).cls != ClusterClass::Contract) return;
    for (NodeId further : reads_of(graph_, at(by))) {
      const size_t source = producer(further);
      if (source != kNone && strip_of_[source] == strip_of_[rows]) return;
    }
    parts.insert(by);
  }
  draft.again.insert(parts.begin(), parts.end());
}

/// Products of what the strip computes.
void StripFuser::take_consumers(Draft& draft) const {
  for (size_t i = 0; i < strip_of_.size(); ++i) {
    if (!is_free(i, ClusterClass::Contract) || draft.own.count(i) > 0) continue;
    const std::vector<NodeId> reads = reads_of(graph_, at(i));
    const bool reads_it =
        std::ranges::any_of(reads, [&](NodeId read) { return is_computed(read, draft); });
    if (!reads_it || !product_fits(i, draft)) continue;
    draft.own.insert(i);
    if (leaves_and_returns(draft)) draft.own.erase(i);
  }
}

/// From a moved node down to products of the strip; the clusters on the way exist for it alone.
bool StripFuser::gather(const Draft& draft, NodeId moved, NodeId node, std::set<size_t>& clusters,
                        std::vector<std::pair<NodeId, NodeId>>& moves) const {
  const size_t by = producer(node);
  if (by != kNone && draft.own.count(by) > 0) {
    const bool product = at(by).cls == ClusterClass::Contract && contains(at(by).yields, node);
    if (!product || !stored_view(graph_, node, moved)) return false;
    moves.emplace_back(node, moved);
    return true;
  }
  const OpKind op = graph_[node].op;
  if (op != OpKind::Reshape && op != OpKind::Transpose && op != OpKind::Concat) return false;
  if (by != kNone) {
    const bool alone = is_free(by, ClusterClass::Pointwise) && at(by).members.size() == 1;
    const bool read = node != moved && (wanted_[node] || readers_[node].size() != 1);
    if (!alone || read) return false;
    clusters.insert(by);
  }
  return std::ranges::all_of(graph_[node].operands, [&](NodeId operand) {
    return gather(draft, moved, operand, clusters, moves);
  });
}

/// Copies of the strip's products that only move their elements: the longest ways first.
void StripFuser::take_moves(Draft& draft) const {
  for (size_t i = strip_of_.size(); i-- > 0;) {
    if (!is_free(i, ClusterClass::Pointwise) || draft.moved.count(i) > 0) continue;
    if (at(i).members.size() != 1) continue;
    std::set<size_t> clusters;
    std::vector<std::pair<NodeId, NodeId>> moves;
    if (!gather(draft, at(i).anchor, at(i).anchor, clusters, moves)) continue;
    Draft with = draft;
    with.moved.insert(clusters.begin(), clusters.end());
    with.moves.insert(with.moves.end(), moves.begin(), moves.end());
    if (!leaves_and_returns(with)) draft = std::move(with);
  }
}

/// Whether a path leaves the strip and comes back; strips that are made already are passed as one.
bool StripFuser::leaves_and_returns(const Draft& draft) const {
  const auto inside = [&](size_t i) { return draft.own.count(i) > 0 || draft.moved.count(i) > 0; };
  std::vector<bool> seen(strip_of_.size(), false);
  std::vector<size_t> pending;
  const auto visit = [&](size_t i) {
    if (seen[i] || inside(i)) return;
    seen[i] = true;
    pending.push_back(i);
  };
  for (const std::set<size_t>* from : {&draft.own, &draft.moved}) {
    for (size_t i : *from) std::ranges::for_each(successors_[i], visit);
  }
  while (!pending.empty()) {
    const size_t here = pending.back();
    pending.pop_back();
    for (size_t next : successors_[here]) {
      if (inside(next)) return true;
      visit(next);
    }
    if (strip_of_[here] == kNone) continue;
    const Draft& strip = drafts_[strip_of_[here]];
    std::ranges::for_each(strip.own, visit);
    std::ranges::for_each(strip.moved, visit);
  }
  return false;
}

bool StripFuser::read_outside(NodeId id, const Draft& draft) const {
  return wanted_[id] || std::ranges::any_of(readers_[id], [&](size_t reader) {
    return draft.own.count(reader) == 0 && draft.moved.count(reader) == 0;
  });
}

/// Bytes of an item that pass between parts and are seen by nobody else.
int64_t StripFuser::bytes_inside(const Draft& draft) const {
  int64_t bytes = 0;
  const auto add = [&](size_t cluster, bool again) {
    for (NodeId yield : at(cluster).yields) {
      if (shape(yield).size() != draft.items.size() + 2) continue;
      if (!again && read_outside(yield, draft)) continue;
      const Shape item(shape(yield).begin() + static_cast<std::ptrdiff_t>(draft.items.size()),
                       shape(yield).end());
      bytes += byte_size({graph_.type(yield).dtype, item}, capacity_);
    }
  };
  for (size_t i : draft.own) add(i, false);
  for (size_t i : draft.again) add(i, true);
  return bytes;
}

void StripFuser::seed(size_t rows) {
  if (!is_free(rows, ClusterClass::Rows)) return;
  Draft draft;
  draft.items = items_of(at(rows));
  if (draft.items.empty()) return;
  draft.own.insert(rows);
  if (!rows_fit(rows, draft)) return;
  take_producers(draft, rows);
  if (leaves_and_returns(draft) || !rows_fit(rows, draft)) return;
  take_consumers(draft);
  if (draft.own.size() < 2) return;
  take_moves(draft);
  const int64_t bytes = bytes_inside(draft);
  if (bytes == 0 || bytes > kMaxItemBytes) return;
  int64_t items = 1;
  for (Dim dim : draft.items) items *= dim.at(capacity_);
  remarks_.push_back(fmt::format("strip of {} clusters over {}: saves {} B",
                                 draft.own.size() + draft.moved.size(), to_string(draft.items),
                                 items * bytes));
  for (const std::set<size_t>* taken : {&draft.own, &draft.moved}) {
    for (size_t i : *taken) strip_of_[i] = drafts_.size();
  }
  drafts_.push_back(std::move(draft));
}

Cluster StripFuser::make_part(size_t cluster, const Draft& draft, bool again) const {
  Cluster part = at(cluster);
  part.items = draft.items;
  part.again = again;
  for (const auto& move : draft.moves) {
    if (contains(part.members, move.first)) part.moves.push_back(move);
  }
  return part;
}

Cluster StripFuser::make_strip(const Draft& draft) const {
  Cluster strip;
  strip.cls = ClusterClass::Strip;
  strip.items = draft.items;
  std::set<size_t> parts = draft.own;
  parts.insert(draft.again.begin(), draft.again.end());
  for (size_t i : parts) {
    const bool again = draft.own.count(i) == 0;
    strip.parts.push_back(make_part(i, draft, again));
    insert(again ? strip.repeats : strip.members, at(i).members);
    const bool product = at(i).cls == ClusterClass::Contract;
    if (product && !again && !strip.anchor.valid()) strip.anchor = at(i).anchor;
  }
  if (!strip.anchor.valid()) strip.anchor = at(*draft.own.begin()).anchor;
  for (size_t i : draft.moved) insert(strip.members, at(i).members);
  return strip;
}

/// A strip yields what is read outside of it, its parts what any other reads.
void StripFuser::set_yields(Clustering& clustering) const {
  IdVector<NodeId, bool> read = wanted_;
  for (const Cluster& cluster : clustering.clusters) {
    for (NodeId id : reads_of(graph_, cluster)) read[id] = true;
  }
  for (Cluster& strip : clustering.clusters) {
    for (NodeId member : strip.members) {
      if (strip.cls == ClusterClass::Strip && read[member]) strip.yields.push_back(member);
    }
    IdVector<NodeId, bool> passed(graph_.size(), false);
    for (const Cluster& part : strip.parts) {
      for (NodeId id : reads_of(graph_, part)) passed[id] = true;
    }
    for (Cluster& part : strip.parts) {
      std::erase_if(part.yields, [&](NodeId yield) {
        return !passed[yield] && (part.again || !contains(strip.yields, yield));
      });
    }
  }
}

void StripFuser::assemble() {
  Clustering out;
  out.cluster_of = IdVector<NodeId, ClusterId>(graph_.size());
  out.names = std::move(clustering_.names);
  for (size_t i = 0; i < strip_of_.size(); ++i) {
    if (strip_of_[i] == kNone) out.clusters.push_back(at(i));
  }
  for (const Draft& draft : drafts_) out.clusters.push_back(make_strip(draft));
  set_yields(out);
  put_in_order(graph_, out);
  clustering_ = std::move(out);
}

}  // namespace

void fuse_strips(const Graph& graph, int64_t capacity, Clustering& clustering, Remarks& remarks) {
  StripFuser(graph, capacity, clustering, remarks).run();
}

}  // namespace gradus::fuse
