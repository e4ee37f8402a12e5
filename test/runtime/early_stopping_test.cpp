// Better and enough are two things: the best is followed by any gain, patience by min_delta.
#include "runtime/train/early_stopping.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace gradus::runtime {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Seen {
  std::vector<Verdict> verdicts;
  EarlyStoppingState state;
};

Seen observe_all(const EarlyStoppingRule& rule, const std::vector<double>& values) {
  Seen seen;
  for (double value : values) seen.verdicts.push_back(observe(rule, seen.state, value));
  return seen;
}

using Verdicts = std::vector<Verdict>;
constexpr Verdict kBetter = Verdict::Better, kWait = Verdict::Wait, kStop = Verdict::Stop;

TEST(EarlyStopping, StopsAfterAsManyValuesThatAreNotBetter) {
  Seen seen = observe_all({2, 0, false}, {3, 2, 2, 1, 4, 1});
  EXPECT_EQ(seen.verdicts, (Verdicts{kBetter, kBetter, kWait, kBetter, kWait, kStop}));
  EXPECT_EQ(seen.state.best, 1);
  EXPECT_TRUE(patience_is_over({2, 0, false}, seen.state));
}

TEST(EarlyStopping, MaximizesWhereTold) {
  Seen seen = observe_all({2, 0, true}, {3, 4, 4, 2});
  EXPECT_EQ(seen.verdicts, (Verdicts{kBetter, kBetter, kWait, kStop}));
  EXPECT_EQ(seen.state.best, 4);
  EXPECT_EQ(observe_all({1, 0, true}, {-5, -4}).verdicts, (Verdicts{kBetter, kBetter}));
}

TEST(EarlyStopping, ACrawlKeepsTheLastWeightsAndStillStops) {
  EarlyStoppingRule rule{2, 0.5, false};
  Seen seen = observe_all(rule, {3, 2.9, 2.8});
  EXPECT_EQ(seen.verdicts, (Verdicts{kBetter, kBetter, kBetter}));
  EXPECT_EQ(seen.state.best, 2.8);
  EXPECT_EQ(seen.state.reference, 3);
  EXPECT_TRUE(patience_is_over(rule, seen.state));
}

TEST(EarlyStopping, AGainOfMinDeltaIsCountedFromTheReference) {
  EarlyStoppingRule rule{2, 0.5, false};
  // 0.25 twice is not more than 0.5; a little more is.
  EXPECT_TRUE(patience_is_over(rule, observe_all(rule, {3, 2.75, 2.5}).state));
  Seen seen = observe_all(rule, {3, 2.75, 2.25});
  EXPECT_FALSE(patience_is_over(rule, seen.state));
  EXPECT_EQ(seen.state.reference, 2.25);
  EXPECT_EQ(seen.state.waited, 0);
  Seen grows = observe_all({2, 0.5, true}, {3, 3.25, 3.75});
  EXPECT_EQ(grows.state.reference, 3.75);
}

TEST(EarlyStopping, NaNWaitsAndIsNeverTheBest) {
  Seen seen = observe_all({2, 0, false}, {kNaN, 5, kNaN, 4, kNaN, kNaN});
  EXPECT_EQ(seen.verdicts, (Verdicts{kWait, kBetter, kWait, kBetter, kWait, kStop}));
  EXPECT_EQ(seen.state.best, 4);
  Seen never = observe_all({2, 0, true}, {kNaN, kNaN});
  EXPECT_EQ(never.verdicts, (Verdicts{kWait, kStop}));
  EXPECT_FALSE(never.state.has_best);
}

TEST(EarlyStopping, ComesBackFromInfinity) {
  Seen seen = observe_all({3, 1, false}, {HUGE_VAL, HUGE_VAL, 1e300});
  EXPECT_EQ(seen.verdicts, (Verdicts{kBetter, kWait, kBetter}));
  EXPECT_EQ(seen.state.waited, 0);
}

TEST(EarlyStopping, NoPatienceNeverStops) {
  Seen seen = observe_all({0, 0, false}, {1, 2, 3, 4});
  EXPECT_EQ(seen.verdicts, (Verdicts{kBetter, kWait, kWait, kWait}));
  EXPECT_EQ(seen.state.waited, 3);
}

}  // namespace
}  // namespace gradus::runtime
