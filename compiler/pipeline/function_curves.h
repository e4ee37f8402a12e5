// Functions of one number and their derivatives as curves: the graph is differentiated as a model's
// is, evaluated in f64, and sampled so that corners, jumps and gaps are where they are.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "support/diag.h"

namespace gradus::pipeline {

/// `functions`: input "x" : f64[], results : f64[]. The joint graph with order + 1 results for
/// each: the function, its derivative, and so on. Where no differentiable path leads from x to a
/// result (a constant, a comparison) the derivative is 0, as the rows of such operators say; where
/// the function is NaN its derivatives are. An operator without a derivative is a diagnostic; then
/// nothing.
std::optional<Graph> add_derivatives(const Graph& functions, int64_t order, DiagEngine& diags);

struct Curves {
  std::vector<double> x;  // ascending
  std::vector<std::vector<double>>
      y;  // for each result, as many as x; NaN and infinity as they are

  /// Result r goes on from sample i to sample i + 1: both are finite, and no jump or pole lies
  /// between them.
  bool joined(size_t r, size_t i) const { return joints[r][i] != 0; }
  /// Result r jumps between samples i and i + 1, which are neighbouring numbers: the value at the
  /// place itself is that of sample i + 1 (else of i).
  struct Jump {
    size_t result, sample;
    bool belongs_to_next;
  };

  std::vector<std::vector<uint8_t>> joints;
  std::vector<Jump> jumps;
  /// For each result the range of y worth drawing: all of it, but for the surroundings of
  /// infinities. Equal ends where the result is constant; first > second where it is never finite.
  std::vector<std::pair<double, double>> ranges;
};

/// Samples of the results of `joint` from `from` to `to`: an even grid, more where a curve bends
/// between two of them, and both neighbouring numbers wherever a comparison, a rounding or
/// finiteness changes. from < to.
Curves sample_curves(const Graph& joint, double from, double to);

}  // namespace gradus::pipeline
