// Writes products of f64 as sums: tiles hold f32 alone.
//
//   %0 = matmul %a, %b : f64[4,5]      ->     %0 = reshape %a : f64[4,3,1]
//                                             %1 = mul %0, %b : f64[4,3,5]
//                                             %2 = sum %1 {dims=[1]} : f64[4,5]
//
// The sum takes the product in, so that [4,3,5] is never stored. Where the shared dimension is the
// batch it comes first, and is summed in chunks of rows as any sum over the batch is. Stage Joint in
// and out, before the exact rewriting. Products of f32 are left alone. Linear.
#pragma once

#include "graph/graph.h"

namespace gradus::opt {

bool expand_products(Graph& graph);

}  // namespace gradus::opt
