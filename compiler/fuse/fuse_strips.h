// Strips: products and the row clusters between them that run over the same items (leading
// dimensions), so that matrices of one item pass between them in scratch: attention, both ways.
//
//   %0 = matmul %q, %k {tb=true} : f32[batch,4,64,64]      cluster @0 strip(%0) over [batch,4] {
//   ... softmax over the last dimension ... %4              part contract(%0), part rows(%1),
//   %5 = matmul %4, %v : f32[batch,4,64,32]                 part contract(%5)
//
// What an earlier strip would have to store for a later one is computed there again, from what the
// earlier strip itself reads. Values that a layout node moves are stored where they go.
#pragma once

#include "fuse/fuse.h"
#include "fuse/sources.h"

namespace gradus::fuse {

void fuse_strips(const Sources& sources, int64_t capacity, Clustering& clustering,
                 Remarks* remarks);

}  // namespace gradus::fuse
