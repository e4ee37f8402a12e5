// Computes what depends on constants alone, by the operators' own scalar rules in the arithmetic of
// generated code, so the bits are those that the operator would have given at run time (with fused
// multiply-add inside of math functions, as on targets that have it).
//
//   %0 = exp 0.0 : f32[]
//   %1 = add %x, %0 : f32[4]           ->     %0 = add %x, 1.0 : f32[4]
//
// Folded are pointwise operators of constants with one value (rank-0, splat, or a broadcast of
// rank-0; the result is a rank-0 constant, broadcast where it has a shape), and of dense constants
// up to 4096 elements. Sums and contractions are left alone: their order is not decided yet.
// Integers beyond 2^53 are left alone. Stage Joint in and out. Linear.
#pragma once

#include "graph/graph.h"

namespace gradus::opt {

bool fold_constants(Graph& graph);

}  // namespace gradus::opt
