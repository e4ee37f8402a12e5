// Code in a file: the same module as in the process, written as object, assembly or IR text.
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>

#include "codegen/codegen.h"
#include "codegen/emit_program.h"
#include "codegen/module.h"

namespace gradus::codegen {

namespace {

Bytes compile(const std::vector<Unit>& units, const Target& target, llvm::CodeGenFileType type) {
  auto machine = make_machine(target);
  OwnedModule owned = make_module("gradus", *machine);
  emit_units(*owned.module, units, target);
  return generate(*owned.module, *machine, type);
}

}  // namespace

std::vector<char> compile_object(const std::vector<Unit>& units, const Target& target) {
  Bytes object = compile(units, target, llvm::CodeGenFileType::ObjectFile);
  return {object.begin(), object.end()};
}

std::string print_asm(const std::vector<Unit>& units, const Target& target) {
  Bytes text = compile(units, target, llvm::CodeGenFileType::AssemblyFile);
  return {text.begin(), text.end()};
}

std::string print_llvm(const std::vector<Unit>& units, const Target& target) {
  auto machine = make_machine(target);
  OwnedModule owned = make_module("gradus", *machine);
  emit_units(*owned.module, units, target);
  std::string text;
  llvm::raw_string_ostream stream(text);
  owned.module->print(stream, nullptr);
  return text;
}

}  // namespace gradus::codegen
