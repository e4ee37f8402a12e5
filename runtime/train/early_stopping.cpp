// Better and enough are two things: any better value has the best weights, but only one better by
// min_delta resets the patience. A crawl of small gains keeps the last weights and still stops.
#include "runtime/train/early_stopping.h"

#include <cmath>

namespace gradus::runtime {

Verdict observe(const EarlyStoppingRule& rule, EarlyStoppingState& state, double value) {
  double sign = rule.maximize ? -1 : 1;
  bool better = !std::isnan(value) && (!state.has_best || sign * value < sign * state.best);
  bool enough = !std::isnan(value) &&
                (!state.has_best || sign * value < sign * state.reference - rule.min_delta);
  if (better) {
    state.best = value;
    state.has_best = true;
  }
  if (enough) {
    state.reference = value;
    state.waited = 0;
  } else {
    ++state.waited;
  }
  if (better) return Verdict::Better;
  return patience_is_over(rule, state) ? Verdict::Stop : Verdict::Wait;
}

bool patience_is_over(const EarlyStoppingRule& rule, const EarlyStoppingState& state) {
  return rule.patience > 0 && state.waited >= rule.patience;
}

}  // namespace gradus::runtime
