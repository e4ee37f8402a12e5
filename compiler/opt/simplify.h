// Rewrites by equations that are exact: the same bits for every operand, signed zeros, infinities
// and NaN included (NaN payloads aside). No right side costs more than its left. The equations:
// simplify_arithmetic.cpp, simplify_layout.cpp, simplify_reduce.cpp, one rule a line.
//
//   %0 = mul %x, 1.0 : f32[4]
//   %1 = neg %0 : f32[4]               ->     return %x
//   %2 = neg %1 : f32[4]
//   return %2
//
// Not rewritten, because not exact: x + 0.0 (wrong for -0.0), x * 0.0, x - x, 0.0 - x, chains of
// scalings (the first may overflow alone), sums of broadcasts, sums of negations. The one equation
// that rounds otherwise is the language's definition of a whole power: pow(x, 2) = x * x, up to 16.
//
// Stage Joint in and out; nodes that lose their last user stay until `dce`. Linear; applied to
// operands before their users and to every node that a rule makes.
#pragma once

#include "graph/graph.h"

namespace gradus::opt {

bool simplify(Graph& graph);

}  // namespace gradus::opt
