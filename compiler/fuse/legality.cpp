#include "fuse/legality.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "fuse/order.h"
#include "graph/cluster_space.h"
#include "graph/op.h"
#include "graph/text.h"
#include "support/check.h"

namespace gradus::fuse {

namespace {

constexpr size_t kMaxOperations = 256;
constexpr int kMaxSlots = 20;
constexpr int64_t kLongRow = 16384;

/// Members are sorted.
bool is_member(const Cluster& cluster, NodeId id) {
  return std::binary_search(cluster.members.begin(), cluster.members.end(), id);
}

OpClass class_of(const Graph& graph, NodeId id) { return op_def(graph[id].op).cls; }

ClusterClass first_class(const Graph& graph, NodeId id) {
  switch (class_of(graph, id)) {
    case OpClass::Contract:
      return ClusterClass::Contract;
    case OpClass::Reduce:
      return ClusterClass::Rows;
    default:
      break;
  }
  // Running sums and scatters have loops of their own.
  const OpKind op = graph[id].op;
  return op == OpKind::ScatterAdd || op == OpKind::CumulativeSum ? ClusterClass::Scatter
                                                                 : ClusterClass::Pointwise;
}

}  // namespace

Drafts::Drafts(const Graph& graph, int64_t capacity, Remarks& remarks)
    : graph_(&graph),
      capacity_(capacity),
      remarks_(&remarks),
      names_(value_names(graph)),
      draft_of_(graph.size()),
      sources_(graph.size()),
      readers_(graph.size()),
      after_(graph.size()),
      results_(graph.size(), 0),
      wanted_(graph.size(), false),
      buffers_(graph.size(), false),
      updates_of_(graph.size()),
      counted_(graph.size(), 0) {
  find_computed();
  places_.resize(drafts_.size());
  marks_.resize(drafts_.size());
  find_dependences();
  find_updates();
  find_places();
}

void Drafts::add_draft(NodeId node) {
  Cluster draft;
  draft.cls = first_class(*graph_, node);
  draft.anchor = node;
  draft.members = {node};
  draft_of_[node] = drafts_.push_back(std::move(draft));
}

/// Nodes that results need and that are neither leaves nor views; drafts in the order of nodes.
void Drafts::find_computed() {
  IdVector<NodeId, bool> needed(graph_->size(), false);
  for (const Result& result : graph_->results) {
    ++results_[result.value];
    needed[resolve_view(*graph_, result.value).source] = true;
  }
  wanted_ = needed;
  for (size_t i = graph_->size(); i-- > 0;) {
    const NodeId id(i);
    if (!needed[id] || is_leaf((*graph_)[id])) continue;
    sources_[id] = sources_of(*graph_, id);
    for (NodeId source : sources_[id]) needed[source] = true;
  }
  for (size_t i = 0; i < graph_->size(); ++i) {
    if (needed[NodeId(i)] && !is_leaf((*graph_)[NodeId(i)])) add_draft(NodeId(i));
  }
}

void Drafts::find_dependences() {
  for (size_t i = 0; i < graph_->size(); ++i) {
    for (NodeId source : sources_[NodeId(i)]) readers_[source].push_back(NodeId(i));
    buffers_[NodeId(i)] = is_buffer((*graph_)[NodeId(i)]);
  }
}

// Updates.

void Drafts::find_updates() {
  std::set<NodeId> taken;
  for (const Result& result : graph_->results) {
    if (result.kind != ResultKind::Update) continue;
    Update update{result.value, find_leaf(*graph_, result.name), false};
    GRADUS_CHECK(update.leaf.valid(), "an update names a parameter or state: " + result.name);
    const bool own = draft_of_[update.value].valid() && results_[update.value] == 1;
    update.in_place = own && taken.insert(update.leaf).second;
    updates_of_[update.value].push_back(updates_.size());
    updates_.push_back(update);
    if (update.in_place) decide_in_place(updates_.size() - 1);
  }
}

std::vector<NodeId> Drafts::other_readers(const Update& update) const {
  std::vector<NodeId> others;
  for (NodeId reader : readers_[update.leaf]) {
    if (reader != update.value) others.push_back(reader);
  }
  return others;
}

void Drafts::decide_in_place(size_t index) {
  Update& update = updates_[index];
  const DraftId draft = draft_of_[update.value];
  for (NodeId reader : other_readers(update)) after_[reader].push_back(update.value);
  if (updates_fit(drafts_[draft]) && !cycle_through(draft)) return;
  for (NodeId reader : other_readers(update)) after_[reader].pop_back();
  update.in_place = false;
  say(fmt::format("copy {} into {}: the old value is read elsewhere later", names_[update.value],
                  names_[update.leaf]));
}

/// Inside the cluster the old value is read only where the new one is stored.
bool Drafts::updates_fit(const Cluster& cluster, std::optional<ClusterSpace> space) const {
  for (NodeId member : cluster.members) {
    for (size_t index : updates_of_[member]) {
      if (updates_[index].in_place && !update_fits(cluster, updates_[index], space)) return false;
    }
  }
  return true;
}

bool Drafts::update_fits(const Cluster& cluster, const Update& update,
                         std::optional<ClusterSpace>& space) const {
  for (NodeId reader : readers_[update.leaf]) {
    if (!is_member(cluster, reader)) continue;
    if (class_of(*graph_, reader) == OpClass::Contract) return false;
    if (cluster.cls == ClusterClass::Scatter) return false;
    if (!space) space = find_space(*graph_, cluster);
    if (!space) return false;
    const Place stored = own_place(*graph_, *space, update.value);
    for (size_t k = 0; k < (*graph_)[reader].operands.size(); ++k) {
      const View view = operand_view(*graph_, reader, k);
      if (view.source != update.leaf) continue;
      if (operand_role((*graph_)[reader], k) == OperandRole::Indexed) return false;
      const auto place = operand_place(*graph_, *space, reader, view);
      if (!place || *place != stored) return false;
    }
  }
  return true;
}

// The graph of drafts.

std::vector<DraftId> Drafts::live(ClusterClass cls) const {
  std::vector<DraftId> result;
  for (size_t i = 0; i < drafts_.size(); ++i) {
    const Cluster& draft = drafts_[DraftId(i)];
    if (!draft.members.empty() && draft.cls == cls) result.push_back(DraftId(i));
  }
  return result;
}

std::vector<DraftId> Drafts::consumers(DraftId id) const {
  std::set<DraftId> result;
  for (NodeId member : drafts_[id].members) {
    for (NodeId reader : readers_[member]) result.insert(draft_of_[reader]);
  }
  result.erase(id);
  return {result.begin(), result.end()};
}

std::vector<DraftId> Drafts::producers(DraftId id) const {
  std::set<DraftId> result;
  for (NodeId member : drafts_[id].members) {
    for (NodeId source : sources_[member]) {
      if (draft_of_[source].valid()) result.insert(draft_of_[source]);
    }
  }
  result.erase(id);
  return {result.begin(), result.end()};
}

bool Drafts::only_read_by(DraftId id, DraftId reader) const {
  for (NodeId member : drafts_[id].members) {
    if (wanted_[member]) return false;
    for (NodeId other : readers_[member]) {
      if (draft_of_[other] != id && draft_of_[other] != reader) return false;
    }
  }
  return true;
}

int64_t Drafts::bytes_between(DraftId producer, DraftId consumer) const {
  int64_t bytes = 0;
  for (NodeId member : drafts_[producer].members) {
    const auto& readers = readers_[member];
    const bool read = std::any_of(readers.begin(), readers.end(),
                                  [&](NodeId reader) { return draft_of_[reader] == consumer; });
    if (read) bytes += byte_size(graph_->type(member), capacity_);
  }
  return bytes;
}

bool Drafts::is_read_outside(NodeId node) const {
  if (wanted_[node]) return true;
  return std::any_of(readers_[node].begin(), readers_[node].end(),
                     [&](NodeId reader) { return draft_of_[reader] != draft_of_[node]; });
}

// Merging.

int Drafts::count_slots(const Cluster& cluster) const {
  ++count_;
  for (NodeId member : cluster.members) counted_[member] = count_;
  int slots = 0;
  for (NodeId member : cluster.members) {
    const auto& readers = readers_[member];
    const bool outside = std::any_of(readers.begin(), readers.end(),
                                     [&](NodeId reader) { return counted_[reader] != count_; });
    slots += outside || wanted_[member] ? 1 : 0;
  }
  for (NodeId member : cluster.members) {
    for (NodeId source : sources_[member]) {
      if (buffers_[source] && std::exchange(counted_[source], count_) != count_) ++slots;
    }
  }
  return slots;
}

namespace {

/// What a class asks of its members beyond a space.
class ClassRules {
 public:
  ClassRules(const Graph& graph, const Cluster& cluster, const ClusterSpace& space)
      : graph_(graph), cluster_(cluster), space_(space) {}

  bool hold() const {
    switch (cluster_.cls) {
      case ClusterClass::Contract:
        return contract_holds();
      case ClusterClass::Rows:
        return is_chain() ? chain_holds() : lanes_hold();
      case ClusterClass::Pointwise:
      case ClusterClass::Scalar:
        return count(OpClass::Reduce) == 0;
      default:
        return cluster_.members.size() == 1;
    }
  }

 private:
  bool is_chain() const { return !folds_along_lanes(graph_, graph_[cluster_.anchor]); }
  int64_t count(OpClass cls) const {
    return std::count_if(cluster_.members.begin(), cluster_.members.end(),
                         [&](NodeId id) { return class_of(graph_, id) == cls; });
  }
  bool contract_holds() const {
    const std::vector<NodeId> sources = sources_of(graph_, cluster_.anchor);
    const bool prologue = std::any_of(sources.begin(), sources.end(),
                                      [&](NodeId source) { return is_member(cluster_, source); });
    return count(OpClass::Contract) == 1 && count(OpClass::Reduce) == 0 && !prologue;
  }
  bool lanes_hold() const {
    if (count(OpClass::Contract) > 0) return false;
    for (NodeId member : cluster_.members) {
      const bool fold = class_of(graph_, member) == OpClass::Reduce;
      if (fold && !folds_along_lanes(graph_, graph_[member])) return false;
    }
    return std::count(space_.folded.begin(), space_.folded.end(), true) == 1 &&
           space_.folded.back() && !(is_one_long_row() && reads_fold_again());
  }
  /// A fold over a whole large tensor is one item; what follows it elementwise is better off with
  /// many.
  bool is_one_long_row() const {
    return space_.extents.size() == 1 && space_.extents[0].value > kLongRow;
  }
  bool reads_fold_again() const {
    return std::any_of(cluster_.members.begin(), cluster_.members.end(), [&](NodeId member) {
      if (class_of(graph_, member) == OpClass::Reduce) return false;
      if (level_of(graph_, space_, member) != Level::Full) return false;
      const std::vector<NodeId> sources = sources_of(graph_, member);
      return std::any_of(sources.begin(), sources.end(), [&](NodeId source) {
        return is_member(cluster_, source) && level_of(graph_, space_, source) == Level::Folded;
      });
    });
  }
  /// Sums are known when all rows are done: nothing of a single row may read them.
  bool chain_holds() const {
    const Node& anchor = graph_[cluster_.anchor];
    const bool partial = anchor.op == OpKind::PartialSum;
    if (count(OpClass::Contract) > 0) return false;
    if (partial && std::count(space_.folded.begin(), space_.folded.end(), true) != 1) return false;
    for (NodeId member : cluster_.members) {
      const Node& node = graph_[member];
      if (class_of(graph_, member) == OpClass::Reduce) {
        const bool other_kind = (node.op == OpKind::PartialSum) != partial;
        if (other_kind || folds_along_lanes(graph_, node)) return false;
        if (partial && (node.attrs != anchor.attrs || node.type.shape != anchor.type.shape)) {
          return false;
        }
      }
      if (!chain_member_holds(member, partial)) return false;
    }
    return true;
  }
  bool chain_member_holds(NodeId member, bool partial) const {
    const bool fold = class_of(graph_, member) == OpClass::Reduce;
    const bool per_row = fold || level_of(graph_, space_, member) == Level::Full;
    if (partial && !per_row) return false;
    for (NodeId source : sources_of(graph_, member)) {
      if (!is_member(cluster_, source)) continue;
      const bool sum = class_of(graph_, source) == OpClass::Reduce;
      if (per_row && (sum || level_of(graph_, space_, source) == Level::Folded)) return false;
      if (!per_row && !sum && level_of(graph_, space_, source) == Level::Full) return false;
    }
    return true;
  }

  const Graph& graph_;
  const Cluster& cluster_;
  const ClusterSpace& space_;
};

}  // namespace

std::optional<std::string> Drafts::why_not(const Cluster& merged, DraftId a, DraftId b) const {
  for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
    if (const auto through = path_around(from, to)) {
      return fmt::format("L1 through {}", draft_name(*through));
    }
  }
  if (merged.members.size() > kMaxOperations) return "L5 too many operations";
  if (count_slots(merged) > kMaxSlots) return "L5 too many slots";
  std::optional<ClusterSpace> space = find_space(*graph_, merged);
  if (!space) return "L2 no common space";
  if (!ClassRules(*graph_, merged, *space).hold()) return "L3 a fold over items";
  if (merged.cls == ClusterClass::Rows && !folds_along_lanes(*graph_, (*graph_)[merged.anchor])) {
    for (NodeId member : merged.members) {
      if (class_of(*graph_, member) == OpClass::Reduce) continue;
      if (level_of(*graph_, *space, member) == Level::Folded) continue;
      const auto& readers = readers_[member];
      const bool outside = std::any_of(readers.begin(), readers.end(),
                                       [&](NodeId reader) { return !is_member(merged, reader); });
      if (outside || wanted_[member]) return "L3 rows of a chain read outside";
    }
  }
  if (!updates_fit(merged, std::move(space))) return "L4 the old value is read elsewhere inside";
  return std::nullopt;
}

/// Passes try again after each success; what was said once is not said again.
void Drafts::say(const std::string& remark) {
  if (said_.insert(remark).second) remarks_->push_back(remark);
}

std::string Drafts::draft_name(DraftId id) const { return names_[drafts_[id].anchor]; }

bool Drafts::merge(DraftId into, DraftId other, ClusterClass cls, NodeId anchor) {
  Cluster merged = drafts_[into];
  merged.cls = cls;
  merged.anchor = anchor;
  merged.members.insert(merged.members.end(), drafts_[other].members.begin(),
                        drafts_[other].members.end());
  std::sort(merged.members.begin(), merged.members.end());
  if (const auto reason = why_not(merged, into, other)) {
    say(fmt::format("keep {} apart from {}: {}", draft_name(other), draft_name(into), *reason));
    return false;
  }
  say(fmt::format("fuse {} into {}: saves {} B", draft_name(other), draft_name(into),
                  bytes_between(into, other) + bytes_between(other, into)));
  place_together(into, other);
  for (NodeId member : drafts_[other].members) draft_of_[member] = into;
  drafts_[other].members.clear();
  drafts_[into] = std::move(merged);
  return true;
}

// The end.

Clustering Drafts::finish() {
  Clustering clustering;
  clustering.cluster_of = IdVector<NodeId, ClusterId>(graph_->size());
  clustering.names = names_;
  for (Cluster& draft : drafts_) {
    if (draft.members.empty()) continue;
    clustering.clusters.push_back(draft);
  }
  fill_yields(clustering);
  add_copies(clustering);
  put_in_order(*graph_, clustering);
  return clustering;
}

void Drafts::fill_yields(Clustering& clustering) const {
  for (Cluster& cluster : clustering.clusters) {
    for (NodeId member : cluster.members) {
      if (is_read_outside(member)) cluster.yields.push_back(member);
    }
    for (const Update& update : updates_) {
      if (update.in_place && is_member(cluster, update.value)) {
        cluster.updates.emplace_back(update.value, update.leaf);
      }
    }
  }
}

/// A result is stored where it is computed if it is a member, no update elsewhere, and the first of
/// its value; else a copy fills its buffer.
void Drafts::add_copies(Clustering& clustering) const {
  std::set<NodeId> stored;
  for (size_t i = 0; i < graph_->results.size(); ++i) {
    const Result& result = graph_->results[i];
    if (result.kind == ResultKind::Update) {
      const auto update = std::find_if(updates_.begin(), updates_.end(), [&](const Update& u) {
        return u.in_place && u.value == result.value;
      });
      if (update != updates_.end()) continue;
    } else if (draft_of_[result.value].valid() && stored.insert(result.value).second) {
      continue;
    }
    Cluster copy;
    copy.anchor = result.value;
    copy.copy_result = static_cast<int32_t>(i);
    clustering.clusters.push_back(std::move(copy));
  }
}

}  // namespace gradus::fuse
