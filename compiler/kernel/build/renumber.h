// Axes, values and slots of statements under other numbers: how parts become one kernel.
#pragma once

#include <functional>

#include "kernel/kernel.h"

namespace gradus::kernel {

struct Renumbering {
  IdVector<AxisId, AxisId> axes;
  IdVector<ValueId, ValueId> values;
  /// A new axis that counts blocks: where the old one stood, `scale` times it.
  AxisId scaled;
  int64_t scale = 1;
  /// Slots: an access may also change its form. Its indices have the new numbers already.
  std::function<void(Access&)> access;
  std::function<SlotId(SlotId)> slot;
};

/// Gives every number in the statements its new one.
void renumber(std::vector<Stmt>& body, const Renumbering& to);

}  // namespace gradus::kernel
