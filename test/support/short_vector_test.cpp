// A vector in place and beyond: the elements of a std::vector that went through the same.
#include "support/short_vector.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace gradus {
namespace {

using Short = ShortVector<int, 4>;

std::vector<int> items(const Short& vector) { return {vector.begin(), vector.end()}; }

TEST(ShortVector, DoesWhatAVectorDoes) {
  std::mt19937 random(1);
  Short made;
  std::vector<int> expected;
  for (int i = 0; i < 2000; ++i) {
    const auto place = static_cast<std::ptrdiff_t>(random() % (expected.size() + 1));
    const auto left = static_cast<std::ptrdiff_t>(expected.size()) - place;
    const auto last = place + static_cast<std::ptrdiff_t>(random() % (left + 1));
    switch (random() % 6) {
      case 0:
        made.push_back(i);
        expected.push_back(i);
        break;
      case 1:
        made.insert(made.begin() + place, i);
        expected.insert(expected.begin() + place, i);
        break;
      case 2:
        made.erase(made.begin() + place, made.begin() + last);
        expected.erase(expected.begin() + place, expected.begin() + last);
        break;
      case 3:
        made.resize(expected.size() + 1, -i);
        expected.push_back(-i);
        break;
      case 4:
        made = Short(made);
        break;
      default:
        if (made.empty()) break;
        made.push_back(made[0]);
        expected.push_back(expected[0]);
    }
    ASSERT_EQ(items(made), expected);
  }
}

TEST(ShortVector, AnElementMayFillItAsItGrows) {
  for (size_t size : {3, 4, 5}) {
    Short made(size, 7);
    made.resize(size * size, made[1]);  // past what stands in place, or is reserved
    EXPECT_EQ(items(made), std::vector<int>(size * size, 7));
  }
}

TEST(ShortVector, CopiesAreApart) {
  for (size_t size : {3, 4, 5, 20}) {
    Short made(size, 7);
    Short copy = made;
    copy[0] = 1;
    copy.push_back(2);
    EXPECT_EQ(items(made), std::vector<int>(size, 7));
    made = copy;
    EXPECT_TRUE(made == copy);
  }
}

TEST(ShortVector, MovingLeavesAVectorThatCanBeUsed) {
  for (size_t size : {2, 4, 9}) {
    Short made(size, 7);
    Short moved = std::move(made);
    EXPECT_EQ(items(moved), std::vector<int>(size, 7));
    made = Short();
    made.push_back(3);
    EXPECT_EQ(items(made), std::vector<int>{3});
  }
}

}  // namespace
}  // namespace gradus
