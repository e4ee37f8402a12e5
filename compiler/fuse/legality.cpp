#include "fuse/legality.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "cluster/cluster_space.h"
#include "fuse/class_rules.h"
#include "fuse/order.h"
#include "graph/op.h"
#include "graph/text.h"
#include "support/check.h"

namespace gradus::fuse {

namespace {

constexpr size_t kMaxOperations = 256;
constexpr size_t kMaxSlots = 20;

ClusterClass first_class(const Graph& graph, NodeId id) {
  switch (class_of(graph[id])) {
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

std::string_view law_text(Refusal::Law law) {
  switch (law) {
    case Refusal::Law::Path:
      return "L1 through ";
    case Refusal::Law::Space:
      return "L2 no common space";
    case Refusal::Law::Fold:
      return "L3 a fold over items";
    case Refusal::Law::ChainRows:
      return "L3 rows of a chain read outside";
    case Refusal::Law::OldValue:
      return "L4 the old value is read elsewhere inside";
    case Refusal::Law::Operations:
      return "L5 too many operations";
    case Refusal::Law::Slots:
      return "L5 too many slots";
  }
  return "";
}

}  // namespace

Drafts::Drafts(const Sources& sources, int64_t capacity, Remarks* remarks)
    : sources_(sources),
      capacity_(capacity),
      remarks_(remarks),
      names_(value_names(graph())),
      draft_of_(graph().size()),
      after_(graph().size()),
      results_(graph().size(), 0),
      wanted_(graph().size(), false),
      update_of_(graph().size(), kNone) {
  find_computed();
  find_readers();
  find_outsides();
  marks_.resize(drafts_.size());
  find_updates();
  find_subtrees();
  find_order();
}

void Drafts::add_draft(NodeId node) {
  Draft draft;
  draft.cluster.cls = first_class(graph(), node);
  draft.cluster.anchor = node;
  draft.cluster.members = {node};
  draft_of_[node] = drafts_.push_back(std::move(draft));
}

/// Nodes that results need and that are neither leaves nor views; drafts in the order of nodes.
void Drafts::find_computed() {
  for (const Result& result : graph().results) {
    ++results_[result.value];
    wanted_[sources_.viewed(result.value)] = true;
  }
  IdVector<NodeId, bool> needed = wanted_;
  for (size_t i = graph().size(); i-- > 0;) {
    const NodeId id(i);
    if (!needed[id] || is_leaf(graph()[id])) continue;
    for (NodeId source : sources_.of(id)) needed[source] = true;
  }
  for (size_t i = 0; i < graph().size(); ++i) {
    if (needed[NodeId(i)] && !is_leaf(graph()[NodeId(i)])) add_draft(NodeId(i));
  }
}

void Drafts::find_readers() {
  readers_begin_.assign(graph().size() + 1, 0);
  const auto for_reads = [&](auto visit) {
    for (const Draft& draft : drafts_) {
      for (NodeId source : sources_.of(draft.cluster.anchor)) visit(source, draft.cluster.anchor);
    }
  };
  for_reads([&](NodeId source, NodeId) { ++readers_begin_[source.index() + 1]; });
  for (size_t i = 0; i < graph().size(); ++i) readers_begin_[i + 1] += readers_begin_[i];
  readers_.resize(readers_begin_.back());
  std::vector<size_t> next = readers_begin_;
  for_reads([&](NodeId source, NodeId reader) { readers_[next[source.index()]++] = reader; });
}

/// Of drafts with one member.
void Drafts::find_outsides() {
  for (Draft& draft : drafts_) {
    const NodeId member = draft.cluster.anchor;
    for (NodeId source : sources_.of(member)) {
      if (is_buffer(graph()[source])) draft.outside.reads.push_back(source);
    }
    std::ranges::sort(draft.outside.reads);
    if (wanted_[member] || !readers(member).empty()) draft.outside.yields.push_back(member);
  }
}

// Updates.

void Drafts::find_updates() {
  std::set<NodeId> taken;
  for (const Result& result : graph().results) {
    if (result.kind != ResultKind::Update) continue;
    Update update{result.value, sources_.leaf(result.name), false};
    GRADUS_CHECK(update.leaf.valid(), "an update names a parameter or state: " + result.name);
    const bool own = draft_of_[update.value].valid() && results_[update.value] == 1;
    update.in_place = own && taken.insert(update.leaf).second;
    updates_.push_back(update);
    if (update.in_place) decide_in_place(updates_.size() - 1);
  }
}

Nodes Drafts::other_readers(const Update& update) const {
  Nodes others;
  for (NodeId reader : readers(update.leaf)) {
    if (reader != update.value) others.push_back(reader);
  }
  return others;
}

void Drafts::decide_in_place(size_t index) {
  Update& update = updates_[index];
  const DraftId draft = draft_of_[update.value];
  const Nodes others = other_readers(update);
  update_of_[update.value] = index;
  for (NodeId reader : others) {
    after_[reader].push_back(update.value);
    drafts_[draft_of_[reader]].early = {reader};
  }
  if (updates_fit(drafts_[draft], std::nullopt, draft, draft) && !cycle_through(draft)) return;
  for (NodeId reader : others) after_[reader].pop_back();
  update.in_place = false;
  update_of_[update.value] = kNone;
  if (!remarks_) return;
  remarks_->push_back(fmt::format("copy {} into {}: the old value is read elsewhere later",
                                  names_[update.value], names_[update.leaf]));
}

/// Inside the cluster the old value is read only where the new one is stored.
bool Drafts::updates_fit(const Draft& merged, std::optional<ClusterSpace> space, DraftId a,
                         DraftId b) const {
  for (NodeId yield : merged.outside.yields) {
    if (update_of_[yield] == kNone) continue;
    const Update& update = updates_[update_of_[yield]];
    for (NodeId reader : readers(update.leaf)) {
      if (!in_either(reader, a, b) || reads_in_place(update, merged.cluster, reader)) continue;
      if (!space) space = find_space(graph(), merged.cluster);
      if (!space || !update_fits(update, merged.cluster, *space, reader)) return false;
    }
  }
  return true;
}

/// Without a fold, a tensor of the new value's shape is read at the new value's point.
bool Drafts::reads_in_place(const Update& update, const Cluster& merged, NodeId reader) const {
  const Node& node = graph()[reader];
  const Shape& shape = graph().type(update.leaf).shape;
  return merged.cls != ClusterClass::Rows && merged.cls != ClusterClass::Scatter &&
         class_of(graph()[reader]) == OpClass::Pointwise && node.type.shape == shape &&
         std::ranges::all_of(node.operands, [&](NodeId operand) {
           return operand == update.leaf || sources_.viewed(operand) != update.leaf;
         });
}

bool Drafts::update_fits(const Update& update, const Cluster& merged, const ClusterSpace& space,
                         NodeId reader) const {
  if (class_of(graph()[reader]) == OpClass::Contract) return false;
  if (merged.cls == ClusterClass::Scatter) return false;
  const Node& node = graph()[reader];
  if (computed_at_indices(graph(), merged.members).count(reader) > 0) return false;
  const AccessMap stored = own_map(graph(), space, update.value);
  for (size_t k = 0; k < node.operands.size(); ++k) {
    if (sources_.viewed(node.operands[k]) != update.leaf) continue;
    if (operand_role(node, k) == OperandRole::Indexed) return false;
    const auto read = operand_map(graph(), space, reader, operand_view(graph(), reader, k));
    if (!read || *read != stored) return false;
  }
  return true;
}

// The graph of drafts.

std::vector<DraftId> Drafts::live(ClusterClass cls) const {
  std::vector<DraftId> result;
  for (size_t i = 0; i < drafts_.size(); ++i) {
    const Cluster& draft = drafts_[DraftId(i)].cluster;
    if (!draft.members.empty() && draft.cls == cls) result.push_back(DraftId(i));
  }
  return result;
}

std::vector<DraftId> Drafts::consumers(DraftId id) const {
  std::vector<DraftId> result;
  begin_search(id);
  for (NodeId yield : drafts_[id].outside.yields) {
    for (NodeId reader : readers(yield)) {
      if (mark(draft_of_[reader])) result.push_back(draft_of_[reader]);
    }
  }
  if (!std::ranges::is_sorted(result)) std::ranges::sort(result);
  return result;
}

std::vector<DraftId> Drafts::consumers_near(DraftId id, NodeId near) const {
  constexpr size_t kMany = 256;
  std::vector<DraftId> result;
  begin_search(id);
  for (NodeId yield : drafts_[id].outside.yields) {
    std::span<const NodeId> all = readers(yield);  // ascending
    if (all.size() > kMany) {
      const auto from = std::ranges::lower_bound(all, near) - all.begin();
      all = all.subspan(static_cast<size_t>(from));
      all = all.first(std::min(all.size(), kMany));
    }
    for (NodeId reader : all) {
      if (mark(draft_of_[reader])) result.push_back(draft_of_[reader]);
    }
  }
  std::ranges::sort(result);
  return result;
}

std::vector<DraftId> Drafts::producers(DraftId id) const {
  std::vector<DraftId> result;
  begin_search(id);
  for (NodeId read : drafts_[id].outside.reads) {
    const DraftId producer = draft_of_[read];
    if (producer.valid() && mark(producer)) result.push_back(producer);
  }
  std::ranges::sort(result);
  return result;
}

void Drafts::set_class(DraftId id, ClusterClass cls) {
  GRADUS_CHECK(!drafts_[id].space, "spaces are of a class");
  drafts_[id].cluster.cls = cls;
}

bool Drafts::only_read_by(DraftId id, DraftId reader) const {
  return std::ranges::none_of(drafts_[id].outside.yields,
                              [&](NodeId yield) { return is_seen_outside(yield, id, reader); });
}

int64_t Drafts::bytes_between(DraftId producer, DraftId consumer) const {
  int64_t bytes = 0;
  for (NodeId read : drafts_[consumer].outside.reads) {
    if (draft_of_[read] == producer) bytes += byte_size(graph().type(read), capacity_);
  }
  return bytes;
}

/// Whether a result is, or a draft other than these two reads, what `node` computes.
bool Drafts::is_seen_outside(NodeId node, DraftId a, DraftId b) const {
  return wanted_[node] || std::ranges::any_of(readers(node), [&](NodeId reader) {
           return !in_either(reader, a, b);
         });
}

// Merging.

/// Slots of the two as one, counted without listing them: most attempts end here.
size_t Drafts::slots_of_both(DraftId a, DraftId b) const {
  const Outside &first = drafts_[a].outside, &second = drafts_[b].outside;
  const auto is_seen = [&](NodeId yield) { return is_seen_outside(yield, a, b); };
  const auto reads =
      std::ranges::count_if(first.reads, [&](NodeId read) { return draft_of_[read] != b; });
  const auto more_reads = std::ranges::count_if(second.reads, [&](NodeId read) {
    return draft_of_[read] != a && !std::ranges::binary_search(first.reads, read);
  });
  return static_cast<size_t>(reads + more_reads + std::ranges::count_if(first.yields, is_seen) +
                             std::ranges::count_if(second.yields, is_seen));
}

/// What is seen of two drafts as one: part of what is seen of each.
Outside Drafts::outside_of_both(DraftId a, DraftId b) const {
  const Outside &first = drafts_[a].outside, &second = drafts_[b].outside;
  Outside both;
  std::ranges::set_union(first.reads, second.reads, std::back_inserter(both.reads));
  std::ranges::merge(first.yields, second.yields, std::back_inserter(both.yields));
  const auto drop = [](Nodes& nodes, auto unseen) {
    nodes.erase(std::remove_if(nodes.begin(), nodes.end(), unseen), nodes.end());
  };
  drop(both.reads, [&](NodeId read) { return in_either(read, a, b); });
  drop(both.yields, [&](NodeId yield) { return !is_seen_outside(yield, a, b); });
  return both;
}

/// The two as one, in the class of the first.
Draft Drafts::joined(DraftId into, DraftId other) const {
  const Draft &first = drafts_[into], &second = drafts_[other];
  Draft merged;
  merged.outside = outside_of_both(into, other);
  merged.cluster.cls = first.cluster.cls;
  merged.cluster.anchor = first.cluster.anchor;
  merged.cluster.members.reserve(first.cluster.members.size() + second.cluster.members.size());
  std::ranges::merge(first.cluster.members, second.cluster.members,
                     std::back_inserter(merged.cluster.members));
  merged.widest = std::max(first.widest, second.widest, [](const Subtree& a, const Subtree& b) {
    return a.size() < b.size();
  });
  merged.early = first.early;
  merged.early.insert(merged.early.end(), second.early.begin(), second.early.end());
  return merged;
}

/// A law that asks for no more than the two drafts and their places; what costs least comes first.
std::optional<Refusal> Drafts::breach_of_pair(DraftId a, DraftId b) const {
  const size_t operations = drafts_[a].cluster.members.size() + drafts_[b].cluster.members.size();
  if (operations > kMaxOperations) return Refusal{Refusal::Law::Operations, {}};
  if (slots_of_both(a, b) > kMaxSlots) return Refusal{Refusal::Law::Slots, {}};
  for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
    if (!has_path_around(from, to)) continue;
    return Refusal{Refusal::Law::Path, remarks_ ? first_of_path(from, to) : DraftId()};
  }
  return std::nullopt;
}

/// The first draft's space with the second's members too; nothing where none holds all.
std::unique_ptr<GrowingSpace> Drafts::space_of_both(const Draft& merged, DraftId into,
                                                    DraftId other) const {
  const Cluster& cluster = merged.cluster;
  const Draft &first = drafts_[into], &second = drafts_[other];
  if (!first.space) {
    auto space =
        std::make_unique<GrowingSpace>(graph(), cluster.cls, cluster.anchor, cluster.items);
    return space->add(cluster.members, cluster.members, {}) ? std::move(space) : nullptr;
  }
  Nodes between;
  for (NodeId yield : second.outside.yields) {
    for (NodeId reader : readers(yield)) {
      if (draft_of_[reader] == into) between.push_back(reader);
    }
  }
  auto space = std::make_unique<GrowingSpace>(*first.space);
  return space->add(cluster.members, second.cluster.members, between) ? std::move(space) : nullptr;
}

/// A law that `merged` of these two breaks by what it computes.
std::optional<Refusal> Drafts::breach_of_merged(const Draft& merged, DraftId a, DraftId b) const {
  if (!merged.space) return Refusal{Refusal::Law::Space, {}};
  ClusterSpace space = merged.space->space();
  if (!class_rules_hold(sources_, merged.cluster, space)) return Refusal{Refusal::Law::Fold, {}};
  if (stores_chain_rows(merged, space)) return Refusal{Refusal::Law::ChainRows, {}};
  if (!updates_fit(merged, std::move(space), a, b)) return Refusal{Refusal::Law::OldValue, {}};
  return std::nullopt;
}

bool Drafts::stores_chain_rows(const Draft& merged, const ClusterSpace& space) const {
  if (merged.cluster.cls != ClusterClass::Rows || !is_chain(graph(), merged.cluster)) return false;
  return std::ranges::any_of(merged.outside.yields, [&](NodeId yield) {
    return !is_fold(graph()[yield]) && level_of(graph(), space, yield) != Level::Folded;
  });
}

/// Passes try again after each success; what was said once is not said again.
bool Drafts::refuse(DraftId into, DraftId other, const Refusal& refusal) {
  if (!remarks_ || !refused_.insert({into, other, refusal}).second) return false;
  const std::string through =
      refusal.law == Refusal::Law::Path ? draft_name(refusal.through) : std::string();
  remarks_->push_back(fmt::format("keep {} apart from {}: {}{}", draft_name(other),
                                  draft_name(into), law_text(refusal.law), through));
  return false;
}

std::string Drafts::draft_name(DraftId id) const { return names_[drafts_[id].cluster.anchor]; }

bool Drafts::merge(DraftId into, DraftId other) {
  if (const auto breach = breach_of_pair(into, other)) return refuse(into, other, *breach);
  Draft merged = joined(into, other);
  merged.space = space_of_both(merged, into, other);
  if (const auto breach = breach_of_merged(merged, into, other)) {
    return refuse(into, other, *breach);
  }
  if (remarks_) {
    remarks_->push_back(fmt::format("fuse {} into {}: saves {} B", draft_name(other),
                                    draft_name(into),
                                    bytes_between(into, other) + bytes_between(other, into)));
  }
  place_together(into, other);
  for (NodeId member : drafts_[other].cluster.members) draft_of_[member] = into;
  drafts_[other] = Draft();
  drafts_[into] = std::move(merged);
  return true;
}

// The end.

Clustering Drafts::finish() {
  Clustering clustering;
  clustering.cluster_of = IdVector<NodeId, ClusterId>(graph().size());
  clustering.names = std::move(names_);
  for (Draft& draft : drafts_) {
    if (draft.cluster.members.empty()) continue;
    set_yields(draft);
    clustering.clusters.push_back(std::move(draft.cluster));
  }
  add_copies(clustering);
  put_in_order(sources_, clustering, sources_.reads_of_all(clustering));
  return clustering;
}

/// Yields, and those of them that are stored in place, in the order of results.
void Drafts::set_yields(Draft& draft) const {
  const Nodes& yields = draft.outside.yields;
  draft.cluster.yields.assign(yields.begin(), yields.end());
  std::vector<size_t> stored;
  for (NodeId yield : yields) {
    if (update_of_[yield] != kNone) stored.push_back(update_of_[yield]);
  }
  std::ranges::sort(stored);
  for (size_t index : stored) {
    draft.cluster.updates.emplace_back(updates_[index].value, updates_[index].leaf);
  }
}

/// A result is stored where it is computed if it is a member, no update elsewhere, and the first of
/// its value; else a copy fills its buffer.
void Drafts::add_copies(Clustering& clustering) const {
  std::set<NodeId> stored;
  for (size_t i = 0; i < graph().results.size(); ++i) {
    const Result& result = graph().results[i];
    if (result.kind == ResultKind::Update) {
      if (update_of_[result.value] != kNone) continue;
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
