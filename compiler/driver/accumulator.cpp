// Sums carry what their rounding loses (Neumaier 1974), so that where a pass is cut into steps is not
// seen in them. Moments of two parts combine pairwise (Chan, Golub and LeVeque 1979): no large numbers
// are taken from each other.
#include "driver/accumulator.h"

#include <cmath>

#include "support/check.h"

namespace gradus::driver {

bool is_accumulator(ResultKind kind) {
  switch (kind) {
    case ResultKind::AccumulateSum:
    case ResultKind::AccumulateMax:
    case ResultKind::AccumulateMin:
    case ResultKind::AccumulateMoments:
      return true;
    case ResultKind::Value:
    case ResultKind::Output:
    case ResultKind::Loss:
    case ResultKind::Update:
    case ResultKind::Check:
      return false;
  }
  return false;
}

Accumulator::Accumulator(ResultKind kind) : kind_(kind) {
  if (kind == ResultKind::AccumulateMax) so_far_[0] = -INFINITY;
  if (kind == ResultKind::AccumulateMin) so_far_[0] = INFINITY;
}

void Accumulator::add(std::span<const double> step) {
  GRADUS_CHECK(step.size() == (kind_ == ResultKind::AccumulateMoments ? 3 : 1),
               "the elements of an accumulator");
  double& total = so_far_[0];
  const double value = step[0];
  switch (kind_) {
    case ResultKind::AccumulateMax:
      if (!std::isnan(total) && !(value <= total)) total = value;
      return;
    case ResultKind::AccumulateMin:
      if (!std::isnan(total) && !(value >= total)) total = value;
      return;
    case ResultKind::AccumulateMoments:
      return add_moments(step);
    default: {
      const double sum = total + value;
      const bool larger = std::abs(total) >= std::abs(value);
      so_far_[1] += larger ? (total - sum) + value : (value - sum) + total;
      total = sum;
    }
  }
}

void Accumulator::add_moments(std::span<const double> step) {
  auto& [count, mean, squares] = so_far_;
  const double all = count + step[0];
  if (all == 0) return;
  const double apart = step[1] - mean;
  squares += step[2] + apart * apart * count * (step[0] / all);
  mean += apart * (step[0] / all);
  count = all;
}

Array<double> Accumulator::value() const {
  Array<double> array;
  array.dtype = DType::F64;
  if (kind_ == ResultKind::AccumulateMoments) {
    array.sizes = {3};
    array.floats.assign(so_far_.begin(), so_far_.end());
    return array;
  }
  // An infinite sum has lost NaN.
  const bool finite = std::isfinite(so_far_[0]);
  array.floats = {finite ? so_far_[0] + so_far_[1] : so_far_[0]};
  return array;
}

}  // namespace gradus::driver
