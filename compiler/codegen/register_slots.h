// Scratch that need not be in memory: slots of few vectors that only lanes loops touch, each element
// at its own lane, and slots of one element. The running sums of few columns are such.
#pragma once

#include <vector>

#include "kernel/kernel.h"
#include "support/target.h"

namespace gradus::codegen {

/// Per slot: how many vectors of the target (or 1 element) hold it in registers; 0 where it lies in memory.
std::vector<int> register_slots(const kernel::Kernel& kernel, const Target& target);

}  // namespace gradus::codegen
