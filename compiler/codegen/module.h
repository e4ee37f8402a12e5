// LLVM modules and target machines: what is the same for code in this process and code in a file.
// Internal to this folder.
#pragma once

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <string>

#include "support/target.h"

namespace gradus::codegen {

/// LLVM's name for the CPU of a target: frozen test tables stand for a micro-architecture level.
std::string llvm_cpu(const Target& target);
std::string llvm_triple(const Target& target);
/// Registers the code generator and sets its options; once.
void initialize_llvm();
/// Strict about contraction: no product and sum become one rounding unless the IR says so.
std::unique_ptr<llvm::TargetMachine> make_machine(const Target& target);

struct OwnedModule {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
};
OwnedModule make_module(const std::string& name, llvm::TargetMachine& machine);

using Bytes = llvm::SmallVector<char, 0>;
/// Verifies, then runs the code generator; no IR optimisation passes.
Bytes generate(llvm::Module& module, llvm::TargetMachine& machine, llvm::CodeGenFileType type);

}  // namespace gradus::codegen
