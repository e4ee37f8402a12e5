// Deviations are scaled by a power of two before they are squared, so that squares neither overflow
// nor vanish; it changes no digit.
#include "runtime/data/column_fit.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/file_error.h"

namespace gradus::runtime {

void ColumnFit::add(Bounded x, bool keep) {
  ++count_;
  sum_ += x.value;
  least_ = std::min(least_, x.value);
  most_ = std::max(most_, x.value);
  rounding_ = std::max(rounding_, x.error);
  if (keep) values_.push_back(x.value);
}

void ColumnFit::check(const std::string& input) const {
  if (count_ == 0) {
    throw FileError(FileProblem::Value,
                    fmt::format("input `{}`: a column without a value to fit on", input));
  }
  if (std::isfinite(sum_) && std::isfinite(most_ - least_)) return;
  throw FileError(
      FileProblem::Value,
      fmt::format("input `{}`: a column from {} to {}, too large to fit on", input, least_, most_));
}

bool ColumnFit::is_constant() const {
  // A few units in the last place: values that others computed and wrote were rounded more than
  // once.
  constexpr double kMost = 8;
  return most_ - least_ <= kMost * rounding_;
}

void ColumnFit::add_square(double value) {
  if (is_constant()) return;
  double scaled = std::ldexp(value - mean(), -exponent());
  squares_ += scaled * scaled;
}

double ColumnFit::deviation() const {
  return is_constant() ? 1 : std::ldexp(std::sqrt(squares_ / count_), exponent());
}

double ColumnFit::median() {
  auto half = values_.begin() + static_cast<std::ptrdiff_t>(values_.size() / 2);
  std::nth_element(values_.begin(), half, values_.end());
  if (values_.size() % 2 == 1) return *half;
  return (*half + *std::max_element(values_.begin(), half)) / 2;
}

}  // namespace gradus::runtime
