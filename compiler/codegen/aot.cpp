// Code in a file: the same module as in the process, written as object, assembly or IR text. One
// module, one thread: its bytes depend on the program and the target alone.
#include <fmt/format.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>

#include "codegen/codegen.h"
#include "codegen/emit_program.h"
#include "codegen/module.h"

namespace gradus::codegen {

namespace {

template <typename T>
llvm::Constant* array_of(llvm::LLVMContext& context, const std::vector<double>& values) {
  std::vector<T> elements(values.begin(), values.end());
  return llvm::ConstantDataArray::get(context, llvm::ArrayRef<T>(elements));
}

llvm::Constant* array_of(llvm::LLVMContext& context, const plan::Buffer& buffer) {
  return visit_dtype(buffer.type.dtype, [&](auto type) {
    using Element = typename decltype(type)::type;
    // LLVM's arrays hold integers without a sign.
    if constexpr (std::is_floating_point_v<Element>) return array_of<Element>(context, buffer.constant);
    else return array_of<std::make_unsigned_t<Element>>(context, buffer.constant);
  });
}

/// Dense constants of the graphs, by the names that the header knows them by. In this process the
/// runner of the step holds them.
void emit_constants(llvm::Module& module, const Unit& unit) {
  for (const plan::Buffer& buffer : unit.program->buffers) {
    if (buffer.kind != plan::BufferKind::Constant) continue;
    llvm::Constant* data = array_of(module.getContext(), buffer);
    auto* made = new llvm::GlobalVariable(module, data->getType(), true,
                                          llvm::GlobalValue::ExternalLinkage, data,
                                          fmt::format("{}_constant_{}", unit.symbol, buffer.block));
    made->setAlignment(llvm::Align(64));
  }
}

Bytes compile(const std::vector<Unit>& units, const Target& target, llvm::CodeGenFileType type) {
  auto machine = make_machine(target);
  OwnedModule owned = make_module("gradus", *machine);
  emit_units(*owned.module, units, target);
  for (const Unit& unit : units) emit_constants(*owned.module, unit);
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
