// Programs to IR: the kernels, each once, and a step function per unit. Internal to this folder.
#pragma once

#include <llvm/IR/Module.h>

#include <vector>

#include "codegen/codegen.h"

namespace gradus::codegen {

/// Adds the step functions of `units`, with external linkage, and all that they call.
void emit_units(llvm::Module& module, const std::vector<Unit>& units, const Target& target);

}  // namespace gradus::codegen
