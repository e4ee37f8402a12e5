// The numbers here were computed by another program, from the published definition of SplitMix64.
#include "runtime/data/split.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace gradus::runtime {
namespace {

TEST(Split, PermutesTheSameOnEveryMachine) {
  EXPECT_EQ(permutation(10, 0, 1), (Rows{7, 5, 1, 6, 2, 8, 3, 9, 0, 4}));
  EXPECT_EQ(permutation(10, 7, 3), (Rows{1, 9, 3, 4, 6, 8, 7, 2, 0, 5}));
}

TEST(Split, DrawsTheSamePartsOnEveryMachine) {
  Split split = split_by_seed(20, 0.2, 0.2, 5);
  EXPECT_EQ(split.test, (Rows{1, 4, 9, 12}));
  EXPECT_EQ(split.validation, (Rows{3, 8, 14, 19}));
  EXPECT_EQ(split.train.size(), 12u);
}

TEST(Split, PartsCoverTheRowsWithoutOverlap) {
  for (int64_t rows : {1, 2, 7, 100, 1797}) {
    Split split = split_by_seed(rows, 0.2, 0.1, 3);
    std::vector<int64_t> all = split.train.list();
    for (const Rows& part : {split.validation, split.test}) {
      for (int64_t row : part.list()) all.push_back(row);
    }
    std::sort(all.begin(), all.end());
    ASSERT_EQ(static_cast<int64_t>(all.size()), rows);
    for (int64_t i = 0; i < rows; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], i);
    std::vector<int64_t> train = split.train.list();
    EXPECT_TRUE(std::is_sorted(train.begin(), train.end()));
  }
}

TEST(Split, RoundsSharesAsOneCountsThem) {
  EXPECT_EQ(split_by_seed(100, 0.29, 0, 1).validation.size(), 29u);  // 0.29 * 100 is 28.999...
  EXPECT_EQ(split_by_seed(10, 0.25, 0, 1).validation.size(), 2u);
  EXPECT_TRUE(split_by_seed(10, 0, 0, 1).validation.empty());
}

TEST(Split, OtherSeedsAndEpochsGiveOtherOrders) {
  EXPECT_NE(permutation(50, 1, 1), permutation(50, 1, 2));
  EXPECT_NE(permutation(50, 1, 1), permutation(50, 2, 1));
  // The test part has nothing to do with the order of an epoch.
  EXPECT_NE(split_by_seed(50, 0, 0.5, 1).test, split_by_seed(50, 0, 0.5, 2).test);
}

TEST(Split, EveryPlaceIsAboutEquallyLikely) {
  std::vector<int> counts(5 * 5, 0);
  for (uint64_t epoch = 1; epoch <= 10000; ++epoch) {
    Rows order = permutation(5, 42, epoch);
    for (size_t i = 0; i < 5; ++i) ++counts[i * 5 + static_cast<size_t>(order[i])];
  }
  for (int count : counts) EXPECT_NEAR(count, 2000, 200);  // five standard deviations
}

TEST(Split, CutsTheLastStretchesOfWindows) {
  // 20 places: 0..11 train, 12..16 validate, 17..19 test; windows of 3.
  Split split = split_windows(20, 3, 1, 0.25, 0.15);
  EXPECT_EQ(split.train, (Rows{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(split.validation, (Rows{12, 14}));  // places 12 to 14 and 14 to 16
  EXPECT_EQ(split.test, (Rows{17}));
  // Windows begin at 0, 3, 6 ..: the validation's first at 12, row 4.
  split = split_windows(20, 3, 3, 0.25, 0.15);
  EXPECT_EQ(split.train, (Rows{0, 1, 2, 3}));
  EXPECT_EQ(split.validation, (Rows{4}));
  EXPECT_TRUE(split.test.empty());  // at 18, one place too late
  EXPECT_EQ(split_windows(6, 1, 1, 0.5, 0).validation, (Rows{3, 4, 5}));
  EXPECT_EQ(split_windows(5, 5, 1, 0, 0).train, (Rows{0}));
}

}  // namespace
}  // namespace gradus::runtime
