// Runs compiled steps in this process: owns the memory that the plan asks for and fills the frame.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codegen/codegen.h"
#include "plan/plan.h"
#include "plan/program.h"

namespace gradus::pipeline {

/// Bytes on a 64-byte boundary, with 64 readable bytes after them; zeroed. Large ones stand on
/// large pages where the system has some.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(size_t bytes);
  std::byte* data() const { return data_.get(); }
  size_t size() const { return size_; }
  std::span<std::byte> span() const { return {data_.get(), size_}; }

 private:
  struct Free {
    Free() : mapped(0) {}
    explicit Free(size_t bytes) : mapped(bytes) {}
    size_t mapped;  // bytes that the system gave directly; 0: from the heap
    void operator()(std::byte* bytes) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

/// Parameters and states by path, shared by the steps of one model.
class VariableStore {
 public:
  struct Wanted {
    std::string path;
    TensorType type;
  };
  /// Adds memory for all that is not there yet, in one piece.
  void add(const std::vector<Wanted>& wanted);
  /// The same for every param and state of `program`.
  void add(const plan::Program& program);
  bool contains(const std::string& path) const { return variables_.count(path) > 0; }
  std::span<std::byte> bytes(const std::string& path) const;
  const TensorType& type(const std::string& path) const;
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  struct Variable {
    TensorType type;
    std::span<std::byte> bytes;
  };
  std::vector<AlignedBytes> pieces_;  // one for each call of `add`
  std::map<std::string, Variable> variables_;
  std::vector<std::string> paths_;  // in order of addition
};

struct Threads {
  int32_t workers = 1;
  void* pool = nullptr;
  gradus_parallel_for parallel_for = nullptr;
};

struct StepArguments {
  int64_t rows = 1, step = 1, steps = 1, epoch = 1;
  int64_t seed = 0;
};

/// One compiled step with its memory. Inputs are bound to the caller's arrays, or to memory of its own.
class StepRunner {
 public:
  StepRunner(const plan::Program& program, const plan::Plan& plan, codegen::StepFunction function,
             VariableStore& variables, Threads threads);

  bool has_input(const std::string& name) const;
  /// The bytes of an input's own array (at capacity); made at the first call.
  std::span<std::byte> input(const std::string& name);
  /// Reads the input from the caller's memory from now on.
  void bind_input(const std::string& name, const void* data);
  /// A result that the step writes: an output's name, "loss" for the loss, or an accumulator's name.
  std::span<const std::byte> output(const std::string& name) const;
  bool has_output(const std::string& name) const;
  std::vector<std::string> output_names() const;
  /// Where a buffer of the program lies; of one in the arena while the launches run that use it.
  std::span<const std::byte> buffer(plan::BufferId id) const;

  /// Runs the step; answers one of the codes of gradus/runtime.h.
  int32_t run(const StepArguments& arguments);
  /// After such a code of a computed index: the row of the step that it is of, from 0.
  int64_t wrong_row(int32_t code) const;
  void set_trace(gradus_trace trace, void* context) { trace_ = trace, trace_context_ = context; }
  const plan::Program& program() const { return *program_; }
  /// Bytes of arena and scratch that this step holds.
  size_t arena_bytes() const { return arena_.size() + scratch_.size(); }

 private:
  void bind_buffer(const plan::Buffer& buffer, VariableStore& variables);
  const plan::Buffer* find(plan::BufferKind kind, const std::string& name) const;

  const plan::Program* program_;
  const plan::Plan* plan_;
  codegen::StepFunction function_;
  Threads threads_;
  std::vector<void*> blocks_;
  std::map<int64_t, AlignedBytes> own_;  // inputs, outputs, constants by block
  AlignedBytes arena_, scratch_;
  gradus_trace trace_ = nullptr;
  void* trace_context_ = nullptr;
};

}  // namespace gradus::pipeline
