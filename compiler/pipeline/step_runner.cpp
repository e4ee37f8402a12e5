// Blocks are allocated once; a step allocates nothing.
#include "pipeline/step_runner.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "pipeline/random_data.h"
#include "support/check.h"

namespace gradus::pipeline {

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kSlack = 64;
constexpr size_t kMapped = size_t{1} << 20;
constexpr size_t kLargePage = size_t{2} << 20;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// What the system gives is zero already, and takes no memory before it is written.
std::byte* map_pages(size_t bytes) {
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(pages);
}

/// Pages from a boundary of large ones on: a fault for each 2 MiB, not for each 4 KiB, and fewer
/// entries of the processor's page tables. `bytes` is a number of large pages.
std::byte* map_large_pages(size_t bytes) {
  std::byte* pages = map_pages(bytes + kLargePage);
  size_t head =
      round_up(reinterpret_cast<uintptr_t>(pages), kLargePage) - reinterpret_cast<uintptr_t>(pages);
  if (head != 0) ::munmap(pages, head);
  if (head != kLargePage) ::munmap(pages + head + bytes, kLargePage - head);
  // A wish: where the system has none, the pages are small.
  ::madvise(pages + head, bytes, MADV_HUGEPAGE);
  return pages + head;
}

template <typename T>
void fill(std::byte* to, const std::vector<double>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    T value = static_cast<T>(values[i]);
    std::memcpy(to + i * sizeof(T), &value, sizeof(T));
  }
}

void fill_constant(std::byte* to, const plan::Buffer& buffer) {
  visit_dtype(buffer.type.dtype, [&](auto type) {
    fill<typename decltype(type)::type>(to, buffer.constant);
  });
}

}  // namespace

AlignedBytes::AlignedBytes(size_t bytes) : size_(bytes) {
  size_t whole = round_up(bytes + kSlack, kAlignment);
  if (whole >= kMapped) {
    bool large = whole >= 2 * kLargePage;
    size_t mapped = large ? round_up(whole, kLargePage) : whole;
    data_ = std::unique_ptr<std::byte, Free>(large ? map_large_pages(mapped) : map_pages(mapped),
                                             Free{mapped});
    return;
  }
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, whole)));
  if (!data_) throw std::bad_alloc();
  std::memset(data_.get(), 0, whole);
}

void AlignedBytes::Free::operator()(std::byte* bytes) const {
  if (mapped != 0) {
    ::munmap(bytes, mapped);
  } else {
    std::free(bytes);
  }
}

void VariableStore::add(const std::vector<Wanted>& wanted) {
  auto size = [](const Wanted& variable) {
    return static_cast<size_t>(byte_size(variable.type, 1));
  };
  std::vector<size_t> offsets;
  size_t bytes = 0;
  for (const Wanted& variable : wanted) {
    offsets.push_back(bytes);
    if (!contains(variable.path)) bytes += round_up(size(variable) + kSlack, kAlignment);
  }
  if (bytes == 0) return;
  std::byte* piece = pieces_.emplace_back(bytes).data();
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto& [path, type] = wanted[i];
    std::span place{piece + offsets[i], size(wanted[i])};
    bool added = variables_.try_emplace(path, type, place).second;
    if (added) paths_.push_back(path);
  }
}

void VariableStore::add(const plan::Program& program) {
  std::vector<Wanted> wanted;
  for (const plan::Buffer& buffer : program.buffers) {
    bool variable = buffer.kind == plan::BufferKind::Param || buffer.kind == plan::BufferKind::State;
    if (variable) wanted.push_back({buffer.name, buffer.type});
  }
  add(wanted);
}

std::span<std::byte> VariableStore::bytes(const std::string& path) const {
  return variables_.at(path).bytes;
}

const TensorType& VariableStore::type(const std::string& path) const {
  return variables_.at(path).type;
}

StepRunner::StepRunner(const plan::Program& program, const plan::Plan& plan,
                       codegen::StepFunction function, VariableStore& variables, Threads threads)
    : program_(&program),
      plan_(&plan),
      function_(function),
      threads_(threads),
      blocks_(static_cast<size_t>(program.block_count), nullptr),
      arena_(static_cast<size_t>(plan.arena_bytes)),
      scratch_(static_cast<size_t>(plan.worker_bytes) * static_cast<size_t>(threads.workers)) {
  variables.add(program);
  for (const plan::Buffer& buffer : program.buffers) bind_buffer(buffer, variables);
  if (program.arena_block >= 0) blocks_[static_cast<size_t>(program.arena_block)] = arena_.data();
  if (program.worker_block >= 0) {
    blocks_[static_cast<size_t>(program.worker_block)] = scratch_.data();
  }
}

void StepRunner::bind_buffer(const plan::Buffer& buffer, VariableStore& variables) {
  auto own = [&]() {
    own_[buffer.block] = AlignedBytes(static_cast<size_t>(buffer.bytes));
    return own_[buffer.block].data();
  };
  auto block = static_cast<size_t>(buffer.block);
  switch (buffer.kind) {
    case plan::BufferKind::Param:
    case plan::BufferKind::State: blocks_[block] = variables.bytes(buffer.name).data(); break;
    case plan::BufferKind::Output: blocks_[block] = own(); break;
    case plan::BufferKind::Constant: {
      std::byte* memory = own();
      fill_constant(memory, buffer);
      blocks_[block] = memory;
      break;
    }
    case plan::BufferKind::Input:
    case plan::BufferKind::Arena: break;
  }
}

const plan::Buffer* StepRunner::find(plan::BufferKind kind, const std::string& name) const {
  for (const plan::Buffer& buffer : program_->buffers) {
    if (buffer.kind == kind && buffer.name == name) return &buffer;
  }
  return nullptr;
}

std::span<std::byte> StepRunner::input(const std::string& name) {
  const plan::Buffer* buffer = find(plan::BufferKind::Input, name);
  GRADUS_CHECK(buffer, fmt::format("the step reads no input `{}`", name));
  AlignedBytes& memory = own_[buffer->block];
  if (!memory.data()) memory = AlignedBytes(static_cast<size_t>(buffer->bytes));
  blocks_[static_cast<size_t>(buffer->block)] = memory.data();
  return memory.span();
}

bool StepRunner::has_input(const std::string& name) const {
  return find(plan::BufferKind::Input, name) != nullptr;
}

void StepRunner::bind_input(const std::string& name, const void* data) {
  const plan::Buffer* buffer = find(plan::BufferKind::Input, name);
  GRADUS_CHECK(buffer, fmt::format("the step reads no input `{}`", name));
  blocks_[static_cast<size_t>(buffer->block)] = const_cast<void*>(data);
}

bool StepRunner::has_output(const std::string& name) const {
  return find(plan::BufferKind::Output, name) != nullptr;
}

std::span<const std::byte> StepRunner::output(const std::string& name) const {
  const plan::Buffer* buffer = find(plan::BufferKind::Output, name);
  GRADUS_CHECK(buffer, fmt::format("the step has no result `{}`", name));
  return own_.at(buffer->block).span();
}

std::vector<std::string> StepRunner::output_names() const {
  std::vector<std::string> names;
  for (const plan::Buffer& buffer : program_->buffers) {
    if (buffer.kind == plan::BufferKind::Output) names.push_back(buffer.name);
  }
  return names;
}

std::span<const std::byte> StepRunner::buffer(plan::BufferId id) const {
  const plan::Buffer& buffer = program_->buffers[id];
  const auto* block = static_cast<const std::byte*>(blocks_[static_cast<size_t>(buffer.block)]);
  int64_t offset = buffer.kind == plan::BufferKind::Arena ? plan_->offset_of(id) : 0;
  return {block + offset, static_cast<size_t>(buffer.bytes)};
}

int64_t StepRunner::wrong_row(int32_t code) const {
  for (const plan::ComputedCheck& check : program_->computed_checks) {
    if (GRADUS_BAD_COMPUTED_INDEX + check.number != code) continue;
    return static_cast<int64_t>(load_element(DType::I32, buffer(check.first).data(), 0));
  }
  check_failed(__FILE__, __LINE__, "code", fmt::format("{} is of no computed index", code));
}

int32_t StepRunner::run(const StepArguments& arguments) {
  gradus_frame frame = {};
  frame.blocks = blocks_.data();
  frame.rows = arguments.rows;
  frame.step = arguments.step;
  frame.steps = arguments.steps;
  frame.epoch = arguments.epoch;
  frame.seed = arguments.seed;
  frame.workers = threads_.workers;
  frame.pool = threads_.pool;
  frame.parallel_for = threads_.parallel_for;
  frame.trace = trace_;
  frame.trace_context = trace_context_;
  return function_(&frame);
}

}  // namespace gradus::pipeline
