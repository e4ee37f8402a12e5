// Ticks are multiples of 1, 2 or 5 times a power of ten, as people write them.
#include "runtime/figure/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gradus::runtime {

namespace {

/// The step of 1, 2 or 5 times a power of ten that gives about `count` intervals over `span`, at
/// most a quarter more.
double round_step(double span, int count) {
  const double rough = span / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.8) return factor * power;
  }
  return 10 * power;
}

/// With a minus sign as wide as the digits, not a hyphen.
std::string with_minus_signs(const std::string& number) {
  std::string out;
  for (char c : number) {
    if (c == '-')
      out += "\u2212";
    else
      out += c;
  }
  return out;
}

/// As many decimals as the step has; digits alone where they would be too many.
std::string tick_text(double value, double step, double largest) {
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  if (largest >= 1e6 || decimals > 5) return with_minus_signs(fmt::format("{:.6g}", value));
  return with_minus_signs(fmt::format("{:.{}f}", value, decimals));
}

}  // namespace

bool can_be_drawn(double value) { return std::abs(value) < 1e300; }

Axis Axis::fixed(double from, double to, int count) {
  Axis axis(from, to, false);
  axis.add_round_ticks(round_step(to - from, count));
  return axis;
}

Axis Axis::around(double least, double most, int count) {
  // A constant gets room around it that its digits can still tell apart.
  const double step = round_step(std::max(most - least, 1e-12 + std::abs(most) * 1e-6), count);
  Axis axis(std::floor(least / step) * step, std::ceil(most / step) * step, false);
  if (axis.high_ > axis.low_)
    axis.add_round_ticks(step);
  else
    axis = fixed(axis.low_, axis.low_ + 1, count);
  return axis;
}

Axis Axis::logarithmic(double least, double most) {
  Axis axis(std::floor(std::log10(least) * 3) / 3, std::ceil(std::log10(most) * 3) / 3, true);
  if (axis.high_ <= axis.low_) axis.high_ = axis.low_ + 1;
  axis.add_decade_ticks();
  return axis;
}

double Axis::fraction(double value) const {
  return ((logarithmic_ ? std::log10(value) : value) - low_) / (high_ - low_);
}

void Axis::add_round_ticks(double step) {
  const double largest = std::max(std::abs(low_), std::abs(high_));
  // Counted in whole steps: adding up the step would drift.
  const double first = std::ceil(low_ / step - 1e-6), last = std::floor(high_ / step + 1e-6);
  for (double k = first; k <= last && k - first < 100; ++k) {
    const double value = k == 0 ? 0 : k * step;
    ticks_.push_back({value, tick_text(value, step, largest)});
  }
}

/// Within two decades 1, 2 and 5; over more, powers of ten, as many as can be read.
void Axis::add_decade_ticks() {
  const double decades = high_ - low_;
  const double stride = std::max(1.0, std::ceil(decades / 8));
  for (double decade = std::floor(low_); decade <= high_; decade += stride) {
    for (double factor : {1.0, 2.0, 5.0}) {
      if (factor != 1 && decades > 2) continue;
      const double value = factor * std::pow(10, decade);
      const double at = std::log10(value);
      if (at < low_ - 1e-9 || at > high_ + 1e-9) continue;
      ticks_.push_back({value, with_minus_signs(fmt::format("{:.4g}", value))});
    }
  }
}

}  // namespace gradus::runtime
