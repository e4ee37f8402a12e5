// Drops what no result needs, leaves too: an input that is not reached needs no data.
//
//   %0 = exp %x : f32[4]                      %0 = neg %x : f32[4]
//   %1 = neg %x : f32[4]               ->     return %0
//   return %1
//
// Stage: any in, the same out. A dropped primal leaves its backward nodes without `of`. Linear.
#pragma once

#include "graph/graph.h"

namespace gradus::opt {

bool dce(Graph& graph);

}  // namespace gradus::opt
