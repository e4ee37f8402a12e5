// When to stop: a monitored value that has not become better by `min_delta` for `patience`
// validations.
#pragma once

#include <cstdint>

namespace gradus::runtime {

struct EarlyStoppingRule {
  int64_t patience = 0;  // 0: never stops, the best is still followed
  double min_delta = 0;
  bool maximize = false;
};

/// Plain data, so that a checkpoint can hold it.
struct EarlyStoppingState {
  bool has_best = false;
  double best = 0;       // the best value seen: its weights are kept
  double reference = 0;  // the value that patience counts from
  int64_t waited = 0;    // validations since `reference` was beaten by min_delta
};

enum class Verdict { Better, Wait, Stop };

/// Takes the next value. NaN never counts as best, and waits. `Better`: these weights are the best
/// so far, which says nothing of patience: ask patience_is_over.
Verdict observe(const EarlyStoppingRule& rule, EarlyStoppingState& state, double value);

bool patience_is_over(const EarlyStoppingRule& rule, const EarlyStoppingState& state);

}  // namespace gradus::runtime
