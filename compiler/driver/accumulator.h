// What a metric accumulates over the steps of a pass, in f64.
#pragma once

#include <array>
#include <span>

#include "eval/eval.h"
#include "graph/graph.h"

namespace gradus::driver {

bool is_accumulator(ResultKind kind);

class Accumulator {
 public:
  explicit Accumulator(ResultKind kind);

  /// The elements of a step's result.
  void add(std::span<const double> step);
  Array<double> value() const;

 private:
  void add_moments(std::span<const double> step);

  ResultKind kind_;
  std::array<double, 3> so_far_ = {};  // of a sum the second element is what its rounding has lost
};

}  // namespace gradus::driver
