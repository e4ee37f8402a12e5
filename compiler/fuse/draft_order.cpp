// Spreading as by Bender, Cole, Demaine, Farach-Colton and Zito, "Two simplified algorithms for
// maintaining order in a list": the smallest range of labels that is not too full for its size.
#include "fuse/draft_order.h"

namespace gradus::fuse {

DraftOrder::DraftOrder(const std::vector<DraftId>& drafts)
    : links_(drafts.size() + 1), ends_(drafts.size()) {
  const uint64_t step = kEnd / (drafts.size() + 1);
  DraftId last = ends_;
  for (DraftId id : drafts) {
    links_[id] = {last, ends_, links_[last].label + step};
    links_[last].next = id;
    last = id;
  }
  links_[ends_].previous = last;
}

void DraftOrder::remove(DraftId id) {
  const Link& link = links_[id];
  links_[link.previous].next = link.next;
  links_[link.next].previous = link.previous;
}

void DraftOrder::move_after(DraftId id, DraftId where) {
  remove(id);
  insert_after(id, where);
}

void DraftOrder::move_before(DraftId id, DraftId where) {
  remove(id);
  insert_after(id, links_[where].previous);
}

void DraftOrder::insert_after(DraftId id, DraftId where) {
  const DraftId next = links_[where].next;
  if (label_behind(next) - links_[where].label < 2) spread(where == ends_ ? next : where);
  const uint64_t low = links_[where].label, high = label_behind(next);
  links_[id] = {where, next, low + (high - low) / 2};
  links_[where].next = id;
  links_[next].previous = id;
}

/// Afterwards labels around this one are two or more apart.
void DraftOrder::spread(DraftId around) {
  constexpr double kFuller = 4.0 / 3;  // as a range doubles it may hold so many times as many
  DraftId first = around, last = around;
  uint64_t count = 1;
  double most = 1;
  for (int bits = 1;; ++bits) {
    const uint64_t size = uint64_t{1} << bits, begin = links_[around].label / size * size;
    for (DraftId id = links_[first].previous; id != ends_ && links_[id].label >= begin;
         id = links_[id].previous) {
      first = id;
      ++count;
    }
    for (DraftId id = links_[last].next; id != ends_ && links_[id].label - begin < size;
         id = links_[id].next) {
      last = id;
      ++count;
    }
    most *= kFuller;
    const uint64_t step = size / (count + 1);
    if ((static_cast<double>(count) > most && bits < kBits) || step < 2) continue;
    uint64_t label = begin;
    for (DraftId id = first;; id = links_[id].next) {
      links_[id].label = label += step;
      if (id == last) return;
    }
  }
}

}  // namespace gradus::fuse
