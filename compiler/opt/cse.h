// Merges equal nodes: same operator, type, attributes and operands. Operands of commutative
// operators are equal in either order. Constants are equal by bits: 0.0 and -0.0 are two.
//
//   %0 = mul %x, %y : f32[4]
//   %1 = mul %y, %x : f32[4]           ->     %0 = mul %x, %y : f32[4]
//   %2 = add %0, %1 : f32[4]                  %1 = add %0, %0 : f32[4]
//
// The first of equals stays, with its span, scope and `of`. Draws stay apart by their stream.
// Stage: Joint or Ordered in (identity in `gradient` is the source's, so never before
// `differentiate`), the same out. Linear; what is left is free of equal nodes.
#pragma once

#include "graph/graph.h"

namespace gradus::opt {

bool cse(Graph& graph);

}  // namespace gradus::opt
