// What a training step keeps between its forward and its backward pass.
#pragma once

#include <vector>

#include "plan/program.h"

namespace gradus::plan {

/// The forward pass is the launches that the loss depends on. Kept are the arena buffers that one
/// of them writes and another launch reads: activations, masks, slopes, and the first cotangent,
/// which is made beside the loss. Empty where the program makes no loss.
std::vector<BufferId> buffers_kept_for_backward(const Program& program);

}  // namespace gradus::plan
