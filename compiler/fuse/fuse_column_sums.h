// Sums over rows join the cluster that stores the rows, or one that reads them too: gradients of
// biases and gains. A block of rows is summed while it is in the caches.
//
//   cluster @4 contract(%7) ... yields %9                 cluster @4 strip(%7) by rows {
//   cluster @5 rows(%11)  // partial_sum %9       ->        part contract(%7), part rows(%11)
//
// The sums go by chunks of rows, which are whole in a block; what adds up the chunks comes later.
#pragma once

#include "fuse/fuse.h"
#include "fuse/sources.h"

namespace gradus::fuse {

void fuse_column_sums(const Sources& sources, int64_t capacity, Clustering& clustering,
                      Remarks* remarks);

}  // namespace gradus::fuse
