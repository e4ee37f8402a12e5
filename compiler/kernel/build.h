// From a cluster to its kernel: a schedule is chosen by rule, then the loop tree follows from both.
#pragma once

#include <optional>
#include <string>

#include "graph/target.h"
#include "kernel/kernel.h"

namespace gradus::kernel {

/// The schedule by rule, for capacity `capacity` rows.
Schedule choose_schedule(const Graph& graph, const Cluster& cluster, const Target& target,
                         int64_t capacity);
/// Why this schedule cannot be built for this cluster; nothing where it can.
std::optional<std::string> check_schedule(const Graph& graph, const Cluster& cluster,
                                          const Schedule& schedule, const Target& target);
/// Buffer slots name graph values (Slot::value); updates of parameters and states that the cluster
/// may store in place are out slots whose value is the Param or State leaf.
Kernel build_kernel(const Graph& graph, const Clustering& clustering, ClusterId cluster,
                    const Schedule& schedule, const Target& target, int64_t capacity);
/// A value's text name as the name of a kernel or slot, a number apart where several are equal.
std::string plain_name(const std::string& value_name);

}  // namespace gradus::kernel
