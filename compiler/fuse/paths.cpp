// Paths between drafts. What lies on a path stands between its ends in an order in which every
// dependence goes forward. Two ends search towards each other, each among what stands between them:
// there is a path if they meet, and none as soon as one of them has no way left. Drafts whose nodes
// hang from one another have a path for sure, however long it is.
#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "fuse/legality.h"
#include "support/check.h"

namespace gradus::fuse {

/// Calls `visit` with each draft that runs after `id`, with some of them repeatedly.
template <typename Visit>
void Drafts::for_successors(DraftId id, Visit visit) const {
  const auto visit_others = [&](const auto& nodes) {
    for (NodeId node : nodes) {
      if (draft_of_[node] != id) visit(draft_of_[node]);
    }
  };
  for (NodeId yield : drafts_[id].outside.yields) visit_others(readers(yield));
  for (NodeId early : drafts_[id].early) visit_others(after_[early]);
}

/// Calls `visit` with each draft that `id` runs after, with some of them repeatedly.
template <typename Visit>
void Drafts::for_predecessors(DraftId id, Visit visit) const {
  for (NodeId read : drafts_[id].outside.reads) {
    if (draft_of_[read].valid()) visit(draft_of_[read]);
  }
  for (NodeId yield : drafts_[id].outside.yields) {
    if (update_of_[yield] == kNone) continue;
    for (NodeId reader : readers(updates_[update_of_[yield]].leaf)) {
      if (draft_of_[reader] != id) visit(draft_of_[reader]);
    }
  }
}

/// Begins a search, in which `from` counts as visited.
void Drafts::begin_search(DraftId from) const {
  ++search_;
  if (from.valid()) mark(from);
}

/// True once for each draft and search.
bool Drafts::mark(DraftId id) const { return std::exchange(marks_[id], search_) != search_; }

bool Drafts::cycle_through(DraftId id) const {
  begin_search();
  return reaches(id, id);
}

/// Whether a path leads from `from` to `to`. Marks what it visits and does not visit it again in
/// the same search.
bool Drafts::reaches(DraftId from, DraftId to) const {
  std::vector<DraftId> pending{from};
  bool found = false;
  while (!pending.empty() && !found) {
    const DraftId here = pending.back();
    pending.pop_back();
    for_successors(here, [&](DraftId next) {
      found |= next == to;
      if (mark(next)) pending.push_back(next);
    });
  }
  return found;
}

/// Of two drafts, whether a node of the one hangs from a node of the other: some of them are asked.
bool Drafts::surely_leads(DraftId from, DraftId to) const {
  const Subtree& above = drafts_[from].widest;
  const Cluster& cluster = drafts_[to].cluster;
  return above.holds(subtrees_[cluster.anchor]) || above.holds(subtrees_[cluster.members.front()]) ||
         above.holds(subtrees_[cluster.members.back()]);
}

/// Whether a path leads from `from` to `to` that has others between. If not, one of the two fronts
/// is done: it has found all that stands between the two and runs after the one, or before the
/// other.
bool Drafts::has_path_around(DraftId from, DraftId to) const {
  ahead_ = back_ = {};
  if (!order_.before(from, to)) return false;
  search_ += 2;
  const int64_t ahead = search_ - 1, back = search_;
  bool met = false;
  const auto visit = [&](Front& front, DraftId id, int64_t own, int64_t other) {
    ++front.steps;
    ++looks_;
    if (marks_[id] == own || id == from || id == to) return;
    if (!order_.before(from, id) || !order_.before(id, to)) return;
    met |= marks_[id] == other || (own == ahead ? surely_leads(id, to) : surely_leads(from, id));
    marks_[id] = own;
    front.found.push_back(id);
  };
  const auto look_ahead = [&](DraftId id) {
    for_successors(id, [&](DraftId next) { visit(ahead_, next, ahead, back); });
  };
  const auto look_back = [&](DraftId id) {
    for_predecessors(id, [&](DraftId next) { visit(back_, next, back, ahead); });
  };
  look_ahead(from);
  if (!met) look_back(to);
  while (!met && !ahead_.done() && !back_.done()) {
    if (ahead_.steps <= back_.steps) {
      look_ahead(ahead_.found[ahead_.next++]);
    } else {
      look_back(back_.found[back_.next++]);
    }
  }
  return met;
}

/// The first draft of such a path.
DraftId Drafts::first_of_path(DraftId from, DraftId to) const {
  std::vector<DraftId> firsts;
  for_successors(from, [&](DraftId next) {
    if (next != to) firsts.push_back(next);
  });
  std::ranges::sort(firsts);
  begin_search();
  for (DraftId first : firsts) {
    if (mark(first) && reaches(first, to)) return first;
  }
  return {};
}

void Drafts::find_subtrees() {
  subtrees_ = IdVector<NodeId, Subtree>(graph().size());
  const auto above = [&](NodeId id) {
    NodeId latest;
    for (NodeId source : sources_.of(id)) {
      if (draft_of_[source].valid() && (!latest.valid() || source > latest)) latest = source;
    }
    return latest;
  };
  // Sizes first, as the ends of ranges that begin at 0.
  for (size_t i = drafts_.size(); i-- > 0;) {
    const NodeId id = drafts_[DraftId(i)].cluster.anchor, from = above(id);
    ++subtrees_[id].end;
    if (from.valid()) subtrees_[from].end += subtrees_[id].end;
  }
  IdVector<NodeId, uint32_t> next(graph().size());
  uint32_t next_root = 0;
  for (Draft& draft : drafts_) {
    const NodeId id = draft.cluster.anchor, from = above(id);
    uint32_t& first = from.valid() ? next[from] : next_root;
    const uint32_t size = subtrees_[id].size();
    draft.widest = subtrees_[id] = {first, first + size};
    next[id] = first + 1;
    first += size;
  }
}

/// Each draft as soon as it can run, the first by number: neighbours of the graph stay near.
void Drafts::find_order() {
  std::vector<int> waiting(drafts_.size(), 0);
  for (size_t i = 0; i < drafts_.size(); ++i) {
    for_successors(DraftId(i), [&](DraftId next) { ++waiting[next.index()]; });
  }
  std::priority_queue<DraftId, std::vector<DraftId>, std::greater<DraftId>> ready;
  for (size_t i = 0; i < drafts_.size(); ++i) {
    if (waiting[i] == 0) ready.push(DraftId(i));
  }
  std::vector<DraftId> order;
  while (!ready.empty()) {
    const DraftId here = ready.top();
    ready.pop();
    order.push_back(here);
    for_successors(here, [&](DraftId next) {
      if (--waiting[next.index()] == 0) ready.push(next);
    });
  }
  GRADUS_CHECK(order.size() == drafts_.size(), "drafts have an order");
  order_ = DraftOrder(order);
}

/// Two drafts that become one, without a path around, get one place: that of the second, what runs
/// after the first moved behind it, or that of the first, what runs before the second moved before.
void Drafts::place_together(DraftId into, DraftId other) {
  const bool into_first = order_.before(into, other);
  const DraftId first = into_first ? into : other, second = into_first ? other : into;
  GRADUS_CHECK(!has_path_around(first, second), "drafts that become one have no path around");
  if (ahead_.done()) {
    std::ranges::sort(ahead_.found, [&](DraftId a, DraftId b) { return order_.before(b, a); });
    for (DraftId id : ahead_.found) order_.move_after(id, second);
    if (into == first) order_.move_after(into, second);
  } else {
    std::ranges::sort(back_.found, [&](DraftId a, DraftId b) { return order_.before(a, b); });
    for (DraftId id : back_.found) order_.move_before(id, first);
    if (into == second) order_.move_before(into, first);
  }
  order_.remove(other);
}

}  // namespace gradus::fuse
