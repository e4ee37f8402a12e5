// One axis of a figure: which values it spans and which of them get a tick, with its text.
#pragma once

#include <string>
#include <vector>

namespace gradus::runtime {

struct Tick {
  double value = 0;
  std::string text;
};

/// Beyond this the span of an axis would overflow.
bool can_be_drawn(double value);

class Axis {
 public:
  /// Ends at `from` and `to`, which differ; about `count` round ticks between them.
  static Axis fixed(double from, double to, int count);
  /// Ends at round ticks at or beyond `least` and `most`.
  static Axis around(double least, double most, int count);
  /// Logarithmic; 0 < least <= most.
  static Axis logarithmic(double least, double most);

  /// Where `value` lies: 0 at the low end, 1 at the high one, beyond these outside.
  double fraction(double value) const;
  double low() const { return low_; }
  double high() const { return high_; }
  bool is_logarithmic() const { return logarithmic_; }
  const std::vector<Tick>& ticks() const { return ticks_; }

 private:
  Axis(double low, double high, bool logarithmic)
      : low_(low), high_(high), logarithmic_(logarithmic) {}
  void add_round_ticks(double step);
  void add_decade_ticks();

  double low_, high_;  // logarithms where the axis is logarithmic
  bool logarithmic_;
  std::vector<Tick> ticks_;
};

}  // namespace gradus::runtime
