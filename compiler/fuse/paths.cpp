// Paths between drafts. Drafts have places in an order in which every dependence goes forward; what
// lies on a path has a place between those of its ends, and a search visits nothing else.
#include <algorithm>
#include <limits>
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

/// Begins a search, in which `from` counts as visited.
void Drafts::begin_search(DraftId from) const {
  ++search_;
  if (from.valid()) mark(from);
}

/// True once for each draft and search.
bool Drafts::mark(DraftId id) const { return std::exchange(marks_[id], search_) != search_; }

/// Whether a path leads from `from` to `to` through drafts placed before `end`. Marks what it
/// visits and does not visit it again in the same search.
bool Drafts::reaches(DraftId from, DraftId to, size_t end) const {
  pending_.clear();
  bool found = false;
  const auto visit = [&](DraftId id) {
    found |= id == to;
    if (places_[id] < end && mark(id)) pending_.push_back(id);
  };
  for_successors(from, visit);
  while (!pending_.empty() && !found) {
    const DraftId here = pending_.back();
    pending_.pop_back();
    for_successors(here, visit);
  }
  return found;
}

bool Drafts::cycle_through(DraftId id) const {
  begin_search();
  return reaches(id, id, std::numeric_limits<size_t>::max());
}

/// The first draft of a path from `from` to `to` that has others between; nothing where there is
/// none.
std::optional<DraftId> Drafts::path_around(DraftId from, DraftId to) const {
  if (places_[from] > places_[to]) return std::nullopt;
  ShortVector<DraftId, 8> firsts;
  for_successors(from, [&](DraftId next) {
    if (places_[next] < places_[to]) firsts.push_back(next);
  });
  std::ranges::sort(firsts);
  begin_search();
  for (DraftId first : firsts) {
    if (mark(first) && reaches(first, to, places_[to])) return first;
  }
  return std::nullopt;
}

void Drafts::put(DraftId id, size_t place) {
  places_[id] = place;
  order_[place] = id;
}

/// Gives every draft a place, early nodes first.
void Drafts::find_places() {
  std::vector<int> waiting(drafts_.size(), 0);
  for (size_t i = 0; i < drafts_.size(); ++i) {
    for_successors(DraftId(i), [&](DraftId next) { ++waiting[next.index()]; });
  }
  order_.clear();
  for (size_t i = 0; i < drafts_.size(); ++i) {
    if (waiting[i] == 0) order_.push_back(DraftId(i));
  }
  for (size_t place = 0; place < order_.size(); ++place) {
    places_[order_[place]] = place;
    for_successors(order_[place], [&](DraftId next) {
      if (--waiting[next.index()] == 0) order_.push_back(next);
    });
  }
  GRADUS_CHECK(order_.size() == drafts_.size(), "drafts have an order");
}

/// Places two drafts that become one side by side: before them what had a place between theirs, but
/// after them what the first of them leads to.
void Drafts::place_together(DraftId a, DraftId b) {
  const auto [begin, end] = std::minmax(places_[a], places_[b]);
  const std::vector<DraftId> window(order_.begin() + static_cast<std::ptrdiff_t>(begin),
                                    order_.begin() + static_cast<std::ptrdiff_t>(end) + 1);
  begin_search();
  reaches(window.front(), DraftId(), end);
  size_t place = begin;
  const auto put_marked = [&](bool marked) {
    for (size_t i = 1; i + 1 < window.size(); ++i) {
      if ((marks_[window[i]] == search_) == marked) put(window[i], place++);
    }
  };
  put_marked(false);
  put(window.front(), place++);
  put(window.back(), place++);
  put_marked(true);
}

}  // namespace gradus::fuse
