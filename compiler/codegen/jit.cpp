// Code in this process: the object that the code generator writes, now or in an earlier run, is
// linked by ORC. It refers to nothing outside of itself.
#include <fmt/format.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Support/MemoryBuffer.h>

#include <chrono>

#include "codegen/codegen.h"
#include "codegen/emit_program.h"
#include "codegen/module.h"
#include "codegen/object_cache.h"
#include "codegen/object_key.h"
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
  OrcJit(const std::vector<Unit>& units, const Target& target, const ObjectCache* cache);
  StepFunction find(const std::string& symbol) const override;
  const CompileTimes& times() const override { return times_; }
  bool cached() const override { return cached_; }

 private:
  std::vector<char> generate_object(const std::vector<Unit>& units, const Target& target);
  std::vector<char> find_object(const std::vector<Unit>& units, const Target& target,
                                const ObjectCache& cache);
  void link(const std::vector<char>& object, const std::vector<Unit>& units);

  std::unique_ptr<llvm::orc::LLJIT> jit_;
  CompileTimes times_;
  bool cached_ = false;
};

double milliseconds_since(std::chrono::steady_clock::time_point& start) {
  auto now = std::chrono::steady_clock::now();
  double passed = std::chrono::duration<double, std::milli>(now - start).count();
  start = now;
  return passed;
}

OrcJit::OrcJit(const std::vector<Unit>& units, const Target& target, const ObjectCache* cache) {
  bool may_keep = cache != nullptr && !compiler_identity().empty();
  link(may_keep ? find_object(units, target, *cache) : generate_object(units, target), units);
}

std::vector<char> OrcJit::generate_object(const std::vector<Unit>& units, const Target& target) {
  auto start = std::chrono::steady_clock::now();
  auto machine = make_machine(target);
  OwnedModule owned = make_module("gradus", *machine);
  emit_units(*owned.module, units, target);
  times_.emit_ms = milliseconds_since(start);
  Bytes object = generate(*owned.module, *machine, llvm::CodeGenFileType::ObjectFile);
  times_.codegen_ms = milliseconds_since(start);
  return {object.begin(), object.end()};
}

std::vector<char> OrcJit::find_object(const std::vector<Unit>& units, const Target& target,
                                      const ObjectCache& cache) {
  auto start = std::chrono::steady_clock::now();
  std::string key = object_key(units, target);
  std::optional<std::vector<char>> found = cache.find(key);
  times_.cache_ms = milliseconds_since(start);
  cached_ = found.has_value();
  if (cached_) return std::move(*found);
  std::vector<char> object = generate_object(units, target);
  start = std::chrono::steady_clock::now();
  cache.keep(key, {object.data(), object.size()});
  times_.cache_ms += milliseconds_since(start);
  return object;
}

void OrcJit::link(const std::vector<char>& object, const std::vector<Unit>& units) {
  auto start = std::chrono::steady_clock::now();
  initialize_llvm();
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

std::unique_ptr<Jit> compile_jit(const std::vector<Unit>& units, const Target& target,
                                 const ObjectCache* cache) {
  return std::make_unique<OrcJit>(units, target, cache);
}

}  // namespace gradus::codegen
