// Every field is hashed with its length before it, so that no two lists of fields run together.
//
// Invariant: what the emitter reads is hashed. Too much costs a miss; too little runs the code of
// another program. So whole texts and whole tables go in, not digests of what seems to matter.
#include "codegen/object_key.h"

#include <elf.h>
#include <link.h>
#include <llvm/ADT/StringExtras.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/Support/SHA256.h>
#include <llvm/TargetParser/Host.h>

#include <bit>
#include <cstring>
#include <string_view>

#include "codegen/module.h"
#include "kernel/text.h"

namespace gradus::codegen {

namespace {

/// Fields are put together before they are hashed: SHA-256 takes long for each single number.
class Hasher {
 public:
  void add(std::string_view text) {
    add(static_cast<int64_t>(text.size()));
    bytes_ += text;
  }
  void add(int64_t number) {
    bytes_.append(reinterpret_cast<const char*>(&number), sizeof(number));
  }
  void add(double number) { add(std::bit_cast<int64_t>(number)); }
  std::string hex() const {
    llvm::SHA256 hash;
    hash.update(llvm::StringRef(bytes_));
    return llvm::toHex(hash.final(), true);
  }

 private:
  std::string bytes_;
};

void add_target(Hasher& hash, const Target& target) {
  hash.add(llvm_triple(target));
  hash.add(llvm_cpu(target));
  hash.add(target.features);
  for (int64_t number : {int64_t{target.lanes}, int64_t{target.registers}, int64_t{target.fma},
                         int64_t{target.cheap_masks}, target.l1_bytes, int64_t{target.l1_ways},
                         target.l2_bytes}) {
    hash.add(number);
  }
  for (double number : {target.gigahertz, target.fma_per_cycle}) hash.add(number);
}

/// The text of a kernel leaves out its name, which becomes a symbol, and its costs, which say
/// whether a launch goes to the threads and whether its operands are prefetched.
void add_kernel(Hasher& hash, const kernel::Kernel& kernel) {
  hash.add(kernel.name);
  hash.add(kernel::sharing_key(kernel));
  hash.add(kernel.worker_bytes);
  const kernel::Cost& cost = kernel.cost;
  for (double number : {cost.fma, cost.simple, cost.divide, cost.transcendental, cost.bytes}) {
    hash.add(number);
  }
  hash.add(cost.items);
}

void add_buffer(Hasher& hash, const Unit& unit, plan::BufferId id) {
  const plan::Buffer& buffer = unit.program->buffers[id];
  bool arena = buffer.kind == plan::BufferKind::Arena;
  hash.add(static_cast<int64_t>(buffer.kind));
  hash.add(to_string(buffer.type));
  hash.add(buffer.block);
  hash.add(arena ? unit.plan->offset_of(id) : int64_t{0});
}

void add_launch(Hasher& hash, const plan::Launch& launch) {
  hash.add(static_cast<int64_t>(launch.kernel.index()));
  hash.add(static_cast<int64_t>(launch.buffers.size()));
  for (plan::BufferId buffer : launch.buffers) {
    hash.add(buffer.valid() ? static_cast<int64_t>(buffer.index()) : int64_t{-1});
  }
}

void add_unit(Hasher& hash, const Unit& unit) {
  const plan::Program& program = *unit.program;
  hash.add(unit.symbol);
  for (size_t count : {program.kernels.size(), program.buffers.size(), program.checks.size(),
                       program.computed_checks.size(),
                       program.launches.size()}) {
    hash.add(static_cast<int64_t>(count));
  }
  for (int64_t number : {program.capacity, program.worker_bytes, program.arena_block,
                         program.worker_block, program.block_count}) {
    hash.add(number);
  }
  for (const kernel::Kernel& kernel : program.kernels) add_kernel(hash, kernel);
  for (size_t i = 0; i < program.buffers.size(); ++i) add_buffer(hash, unit, plan::BufferId(i));
  for (const plan::IndexCheck& check : program.checks) {
    hash.add(static_cast<int64_t>(check.input.index()));
    hash.add(check.limit);
  }
  for (const plan::ComputedCheck& check : program.computed_checks) {
    hash.add(static_cast<int64_t>(check.first.index()));
    hash.add(check.number);
  }
  for (const plan::Launch& launch : program.launches) add_launch(hash, launch);
}

/// The program or library that has `address` in it; its build id in hexadecimal digits.
struct Search {
  uintptr_t address = 0;
  std::string build_id;
};

/// Linkers put notes of both alignments into one segment; those before a build id are multiples of
/// eight, so steps of four find it in either.
std::string build_id_in(const char* notes, size_t bytes) {
  auto padded = [](uint32_t size) { return (size_t{size} + 3) & ~size_t{3}; };
  for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= bytes;) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes + at, sizeof(note));
    const char* name = notes + at + sizeof(note);
    const char* data = name + padded(note.n_namesz);
    at += sizeof(note) + padded(note.n_namesz) + padded(note.n_descsz);
    bool gnu = note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0;
    if (at <= bytes && gnu && note.n_type == NT_GNU_BUILD_ID) {
      return llvm::toHex(llvm::StringRef(data, note.n_descsz), true);
    }
  }
  return "";
}

int visit_loaded(dl_phdr_info* info, size_t, void* context) {
  auto* search = static_cast<Search*>(context);
  bool inside = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = info->dlpi_phdr[i];
    uintptr_t begin = info->dlpi_addr + part.p_vaddr;
    inside |= part.p_type == PT_LOAD && search->address - begin < part.p_memsz;
  }
  if (!inside) return 0;
  for (int i = 0; i < info->dlpi_phnum && search->build_id.empty(); ++i) {
    const ElfW(Phdr)& part = info->dlpi_phdr[i];
    if (part.p_type != PT_NOTE) continue;
    const void* notes = reinterpret_cast<const void*>(info->dlpi_addr + part.p_vaddr);
    search->build_id = build_id_in(static_cast<const char*>(notes), part.p_memsz);
  }
  return 1;
}

std::string build_id_of(uintptr_t address) {
  Search search{address, ""};
  dl_iterate_phdr(visit_loaded, &search);
  return search.build_id;
}

std::string identify_compiler() {
  std::string program = build_id_of(reinterpret_cast<uintptr_t>(&identify_compiler));
  std::string llvm = build_id_of(reinterpret_cast<uintptr_t>(&llvm::sys::getHostCPUName));
  if (program.empty() || llvm.empty()) return "";
  return "gradus " + program + " LLVM " LLVM_VERSION_STRING " " + llvm;
}

}  // namespace

const std::string& compiler_identity() {
  static const std::string identity = identify_compiler();
  return identity;
}

std::string object_key(const std::vector<Unit>& units, const Target& target,
                       const std::string& compiler) {
  Hasher hash;
  hash.add(compiler);
  add_target(hash, target);
  hash.add(static_cast<int64_t>(units.size()));
  for (const Unit& unit : units) add_unit(hash, unit);
  return hash.hex();
}

}  // namespace gradus::codegen
