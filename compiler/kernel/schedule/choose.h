// The schedule of a cluster: what its kernel's loops are free to choose. No choice changes a bit.
#pragma once

#include <optional>
#include <string>

#include "kernel/kernel.h"
#include "support/target.h"

namespace gradus::kernel {

/// The schedule by rule, for capacity `capacity` rows.
Schedule choose_schedule(const Graph& graph, const Cluster& cluster, const Target& target,
                         int64_t capacity);
/// Why this schedule cannot be built for this cluster; nothing where it can.
std::optional<std::string> check_schedule(const Graph& graph, const Cluster& cluster,
                                          const Schedule& schedule, const Target& target);

}  // namespace gradus::kernel
