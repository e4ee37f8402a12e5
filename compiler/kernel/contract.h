// Matrix products: the cluster with one contraction becomes blocks, packs and a grid of register
// tiles whose epilogue is the rest of the cluster, in the tile or as a strip over the finished
// band.
//
// Every layout is a matter of strides: the operands are read through their views, and where the
// lanes axis of the right operand is not unit-stride it is packed, which transposes it.
#pragma once

#include <optional>
#include <string>

#include "graph/target.h"
#include "kernel/classes.h"
#include "kernel/kernel.h"

namespace gradus::kernel {

/// The schedule by rule. Thread count plays no part: large products offer enough items for any.
Schedule schedule_contract(const Graph& graph, const Cluster& cluster, const Target& target,
                           int64_t capacity);
/// Why this schedule cannot be built for this cluster; nothing where it can.
std::optional<std::string> check_contract_schedule(const Graph& graph, const Cluster& cluster,
                                                   const Schedule& schedule, const Target& target);
Kernel build_contract(const BuildInput& input);

}  // namespace gradus::kernel
