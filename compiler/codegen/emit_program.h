// Programs to IR: the kernels, each once, and a step function per unit. Internal to this folder.
#pragma once

#include <llvm/IR/Module.h>

#include <vector>

#include "codegen/codegen.h"
#include "codegen/kernel_functions.h"

namespace gradus::codegen {

/// Adds the step functions of `units`, with external linkage, and all that they call.
void emit_units(llvm::Module& module, const std::vector<Unit>& units, const Target& target);

/// The same over several modules: `kernels` of one of them, seen by the others, ...
void emit_kernels(llvm::Module& module,
                  const std::vector<const KernelFunctions::Function*>& kernels,
                  const Target& target);
/// ... and the step functions, which call `functions` in this module or another.
void emit_steps(llvm::Module& module, const std::vector<Unit>& units,
                const KernelFunctions& functions, const Target& target);

}  // namespace gradus::codegen
