// Code in this process: the object that the code generator writes is linked by ORC. It refers to
// nothing outside of itself.
#include <fmt/format.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Support/MemoryBuffer.h>

#include <chrono>

#include "codegen/codegen.h"
#include "codegen/emit_program.h"
#include "codegen/module.h"
#include "support/check.h"

namespace gradus::codegen {

namespace {

template <typename T>
T must(llvm::Expected<T> result) {
  if (!result) {
    check_failed(__FILE__, __LINE__, "jit", llvm::toString(result.takeError()));
  }
  return std::move(*result);
}

void must(llvm::Error error) {
  if (error) check_failed(__FILE__, __LINE__, "jit", llvm::toString(std::move(error)));
}

class OrcJit final : public Jit {
 public:
  OrcJit(const std::vector<Unit>& units, const Target& target);
  StepFunction find(const std::string& symbol) const override;
  const CompileTimes& times() const override { return times_; }

 private:
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  CompileTimes times_;
};

double milliseconds_since(std::chrono::steady_clock::time_point& start) {
  auto now = std::chrono::steady_clock::now();
  double passed = std::chrono::duration<double, std::milli>(now - start).count();
  start = now;
  return passed;
}

OrcJit::OrcJit(const std::vector<Unit>& units, const Target& target) {
  auto start = std::chrono::steady_clock::now();
  auto machine = make_machine(target);
  OwnedModule owned = make_module("gradus", *machine);
  emit_units(*owned.module, units, target);
  times_.emit_ms = milliseconds_since(start);
  Bytes object = generate(*owned.module, *machine, llvm::CodeGenFileType::ObjectFile);
  times_.codegen_ms = milliseconds_since(start);
  jit_ = must(llvm::orc::LLJITBuilder()
                  .setPlatformSetUp(llvm::orc::setUpInactivePlatform)
                  .setLinkProcessSymbolsByDefault(false)
                  .create());
  must(jit_->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(
      llvm::StringRef(object.data(), object.size()), "gradus")));
  for (const Unit& unit : units) find(unit.symbol);
  times_.link_ms = milliseconds_since(start);
}

StepFunction OrcJit::find(const std::string& symbol) const {
  return must(jit_->lookup(symbol)).toPtr<StepFunction>();
}

}  // namespace

std::unique_ptr<Jit> compile_jit(const std::vector<Unit>& units, const Target& target) {
  return std::make_unique<OrcJit>(units, target);
}

}  // namespace gradus::codegen
