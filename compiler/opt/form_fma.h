// Makes multiply-adds explicit; nothing after this pass contracts.
//
//   %0 = mul %a, %b : f32[4]
//   %1 = add %0, %c : f32[4]           ->     %0 = fma %a, %b, %c : f32[4]
//
// The product has one use and the same type as the sum (f32 or f64); where both summands are such
// products, the left is taken. Differences likewise:
//
//   sub(mul(a, b), c)  ->  fma(a, b, neg(c))          sub(c, mul(a, b))  ->  fma(neg(a), b, c)
//
// where the sign goes to a constant if one of the two is constant, and costs nothing then; else to
// the factor of fewer elements, so that no large value is stored twice, with either sign. Stage
// Joint in and out; once, after the last `simplify` and before `split-reductions`: it fixes
// roundings. It is skipped for targets without fused multiply-add. Linear.
#pragma once

#include "graph/graph.h"

namespace gradus::opt {

bool form_fma(Graph& graph);

}  // namespace gradus::opt
