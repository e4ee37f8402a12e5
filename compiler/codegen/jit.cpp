// Code in this process: the objects that the code generator writes, now or in an earlier run, are
// linked by ORC. They refer to nothing outside of themselves. Between runs they are one archive.
//
//     kernels -> partition -> module 0 | module 1 | ...   one thread, one context each
//                             object 0 | object 1 | ...   -> archive -> cache
//                                        linked by ORC    -> step functions
//
// Objects from the cache are linked as fresh ones are, so a hit behaves as a miss, only sooner.
#include <fmt/format.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/Object/Archive.h>
#include <llvm/Object/ArchiveWriter.h>
#include <llvm/Support/MemoryBuffer.h>

#include <future>

#include "codegen/codegen.h"
#include "codegen/emit_program.h"
#include "codegen/module.h"
#include "codegen/object_cache.h"
#include "codegen/object_key.h"
#include "support/check.h"

namespace gradus::codegen {

namespace {

/// No memory for the code is no bug of ours.
void must(llvm::Error error) {
  llvm::handleAllErrors(std::move(error), [](const llvm::ErrorInfoBase& info) {
    if (info.convertToErrorCode() == std::errc::not_enough_memory) throw std::bad_alloc();
    check_failed(__FILE__, __LINE__, "jit", info.message());
  });
}

template <typename T>
T must(llvm::Expected<T> result) {
  if (!result) must(result.takeError());
  return std::move(*result);
}

using Objects = std::vector<std::unique_ptr<llvm::MemoryBuffer>>;

std::unique_ptr<llvm::MemoryBuffer> buffer_of(llvm::StringRef bytes, size_t number) {
  return llvm::MemoryBuffer::getMemBufferCopy(bytes, fmt::format("{}.o", number));
}

/// One module for each thread, the step functions in the first. A failure on any of them is this
/// one's.
Objects generate_objects(const std::vector<Unit>& units, const Target& target, int32_t threads) {
  KernelFunctions functions(units);
  Partition modules = partition(functions, static_cast<size_t>(threads));
  Objects objects(modules.size());
  auto generate_one = [&](size_t number) {
    auto machine = make_machine(target);
    OwnedModule owned = make_module("gradus", *machine);
    emit_kernels(*owned.module, modules[number], target);
    if (number == 0) emit_steps(*owned.module, units, functions, target);
    Bytes object = generate(*owned.module, *machine, llvm::CodeGenFileType::ObjectFile);
    objects[number] = buffer_of({object.data(), object.size()}, number);
  };
  initialize_llvm();
  // Deferred where the system gives no thread: then this one does the work.
  constexpr std::launch kOwnThread = std::launch::async | std::launch::deferred;
  std::vector<std::future<void>> others;
  for (size_t number = 1; number < modules.size(); ++number) {
    others.push_back(std::async(kOwnThread, generate_one, number));
  }
  generate_one(0);
  for (std::future<void>& other : others) other.get();
  return objects;
}

std::unique_ptr<llvm::MemoryBuffer> archive_of(const Objects& objects) {
  std::vector<llvm::NewArchiveMember> members;
  for (const auto& object : objects) members.emplace_back(object->getMemBufferRef());
  constexpr bool kDeterministic = true, kThin = false;
  return must(llvm::writeArchiveToBuffer(members, llvm::SymtabWritingMode::NoSymtab,
                                         llvm::object::Archive::K_GNU, kDeterministic, kThin));
}

Objects objects_in(const std::vector<char>& bytes) {
  llvm::MemoryBufferRef buffer({bytes.data(), bytes.size()}, "cached");
  std::unique_ptr<llvm::object::Archive> archive = must(llvm::object::Archive::create(buffer));
  Objects objects;
  llvm::Error error = llvm::Error::success();
  for (const llvm::object::Archive::Child& child : archive->children(error)) {
    objects.push_back(buffer_of(must(child.getBuffer()), objects.size()));
  }
  must(std::move(error));
  return objects;
}

class OrcJit final : public Jit {
 public:
  OrcJit(const std::vector<Unit>& units, const Target& target, const JitOptions& options);
  StepFunction find(const std::string& symbol) const override;
  bool cached() const override { return cached_; }

 private:
  Objects find_objects(const std::vector<Unit>& units, const Target& target,
                       const JitOptions& options);
  void link(Objects objects, const std::vector<Unit>& units);

  std::unique_ptr<llvm::orc::LLJIT> jit_;
  bool cached_ = false;
};

OrcJit::OrcJit(const std::vector<Unit>& units, const Target& target, const JitOptions& options) {
  bool may_keep = options.cache != nullptr && !compiler_identity().empty();
  link(may_keep ? find_objects(units, target, options)
                : generate_objects(units, target, options.threads),
       units);
}

Objects OrcJit::find_objects(const std::vector<Unit>& units, const Target& target,
                             const JitOptions& options) {
  std::string key = object_key(units, target);
  std::optional<std::vector<char>> found = options.cache->find(key);
  cached_ = found.has_value();
  if (cached_) return objects_in(*found);
  Objects objects = generate_objects(units, target, options.threads);
  std::unique_ptr<llvm::MemoryBuffer> archive = archive_of(objects);
  options.cache->keep(key, std::string_view(archive->getBuffer()));
  return objects;
}

void OrcJit::link(Objects objects, const std::vector<Unit>& units) {
  initialize_llvm();
  jit_ = must(llvm::orc::LLJITBuilder()
                  .setPlatformSetUp(llvm::orc::setUpInactivePlatform)
                  .setLinkProcessSymbolsByDefault(false)
                  .create());
  for (auto& object : objects) must(jit_->addObjectFile(std::move(object)));
  for (const Unit& unit : units) find(unit.symbol);
}

StepFunction OrcJit::find(const std::string& symbol) const {
  return must(jit_->lookup(symbol)).toPtr<StepFunction>();
}

}  // namespace

std::unique_ptr<Jit> compile_jit(const std::vector<Unit>& units, const Target& target,
                                 const JitOptions& options) {
  return std::make_unique<OrcJit>(units, target, options);
}

}  // namespace gradus::codegen
