// What a column of numbers is scaled or filled by, from one pass over its values and, for the
// deviation, a second.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "runtime/data/bounded.h"

namespace gradus::runtime {

class ColumnFit {
 public:
  /// The first pass; `keep` for the median.
  void add(Bounded x, bool keep);
  /// Throws FileError where there is no value, or they are too far apart for a double.
  void check(const std::string& input) const;
  /// The second pass.
  void add_square(double value);

  double mean() const { return least_ == most_ ? least_ : sum_ / count_; }
  double least() const { return least_; }
  /// From the least to the largest value; 1 where is_constant().
  double span() const { return is_constant() ? 1 : most_ - least_; }
  /// The standard deviation; 1 where is_constant().
  double deviation() const;
  double median();

 private:
  /// The values are one, or differ by no more than rounding explains: what is left says nothing,
  /// and is not made larger.
  bool is_constant() const;
  int exponent() const { return std::ilogb(most_ - least_); }

  double count_ = 0, sum_ = 0, least_ = INFINITY, most_ = -INFINITY;
  double rounding_ = 0;  // the largest bound on a value's error
  double squares_ = 0;   // of deviations from the mean, scaled by exponent()
  std::vector<double> values_;
};

}  // namespace gradus::runtime
