// What is known of a value above the diagonal of its last two dimensions, where a causal mask
// (column
// <= row) made it one number. Such elements need not be computed, stored or multiplied: outside of
// the law of bits are the sign of zero and non-finite factors of what is skipped.
#pragma once

#include "graph/graph.h"

namespace gradus::kernel {

enum class Above : uint8_t { Unknown, Zero, MinusInfinity };

Above above_diagonal(const Graph& graph, NodeId value);

}  // namespace gradus::kernel
