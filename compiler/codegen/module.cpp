// The code generator runs at level Less and without IR passes: kernels come vectorised and tiled,
// and passes that know better about loops only undo it. What passes would do is done where the
// kernel's structure is known: hoisting and strength reduction by hoist points (emit.h), common
// addresses by tables (emit_access.cpp), promotion to registers (register_slots.cpp), masks and
// remainders as constants (emit_micro.cpp, emit_loop.cpp).
#include "codegen/module.h"

#include <fmt/format.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/TargetParser/Host.h>

#include <mutex>

#include "support/check.h"

namespace gradus::codegen {

namespace {

/// Some passes can be switched by LLVM's command line options alone.
void set_option(const char* option, const char* value) {
  auto found = llvm::cl::getRegisteredOptions().find(option);
  if (found == llvm::cl::getRegisteredOptions().end()) return;
  found->second->addOccurrence(0, option, value);
}

}  // namespace

void on_memory_exhausted(void (*end)()) {
  auto call = [](void* handler, const char*, bool) { reinterpret_cast<void (*)()>(handler)(); };
  llvm::install_bad_alloc_error_handler(call, reinterpret_cast<void*>(end));
}

void initialize_llvm() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    // Addresses come with one step per axis and constant offsets; rewriting them costs a third of
    // the code generator's time and gains nothing.
    set_option("disable-lsr", "true");
    // Loads and multiply-adds of a register tile are emitted in the order in which they fit the
    // registers; moving the loads forward spills accumulators inside the k loop.
    set_option("enable-misched", "false");
    // Looks for scalar logic to be moved into mask registers; kernels have none (the same code
    // comes out), and the look costs a fortieth of the time.
    set_option("disable-x86-domain-reassignment", "true");
  });
}

std::string llvm_cpu(const Target& target) {
  if (target.cpu == "test-avx2") return "x86-64-v3";
  if (target.cpu == "test-avx512") return "x86-64-v4";
  return target.cpu;
}

std::string llvm_triple(const Target& target) {
  return target.triple.empty() ? llvm::sys::getDefaultTargetTriple() : target.triple;
}

std::unique_ptr<llvm::TargetMachine> make_machine(const Target& target) {
  initialize_llvm();
  std::string triple = llvm_triple(target);
  std::string error;
  const llvm::Target* backend = llvm::TargetRegistry::lookupTarget(triple, error);
  GRADUS_CHECK(backend, fmt::format("no code generator for `{}`: {}", triple, error));
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  std::unique_ptr<llvm::TargetMachine> machine(
      backend->createTargetMachine(triple, llvm_cpu(target), target.features, options,
                                   llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Less));
  GRADUS_CHECK(machine, fmt::format("no target machine for `{}`", triple));
  return machine;
}

OwnedModule make_module(const std::string& name, llvm::TargetMachine& machine) {
  OwnedModule out;
  out.context = std::make_unique<llvm::LLVMContext>();
  out.module = std::make_unique<llvm::Module>(name, *out.context);
  out.module->setTargetTriple(machine.getTargetTriple().str());
  out.module->setDataLayout(machine.createDataLayout());
  out.module->setPICLevel(llvm::PICLevel::BigPIC);
  return out;
}

Bytes generate(llvm::Module& module, llvm::TargetMachine& machine, llvm::CodeGenFileType type) {
  std::string problem;
  llvm::raw_string_ostream problems(problem);
  bool broken = llvm::verifyModule(module, &problems);
  GRADUS_CHECK(!broken, fmt::format("generated IR is wrong: {}", problems.str()));
  Bytes bytes;
  llvm::raw_svector_ostream stream(bytes);
  llvm::legacy::PassManager passes;
  bool unsupported = machine.addPassesToEmitFile(passes, stream, nullptr, type, true);
  GRADUS_CHECK(!unsupported, "this target cannot write files of that type");
  passes.run(module);
  return bytes;
}

}  // namespace gradus::codegen
