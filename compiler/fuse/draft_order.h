// An order in which drafts are moved next to one another. Each has a label, and labels grow along the
// order; where two neighbours leave no label between them, labels around them are spread. A move is
// paid by a number of labels that grows with the logarithm of all, and asking by a comparison.
#pragma once

#include <cstdint>
#include <vector>

#include "support/id.h"

namespace gradus::fuse {

using DraftId = Id<struct DraftTag>;

class DraftOrder {
 public:
  DraftOrder() = default;
  /// All drafts of this number, in the order of `drafts`.
  explicit DraftOrder(const std::vector<DraftId>& drafts);

  bool before(DraftId a, DraftId b) const { return links_[a].label < links_[b].label; }
  void move_after(DraftId id, DraftId where);
  void move_before(DraftId id, DraftId where);
  /// Nothing is asked of it any more.
  void remove(DraftId id);

 private:
  struct Link {
    DraftId previous, next;
    uint64_t label = 0;
  };
  static constexpr int kBits = 62;
  static constexpr uint64_t kEnd = uint64_t{1} << kBits;  // labels are below

  uint64_t label_behind(DraftId id) const { return id == ends_ ? kEnd : links_[id].label; }
  void insert_after(DraftId id, DraftId where);
  void spread(DraftId around);

  IdVector<DraftId, Link> links_;
  DraftId ends_;  // a link of label 0 before the first and behind the last
};

}  // namespace gradus::fuse
