// What is found out about a finished loop tree: which outputs may take an input's buffer, and how
// much work and traffic there is. Internal to the builders.
#pragma once

#include "kernel/kernel.h"

namespace gradus::kernel {

/// Fills Slot::may_share: inputs of the same form whose every element is read for the last time
/// before the output's element at the same index is stored.
void offer_sharing(Kernel& kernel);

/// Counts statements with the trips of their loops at `capacity` rows; each slot's bytes once.
Cost count_cost(const Kernel& kernel, int64_t capacity);

}  // namespace gradus::kernel
