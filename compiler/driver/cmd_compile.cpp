// gradus compile: the model's steps as one object file with its C header.
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "codegen/c_header.h"
#include "driver/commands.h"
#include "driver/fitted_expressions.h"
#include "driver/load_weights.h"
#include "driver/prepare_inputs.h"
#include "driver/session.h"
#include "driver/weights.h"

namespace gradus::driver {

namespace {

using pipeline::Function;

struct StepName {
  Function function;
  const char* name;
  const char* summary;
};
constexpr StepName kSteps[] = {
    {Function::Init, "init", "Fills the variables with their first values, drawn from `seed`."},
    {Function::Train, "train_step",
     "One training step on `rows` rows: the loss is written, parameters and states are updated.\n"
     " * `step` counts from 1, `steps` is the planned total, `epoch` counts from 1."},
    {Function::Predict, "predict", "The outputs for `rows` rows."},
};

std::vector<Function> functions_of(const lang::Model& model) {
  std::vector<Function> functions = {Function::Init};
  if (model.has_loss) functions.push_back(Function::Train);
  if (!model.outputs.empty()) functions.push_back(Function::Predict);
  return functions;
}

bool has_averages(const lang::Model& model) {
  return std::any_of(model.variables.begin(), model.variables.end(),
                     [](const lang::Variable& variable) { return !variable.average_of.empty(); });
}

codegen::HeaderSpec header_spec(const Session& session, const std::vector<codegen::Unit>& units) {
  codegen::HeaderSpec spec;
  spec.model = session.model.name;
  spec.cpu = session.target.cpu;
  for (const lang::Variable& variable : session.model.variables) {
    spec.variables.push_back({variable.path, variable.type});
  }
  for (const lang::ComputedIndex& index : session.model.computed_indices) {
    const LineColumn at = session.sources.position(index.span.file, index.span.begin);
    const std::string& name = session.sources.file(index.span.file).name;
    spec.indices.push_back({fmt::format("{}:{}:{}", name, at.line, at.column), index.limit});
  }
  for (const StepName& step : kSteps) {
    for (const codegen::Unit& unit : units) {
      if (unit.symbol == pipeline::function_symbol(session.model, step.function)) {
        spec.steps.push_back({step.name, step.summary, &unit});
        if (step.function == Function::Predict && has_averages(session.model)) {
          spec.steps.back().summary +=
              " It reads the `_average` of each parameter that has one:\n * weights of a file are to be copied there too.";
        }
      }
    }
  }
  return spec;
}

/// What does not fit the model is told as where weights are read: nothing of them is built in, yet the header is theirs.
void check_weights(Session& session, const Options& options, const runtime::SafetensorsFile& file) {
  std::vector<pipeline::VariableStore::Wanted> wanted;
  for (const lang::Variable& variable : session.model.variables) {
    if (!variable.of_optimizer) wanted.push_back({variable.path, variable.type});
  }
  pipeline::VariableStore store;
  store.add(wanted);
  load_weights(session, file, options.weights, store, {options.rename, false});
}

/// How inputs are prepared: put into the graphs with --raw-inputs; what the header says of it is returned.
std::string prepare_inputs(Session& session, const Options& options) {
  if (options.raw_inputs && options.weights.empty()) {
    throw CommandError(kBadFlags, "--raw-inputs expects --weights FILE, which holds what was fitted on the training part");
  }
  if (options.weights.empty()) return preparation_comment(session, nullptr, {});
  runtime::SafetensorsFile file = open_weights(session, options.weights);
  check_weights(session, options, file);
  runtime::Fitted fitted = saved_data(session, file, options.weights).fitted;
  check_encoding(session, fitted, options.weights);
  for (const lang::DataBinding& binding : session.model.data.bindings) check_expressions(session, binding, fitted, options.weights);
  std::set<std::string> built_in;
  if (options.raw_inputs) built_in = build_in_preparation(session, fitted);
  return preparation_comment(session, &fitted, built_in);
}

}  // namespace

int run_compile(const Options& options) {
  if (options.out.empty()) throw CommandError(kBadFlags, "`compile` expects -o FILE.o");
  if (std::filesystem::path(options.out).extension() != ".o") {
    throw CommandError(kBadFlags, fmt::format("-o is `{}`, expected a name that ends in .o", options.out));
  }
  if (!options.header.empty() && std::filesystem::path(options.header).extension() != ".h") {
    throw CommandError(kBadFlags, fmt::format("--header is `{}`, expected a name that ends in .h", options.header));
  }
  auto session = open_session(options);
  std::string preparation = prepare_inputs(*session, options);
  pipeline::CompileOptions compile_options;
  compile_options.capacity = pipeline::capacity_of(session->model, options.batch);
  auto lowered = pipeline::lower_model(session->model, functions_of(session->model), session->target,
                                       compile_options, session->diags);
  session->stop_on_errors();
  std::vector<codegen::Unit> units = lowered->units(session->model);
  std::vector<char> object = codegen::compile_object(units, session->target);
  write_output(*session, options.out, {object.data(), object.size()});
  if (!options.header.empty()) {
    write_output(*session, options.header, preparation + codegen::print_c_header(header_spec(*session, units)));
  }
  return kDone;
}

}  // namespace gradus::driver
