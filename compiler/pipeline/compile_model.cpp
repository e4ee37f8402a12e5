// Each function goes through the pipeline by itself; code is generated for all of them together.
#include "pipeline/compile_model.h"

#include <chrono>
#include <set>

#include <fmt/format.h>

namespace gradus::pipeline {

namespace {

double milliseconds_since(std::chrono::steady_clock::time_point begin) {
  auto now = std::chrono::steady_clock::now();
  return std::chrono::duration<double, std::milli>(now - begin).count();
}

}  // namespace

std::string_view function_name(Function function) {
  switch (function) {
    case Function::Init: return "init";
    case Function::Train: return "train";
    case Function::Evaluate: return "evaluate";
    case Function::Predict: return "predict";
  }
  return "";
}

const Graph& function_graph(const lang::Model& model, Function function) {
  switch (function) {
    case Function::Init: return model.init;
    case Function::Train: return model.train;
    case Function::Evaluate: return model.evaluate;
    case Function::Predict: return model.predict;
  }
  return model.predict;
}

std::string function_symbol(const lang::Model& model, Function function) {
  return fmt::format("{}_{}_frame", model.name, function_name(function));
}

StepRunner CompiledModel::runner(const lang::Model& model, Function function,
                                 VariableStore& variables, Threads threads) const {
  const Compiled& compiled = get(function);
  return StepRunner(compiled.program, compiled.plan, jit_->find(function_symbol(model, function)),
                    variables, threads);
}

std::vector<codegen::Unit> CompiledModel::units(const lang::Model& model) const {
  std::vector<codegen::Unit> units;
  for (const auto& [function, compiled] : compiled_) {
    units.push_back({&compiled.program, &compiled.plan, function_symbol(model, function)});
  }
  return units;
}

CompiledModel::Memory CompiledModel::memory(int32_t workers) const {
  Memory memory;
  std::set<std::string> variables;
  for (const auto& [function, compiled] : compiled_) {
    memory.arenas += compiled.plan.arena_bytes + compiled.plan.worker_bytes * workers;
    for (const plan::Buffer& buffer : compiled.program.buffers) {
      const bool variable =
          buffer.kind == plan::BufferKind::Param || buffer.kind == plan::BufferKind::State;
      if (variable && variables.insert(buffer.name).second) memory.variables += buffer.bytes;
      if (!variable && buffer.kind != plan::BufferKind::Arena) memory.others += buffer.bytes;
    }
  }
  return memory;
}

std::optional<CompiledModel> lower_model(const lang::Model& model,
                                         const std::vector<Function>& functions,
                                         const Target& target, const CompileOptions& options,
                                         DiagEngine& diags) {
  auto begin = std::chrono::steady_clock::now();
  CompiledModel out;
  for (Function function : functions) {
    std::optional<Compiled> compiled =
        compile_graph(function_graph(model, function), target, options, diags);
    if (!compiled) return std::nullopt;
    out.compiled_.emplace(function, std::move(*compiled));
  }
  out.milliseconds_ = milliseconds_since(begin);
  return out;
}

void generate_code(CompiledModel& model, const lang::Model& source, const Target& target,
                   const codegen::JitOptions& options) {
  auto begin = std::chrono::steady_clock::now();
  model.jit_ = codegen::compile_jit(model.units(source), target, options);
  model.milliseconds_ += milliseconds_since(begin);
}

std::optional<CompiledModel> compile_model(const lang::Model& model,
                                           const std::vector<Function>& functions,
                                           const Target& target, const CompileOptions& options,
                                           DiagEngine& diags) {
  std::optional<CompiledModel> out = lower_model(model, functions, target, options, diags);
  if (out) generate_code(*out, model, target, options.jit);
  return out;
}

int64_t capacity_of(const lang::Model& model, std::optional<int64_t> wanted) {
  return model.has_batch ? wanted.value_or(model.train_block.batch) : 1;
}

}  // namespace gradus::pipeline
