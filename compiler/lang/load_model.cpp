// From a file to a Model: the program is parsed once and elaborated once for each mode.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "lang/data_block.h"
#include "lang/guard_indices.h"
#include "lang/model.h"
#include "lang/parser.h"
#include "opt/read_averages.h"

namespace gradus::lang {

namespace {

/// Both modes make the same parameters, or weights would not fit.
void check_same_variables(const Elaborator& training, const Elaborator& other, DiagEngine& diags) {
  std::vector<VariableRecord> made;
  for (const VariableRecord& v : training.variables()) {
    if (!v.of_optimizer) made.push_back(v);
  }
  const std::vector<VariableRecord>& again = other.variables();
  for (size_t i = 0; i < std::max(made.size(), again.size()); ++i) {
    bool same = i < made.size() && i < again.size() && made[i].path == again[i].path &&
                made[i].type == again[i].type;
    if (same) continue;
    const VariableRecord& odd = i < made.size() ? made[i] : again[i];
    diags.error(
        Diag::ModesDiffer, odd.span,
        fmt::format(
            "`{}` is not the same with `training` true and false; both make the same parameters",
            odd.path));
    return;
  }
}

/// The average of each parameter that has one.
std::map<std::string, std::string> averages_of(const Model& model) {
  std::map<std::string, std::string> averages;
  for (const Variable& variable : model.variables) {
    if (!variable.average_of.empty()) averages.emplace(variable.average_of, variable.path);
  }
  return averages;
}

void check_outputs(const ElaborateOptions& options, const Model& model, DiagEngine& diags) {
  for (const std::string& name : options.outputs) {
    if (std::find(model.outputs.begin(), model.outputs.end(), name) != model.outputs.end())
      continue;
    std::string nearest = nearest_name(name, model.outputs);
    diags.error(Diag::UnknownName, {},
                fmt::format("the model has no output `{}`{}", name,
                            nearest.empty() ? "" : "; did you mean `" + nearest + "`?"));
  }
}

}  // namespace

std::optional<Model> load_model(SourceMap& sources, int32_t file, const ElaborateOptions& options,
                                DiagEngine& diags) {
  std::optional<Program> program = load_program(sources, file, diags);
  if (!program) return std::nullopt;
  Model model;
  Elaborator training(*program, options, Mode::Train, diags);
  training.run();
  if (!diags.has_errors()) training.finish(model);
  if (!diags.has_errors()) check_outputs(options, model, diags);
  if (program->data && !diags.has_errors()) read_data_block(training, *program->data, model);
  for (Mode mode : {Mode::Evaluate, Mode::Predict}) {
    if (diags.has_errors()) return std::nullopt;
    Elaborator other(*program, options, mode, diags);
    other.run();
    if (!diags.has_errors()) check_same_variables(training, other, diags);
    if (!diags.has_errors()) other.finish(model);
  }
  if (diags.has_errors()) return std::nullopt;
  const std::map<std::string, std::string> averages = averages_of(model);
  opt::read_averages(model.evaluate, averages);
  opt::read_averages(model.predict, averages);
  const std::array graphs{&model.init, &model.train, &model.evaluate, &model.predict};
  const auto in_library = [&](Span span) { return program->in_library(span); };
  model.computed_indices = guard_indices(graphs, in_library, diags);
  if (diags.has_errors()) return std::nullopt;
  return model;
}

std::optional<std::string> print_ast(SourceMap& sources, int32_t file, DiagEngine& diags) {
  size_t before = diags.count();
  File tree = parse(sources, file, diags);
  if (diags.count() > before) return std::nullopt;
  return print_file(tree);
}

}  // namespace gradus::lang
