// From a cluster and its schedule to its kernel: the loop tree follows with no further choice.
#pragma once

#include <string>

#include "kernel/kernel.h"
#include "support/target.h"

namespace gradus::kernel {

/// Buffer slots name graph values (Slot::value); updates of parameters and states that the cluster
/// may store in place are out slots whose value is the Param or State leaf.
Kernel build_kernel(const Graph& graph, const Clustering& clustering, ClusterId cluster,
                    const Schedule& schedule, const Target& target, int64_t capacity);
/// A value's text name as the name of a kernel or slot, a number apart where several are equal.
std::string plain_name(const std::string& value_name);

}  // namespace gradus::kernel
