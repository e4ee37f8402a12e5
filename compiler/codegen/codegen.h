// From program and plan to machine code. No LLVM type leaves this folder.
//
//     emit_program   step function: checks, table of launches
//     emit_kernel    a kernel's function: items, statements      emit_loop, emit_fold   lanes loops
//     emit_micro     register tiles, with emit_epilogue          emit_pack              panels
//     emit_access    addresses, loads, stores                    emit_prefetch          lines ahead
//     scalar_llvm    arithmetic                                  module, jit, aot       to objects
//
// Nothing is decided here that could change a bit; what is decided (prefetches, registers, masks)
// is decided by the target and the kernel's text alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gradus/runtime.h"
#include "plan/plan.h"
#include "plan/program.h"

namespace gradus::codegen {

/// The host, with its caches read from the system.
Target detect_host();
/// A CPU by LLVM's name (or a frozen test table); nothing where LLVM does not know it.
std::optional<Target> named_target(const std::string& cpu);
/// Instruction sets that code for `target` may use and this machine does not have, by LLVM's names,
/// sorted: empty where the code runs here.
std::vector<std::string> missing_features(const Target& target);

/// `end`, which does not return, is called where LLVM itself finds no memory.
void on_memory_exhausted(void (*end)());

/// One step to compile: the function `symbol` of type StepFunction.
struct Unit {
  const plan::Program* program = nullptr;
  const plan::Plan* plan = nullptr;
  std::string symbol;
};
using StepFunction = int32_t (*)(const gradus_frame* frame);

/// The code of several steps in this process.
class Jit {
 public:
  virtual ~Jit() = default;
  virtual StepFunction find(const std::string& symbol) const = 0;
  /// Whether the code came out of the cache.
  virtual bool cached() const = 0;
};
class ObjectCache;
struct JitOptions {
  const ObjectCache* cache = nullptr;  // null: nothing is kept or found
  int32_t threads = 1;                 // that generate code
};
/// The same functions are linked whether the cache had them or not, and on any number of threads.
std::unique_ptr<Jit> compile_jit(const std::vector<Unit>& units, const Target& target,
                                 const JitOptions& options = {});

/// A relocatable object (PIC) with the units' functions, and the constants they need.
std::vector<char> compile_object(const std::vector<Unit>& units, const Target& target);
std::string print_llvm(const std::vector<Unit>& units, const Target& target);
std::string print_asm(const std::vector<Unit>& units, const Target& target);

}  // namespace gradus::codegen
