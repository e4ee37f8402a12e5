// How much memory this process can have at most.
#pragma once

#include <cstdint>

namespace gradus::runtime {

/// The least of what the machine has (with swap), what its control groups allow and what `ulimit -v`
/// leaves; INT64_MAX where nothing says.
int64_t memory_limit();

}  // namespace gradus::runtime
