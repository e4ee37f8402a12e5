// gradus check: every gradient of a model against finite differences in f64, per parameter.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "driver/commands.h"
#include "driver/json_text.h"
#include "driver/session.h"
#include "pipeline/check_gradients.h"
#include "runtime/print.h"

namespace gradus::driver {

namespace {

nlohmann::json to_json(const pipeline::GradientReport& report) {
  nlohmann::json tensors = nlohmann::json::array();
  for (const pipeline::TensorCheck& t : report.tensors) {
    tensors.push_back({{"path", t.path}, {"entries", t.differences.entries},
                       {"directions", t.differences.directions}, {"kinks", t.differences.kinks},
                       {"worst", t.differences.worst}, {"jit_error", t.jit_error},
                       {"trusted", t.trusted}, {"passed", t.differences.agrees && t.jit_agrees}});
  }
  nlohmann::json functions = nlohmann::json::array();
  for (const pipeline::CustomVjp& own : report.wrong_functions) functions.push_back(own.name);
  return {{"passed", report.passed()}, {"finite", std::isfinite(report.loss)}, {"tensors", tensors}, {"evaluations", report.evaluations},
          {"wrong_operators", report.wrong_operators}, {"wrong_functions", functions}, {"not_finite_at_start", report.not_finite_at_start}};
}

/// --trust names functions of the model that have a custom vjp.
void check_trusted(const Session& session, const std::vector<std::string>& trusted) {
  std::vector<std::string> names;
  for (const pipeline::CustomVjp& own : pipeline::list_custom_vjps(session.model.train)) names.push_back(own.name);
  for (const std::string& name : trusted) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    std::string near = nearest_name(name, names);
    throw CommandError(kBadFlags, fmt::format("--trust is `{}`, expected a function of the model with a custom vjp{}", name,
                                              near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  }
}

/// At least: the variables and the largest value, all in f64.
void refuse_large(const Session& session, int64_t rows) {
  constexpr int64_t kBytes = sizeof(double);
  int64_t variables = 0, largest = 0;
  for (const lang::Variable& variable : session.model.variables) {
    if (!variable.of_optimizer) variables += element_count(variable.type.shape, 1);
  }
  for (const Node& node : session.model.train.nodes) {
    largest = std::max(largest, element_count(node.type.shape, rows));
  }
  refuse_beyond_memory((variables + largest) * kBytes, fmt::format("`{}` in f64 at batch {}", session.model.name, rows));
}

void print_report(const Session& session, const pipeline::GradientReport& report) {
  if (!std::isfinite(report.loss)) {
    print_out("the loss is {} at the values that were made up for the inputs, expected a finite number; nothing was compared\n",
               std::isnan(report.loss) ? "no number (NaN)" : "infinite");
    return;
  }
  print_out("{:32} {:>8} {:>10} {:>6} {:>10} {:>10}\n", "parameter", "entries", "directions", "kinks",
             "difference", "f32 - f64");
  for (const pipeline::TensorCheck& t : report.tensors) {
    print_out("{:32} {:8} {:10} {:6} {:10.1e} {:10.1e}{}{}{}\n", t.path, t.differences.entries,
               t.differences.directions, t.differences.kinks, t.differences.worst, t.jit_error,
               t.differences.agrees ? "" : "  differs from finite differences",
               t.jit_agrees ? "" : "  generated code differs from f64",
               t.trusted ? "  not compared: through a trusted function" : "");
  }
  print_out("{} evaluations of the loss; tensors are moved together, and alone where they disagree\n",
             report.evaluations);
  for (const std::string& path : report.not_finite_at_start) {
    print_out("the gradient of `{}` is not finite at the first values of the parameters, where training begins\n", path);
  }
  for (const std::string& note : report.notes) print_out("note: {}\n", note);
  for (const std::string& name : report.wrong_operators) {
    print_out("the derivative of operator `{}` is wrong\n", name);
  }
  for (const pipeline::CustomVjp& own : report.wrong_functions) {
    LineColumn at = session.sources.position(own.span.file, own.span.begin);
    print_out("{}:{}:{}: the custom vjp of `{}` is not the derivative of its body; --trust {} where that is meant\n",
               session.sources.file(own.span.file).name, at.line, at.column, own.name, own.name);
  }
  print_out("{}\n", report.passed() ? "all gradients agree"
                     : report.agrees() ? "gradients agree, but not all are finite where training begins"
                                       : "gradients disagree");
}

}  // namespace

int run_check(const Options& options) {
  auto session = open_session(options);
  if (!session->model.has_loss) {
    throw CommandError(kBadFile, fmt::format("`{}` has no loss, so there is no gradient to check", options.input));
  }
  pipeline::GradientCheckOptions check;
  check.rows = options.batch.value_or(8);
  check.seed = static_cast<uint64_t>(options.seed.value_or(0));
  refuse_large(*session, check.rows);
  check.jit = jit_options(*session);
  check.trusted = options.trust;
  check_trusted(*session, options.trust);
  pipeline::GradientReport report =
      pipeline::check_gradients(session->model, session->target, check, session->diags);
  session->stop_on_errors();
  if (options.json) print_out("{}\n", json_text(to_json(report), 2));
  else print_report(*session, report);
  return report.passed() ? kDone : kBadFile;
}

}  // namespace gradus::driver
