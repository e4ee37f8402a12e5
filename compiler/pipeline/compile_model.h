// The functions of a model, compiled together and loaded into this process.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lang/model.h"
#include "pipeline/compile.h"
#include "pipeline/step_runner.h"

namespace gradus::pipeline {

/// init, train, evaluate, predict: the functions that a model file may have.
enum class Function { Init, Train, Evaluate, Predict };
std::string_view function_name(Function function);
const Graph& function_graph(const lang::Model& model, Function function);
/// "digits_train_frame": the step function that takes a frame.
std::string function_symbol(const lang::Model& model, Function function);

class CompiledModel {
 public:
  const Compiled& get(Function function) const { return compiled_.at(function); }
  bool has(Function function) const { return compiled_.count(function) > 0; }
  const codegen::Jit& jit() const { return *jit_; }
  double milliseconds() const { return milliseconds_; }
  /// What the functions hold while they run, on so many threads: variables, and for each function its
  /// arena, scratch, inputs, outputs and constants. Known before there is code.
  struct Memory {
    int64_t variables = 0, arenas = 0, others = 0;
    int64_t all() const { return variables + arenas + others; }
  };
  Memory memory(int32_t workers) const;

  StepRunner runner(const lang::Model& model, Function function, VariableStore& variables,
                    Threads threads) const;
  /// What code generation takes: one unit per function, in order.
  std::vector<codegen::Unit> units(const lang::Model& model) const;

 private:
  friend std::optional<CompiledModel> lower_model(const lang::Model&, const std::vector<Function>&,
                                                  const Target&, const CompileOptions&, DiagEngine&);
  friend void generate_code(CompiledModel&, const lang::Model&, const Target&,
                            const codegen::JitOptions&);
  std::map<Function, Compiled> compiled_;
  std::unique_ptr<codegen::Jit> jit_;
  double milliseconds_ = 0;
};

/// Down to programs and plans, without code.
std::optional<CompiledModel> lower_model(const lang::Model& model,
                                         const std::vector<Function>& functions,
                                         const Target& target, const CompileOptions& options,
                                         DiagEngine& diags);
/// Code in this process for what was lowered.
void generate_code(CompiledModel& model, const lang::Model& source, const Target& target,
                   const codegen::JitOptions& options);
/// Both: down to code in this process.
std::optional<CompiledModel> compile_model(const lang::Model& model,
                                           const std::vector<Function>& functions,
                                           const Target& target, const CompileOptions& options,
                                           DiagEngine& diags);

/// The rows a step is made for: `wanted`, or the model's; 1 where no input has `batch`.
int64_t capacity_of(const lang::Model& model, std::optional<int64_t> wanted);

}  // namespace gradus::pipeline
