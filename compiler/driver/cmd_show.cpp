// gradus show: any stage of the compilation as text; without one, the table of layers.
#include <fmt/format.h>

#include "driver/commands.h"
#include "driver/session.h"
#include "fuse/fuse.h"
#include "graph/text.h"
#include "kernel/text.h"
#include "pipeline/stages.h"
#include "plan/text.h"
#include "runtime/print.h"

namespace gradus::driver {

namespace {

using pipeline::Emit;
using pipeline::Function;

Function choose_function(const Options& options, const lang::Model& model) {
  if (options.function.empty()) return model.has_loss ? Function::Train : Function::Predict;
  std::vector<std::string> names;
  for (Function function : {Function::Init, Function::Train, Function::Evaluate, Function::Predict}) {
    if (pipeline::function_name(function) == options.function) return function;
    names.emplace_back(pipeline::function_name(function));
  }
  std::string near = nearest_name(options.function, names);
  throw CommandError(kBadFlags, fmt::format("--function is `{}`, expected init, train, evaluate or predict{}",
                                            options.function,
                                            near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
}

Emit choose_stage(const Options& options) {
  std::string name = options.emit.empty() ? "graph" : options.emit;
  if (std::optional<Emit> emit = pipeline::emit_from_name(name)) return *emit;
  throw CommandError(kBadFlags, fmt::format("--emit is `{}`, expected one of: {}", name, pipeline::stage_list()));
}

void require_reads_back(const Options& options, Emit emit) {
  if (!options.verify_roundtrip || pipeline::emit_info(emit).reads_back) return;
  std::vector<std::string_view> names;
  for (const pipeline::EmitInfo& stage : pipeline::emit_stages()) {
    if (stage.reads_back) names.push_back(stage.name);
  }
  throw CommandError(kBadFlags, fmt::format("--emit={} prints what is not read; --verify-roundtrip expects one of: {}",
                                            pipeline::emit_info(emit).name, fmt::join(names, ", ")));
}

std::string kernels_text(const plan::Program& program) {
  std::string text;
  for (const kernel::Kernel& kernel : program.kernels) text += kernel::print_kernel(kernel);
  return text;
}

std::string stage_text(const pipeline::Compiled& c, Emit emit, const codegen::Unit& unit,
                       const Target& target) {
  switch (emit) {
    case Emit::Ast: return "";
    case Emit::Graph: return print_graph(c.source);
    case Emit::Joint: return print_graph(c.joint);
    case Emit::Opt: return print_graph(c.simplified);
    case Emit::Ordered: return print_graph(c.ordered);
    case Emit::Fused: return print_graph(c.ordered) + fuse::print_clustering(c.ordered, c.clustering);
    case Emit::Kernels: return kernels_text(c.program);
    case Emit::Program: return plan::print_program(c.program);
    case Emit::Plan: return plan::print_program(c.program) + plan::print_plan(c.program, c.plan);
    case Emit::Llvm: return codegen::print_llvm({unit}, target);
    case Emit::Asm: return codegen::print_asm({unit}, target);
    case Emit::Dot: return pipeline::print_dot(c.simplified);
  }
  return "";
}

void print_extras(const Options& options, const pipeline::Compiled& compiled) {
  if (options.remarks) {
    for (const std::string& remark : compiled.remarks) print_error("{}\n", remark);
  }
  if (options.time_passes) {
    for (const pipeline::PassTime& time : compiled.times) {
      print_error("{:9.3f} ms  {}\n", time.milliseconds, time.pass);
    }
  }
}

/// These options are about a stage, the graph where none is named.
bool wants_stage(const Options& options) {
  return !options.emit.empty() || !options.function.empty() || !options.dump_after.empty() ||
         options.remarks || options.time_passes || options.verify_roundtrip;
}

std::optional<int64_t> single_batch(const Options& options) {
  if (options.json) throw CommandError(kBadFlags, "--json tells the table of layers; a stage is text");
  if (options.batches.size() > 1) {
    throw CommandError(kBadFlags, "a stage is of one --batch; several are columns of the table of layers");
  }
  return options.batches.empty() ? std::nullopt : std::optional(options.batches[0]);
}

std::vector<std::string> all_passes() {
  std::vector<std::string> names;
  for (const pipeline::PassInfo& pass : pipeline::list_passes()) names.emplace_back(pass.name);
  return names;
}

int show_ast(const Options& options) {
  auto session = open_target(options);
  int32_t file = open_source(*session, options.input);
  std::optional<std::string> text = lang::print_ast(session->sources, file, session->diags);
  session->stop_on_errors();
  print_out("{}", text.value_or(""));
  return kDone;
}

int show_library() {
  for (const lang::LibraryFile& file : lang::library_files()) {
    print_out("// ---- {}\n{}\n", file.name, file.text);
  }
  return kDone;
}

}  // namespace

int run_show(const Options& given) {
  if (given.library) return show_library();
  if (given.input.empty()) {
    throw CommandError(kBadFlags, "`show` expects MODEL.grad, or --library");
  }
  if (!wants_stage(given)) return show_layers(given);
  Options options = given;
  options.batch = single_batch(given);
  Emit emit = choose_stage(options);
  require_reads_back(options, emit);
  if (emit == Emit::Ast) return show_ast(options);
  auto session = open_session(options);
  Function function = choose_function(options, session->model);
  int64_t capacity = pipeline::capacity_of(session->model, options.batch);
  pipeline::CompileOptions stages = compile_options(options, capacity, all_passes());
  stages.keep_stages = true;
  auto lowered =
      pipeline::lower_model(session->model, {function}, session->target, stages, session->diags);
  session->stop_on_errors();
  const pipeline::Compiled& compiled = lowered->get(function);
  codegen::Unit unit = lowered->units(session->model).front();
  std::string text = stage_text(compiled, emit, unit, session->target);
  if (options.verify_roundtrip) require_roundtrip("--emit=" + std::string(pipeline::emit_info(emit).name), text);
  print_out("{}", text);
  print_extras(options, compiled);
  return kDone;
}

}  // namespace gradus::driver
