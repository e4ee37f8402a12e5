// Writes the order of every sum; from here on all bits are fixed (orders: graph/sum_order.h).
//
//   %0 = sum %x {dims=[0, 1]} : f32[]                         (capacity 128, %x : f32[batch,10])
// becomes
//   %0 = sum %x {dims=[1], order="lanes"} : f32[batch]
//   %1 = partial_sum %0 {dims=[0], chunk=16} : f32[8]
//   %2 = sum %1 {dims=[0], order="chain"} : f32[]
//
// Reduced dimensions are of three kinds, each summed by a node of its own, in this order:
// 1. The static ones that end the shape: order "lanes" over their elements in row-major order,
//    whatever their number and whatever else is summed. Over all of a static tensor of rank 2 or
//    more they are flattened by a reshape first.
// 2. Others but the rows of 3, a batch that is not outermost included: order "chain", ascending in
//    row-major order.
// 3. The outermost dimension where it is the batch, and summed ones that follow it directly: T rows
// a
//    sample, as the reshape of [batch, T, D] to [T*batch, D] gives them. Order "chain" in chunks of
//    S samples, S the least power of two with S*T >= 16 and 32*S >= capacity, so in at most 32
//    partial sums, which a second chain adds. One chunk is a plain chain. Integers need no chunks.
//
// Orders depend on shapes at capacity alone, never on the rows of a step. Stage in: Joint; out:
// Ordered. After `form-fma`; `cse` and `dce` may follow. Sums that have an order are left alone.
#pragma once

#include "graph/graph.h"

namespace gradus::opt {

bool split_reductions(Graph& graph, int64_t capacity);

/// S for T rows a sample.
int64_t samples_per_chunk(int64_t rows_per_sample, int64_t capacity);

}  // namespace gradus::opt
