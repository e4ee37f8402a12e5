// Everything is evaluated by eval<double> on the graph; the differences never see the derivative rules.
#include "pipeline/check_gradients.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "eval/eval.h"
#include "graph/builder.h"
#include "pipeline/check_rows.h"
#include "pipeline/compare_differences.h"
#include "pipeline/compile.h"
#include "pipeline/random_data.h"
#include "pipeline/step_runner.h"

namespace gradus::pipeline {

namespace {

using Values = Environment<double>;

/// The train graph with other results: the loss, and the gradients of the trained parameters.
struct GradientGraphs {
  Graph loss;
  Graph gradients;  // loss, then output "path" per parameter
  std::vector<std::string> paths;
};

GradientGraphs split_train_graph(const Graph& train) {
  GradientGraphs out;
  NodeId loss;
  for (const Result& result : train.results) {
    if (result.kind == ResultKind::Loss) loss = result.value;
  }
  GRADUS_CHECK(loss.valid(), "a model without loss");
  out.loss = train;
  out.loss.results = {{ResultKind::Loss, "", loss}};
  out.gradients = out.loss;
  for (size_t i = 0; i < train.size(); ++i) {
    const Node& node = train[NodeId(i)];
    if (node.op != OpKind::Gradient || node.operands[0] != loss) continue;
    const Node& x = train[node.operands[1]];
    if (x.op != OpKind::Param) continue;
    out.paths.push_back(leaf_name(x));
    out.gradients.results.push_back({ResultKind::Output, leaf_name(x), NodeId(i)});
  }
  return out;
}

bool differentiate_graph(Graph& graph, DiagEngine& diags) {
  Stage stage = Stage::Source;
  std::vector<PassTime> times;
  // Dropping what the results do not need comes first: the update's derivatives are not asked for.
  return run_passes(graph, {"differentiate", "dce"}, stage, {}, times, diags);
}

/// A tensor's share of the gradient in f64 below which it is 0.
constexpr double kRounding = 1e-12;
/// By so much generated code may round worse than the graph as written does where sums cancel: its sums
/// round at each step.
constexpr double kWorseRounding = 64;

double norm(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v * v;
  return std::sqrt(sum);
}

/// Of all tensors of a gradient.
double norm_of_all(const Graph& gradients, const IdVector<NodeId, Array<double>>& values) {
  double sum = 0;
  for (const Result& result : gradients.results) {
    if (result.kind != ResultKind::Output) continue;
    const double own = norm(values[result.value].floats);
    sum += own * own;
  }
  return std::sqrt(sum);
}

class Checker {
 public:
  Checker(const lang::Model& model, const Target& target, const GradientCheckOptions& options,
          DiagEngine& diags)
      : model_(model), target_(target), options_(options), diags_(diags), random_(options.seed + 77) {
    context_.n = context_.capacity = model.has_batch ? options.rows : 1;
    context_.steps = 100;
    context_.seed = static_cast<uint32_t>(options.seed);
  }

  GradientReport run() {
    graphs_ = split_train_graph(model_.train);
    Graph gradients = graphs_.gradients;
    loss_ = graphs_.loss;
    if (!differentiate_graph(loss_, diags_) || !differentiate_graph(gradients, diags_)) return {};
    make_leaves();
    GradientReport report;
    report.loss = loss_at_leaves();
    if (!std::isfinite(report.loss)) return report;
    auto values = eval<double>(gradients, leaves_, context_);
    EvalContext rounded = context_;
    rounded.rounded = true;
    rounded_ = eval<double>(gradients, leaves_, rounded);
    whole_norm_ = norm_of_all(gradients, values);
    compare_tensors(gradients, values, report);
    if (!report.passed()) {
      report.wrong_operators = find_wrong_rows(gradients, leaves_, context_);
      report.wrong_functions = find_wrong_own_derivatives(graphs_.loss, leaves_, context_);
      std::erase_if(report.wrong_functions, [&](const OwnDerivative& own) {
        return std::find(options_.trusted.begin(), options_.trusted.end(), own.name) != options_.trusted.end();
      });
    }
    return report;
  }

 private:
  /// Parameters at their first values and a little beside them (so that zeros are not special); made-up
  /// inputs; all rounded to f32, so that the generated code sees the same numbers.
  void make_leaves() {
    EvalContext at_start = context_;
    at_start.step = 0;
    auto first = eval<double>(model_.init, {}, at_start);
    for (const Result& result : model_.init.results) {
      Array<double> array = first[result.value];
      for (double& v : array.floats) v = static_cast<float>(v + 0.1 * (random_.uniform() - 0.5));
      leaves_[result.name] = std::move(array);
    }
    draw_inputs();
  }

  /// An index that the model computes of whole numbers (`table[k + k]`) may leave its axis, which gives NaN: smaller
  /// numbers are tried, and 1 where 0 is one too few.
  void draw_inputs() {
    const bool free = std::any_of(model_.inputs.begin(), model_.inputs.end(), [](const lang::ModelInput& input) {
      return is_integer(input.type.dtype) && input.index_limit == 0;
    });
    constexpr WholeNumbers kRanges[] = {{}, {0, 5}, {0, 3}, {0, 2}, {1, 2}, {1, 1}, {0, 1}};
    for (const WholeNumbers& range : kRanges) {
      draw_inputs(range);
      losses_ = eval<double>(loss_, leaves_, context_);
      if (!free || std::isfinite(loss_at_leaves())) return;
    }
  }

  double loss_at_leaves() const { return losses_[loss_.results[0].value].floats[0]; }

  void draw_inputs(const WholeNumbers& range) {
    for (const lang::ModelInput& input : model_.inputs) {
      Array<double> array;
      array.dtype = input.type.dtype;
      for (const Dim& dim : input.type.shape) array.sizes.push_back(dim.at(context_.n));
      for (int64_t i = 0; i < array.count(); ++i) {
        double value = random_element(random_, input, range);
        if (is_float(array.dtype)) array.floats.push_back(value);
        else array.integers.push_back(static_cast<int64_t>(value));
      }
      leaves_[input.name] = std::move(array);
    }
  }

  void compare_tensors(const Graph& gradients, const IdVector<NodeId, Array<double>>& values,
                       GradientReport& report) {
    const std::map<std::string, std::vector<double>> jit = run_jit();
    const std::set<std::string> through = parameters_through(graphs_.loss, options_.trusted);
    std::vector<ComparedTensor> compared;
    for (const Result& result : gradients.results) {
      if (result.kind != ResultKind::Output) continue;
      const std::vector<double>& gradient = values[result.value].floats;
      TensorCheck check{.path = result.name, .trusted = through.contains(result.name)};
      compare_jit(gradient, rounded_[result.value].floats, jit.at(result.name), check, report);
      if (!check.trusted) compared.push_back({.path = result.name, .gradient = &gradient});
      report.tensors.push_back(check);
    }
    report.evaluations = compare_differences({loss_, leaves_, losses_, context_}, compared,
                                             options_.entries, options_.directions, random_);
    auto next = compared.begin();
    for (TensorCheck& check : report.tensors) {
      if (!check.trusted) check.differences = (next++)->found;
    }
  }

  /// Where sums cancel, the gradient is far smaller than what it is the rest of: then the size to
  /// compare with is what rounding alone changes in f64.
  void compare_jit(const std::vector<double>& gradient, const std::vector<double>& rounded,
                   const std::vector<double>& jit, TensorCheck& check, GradientReport& report) {
    std::vector<double> difference(gradient.size()), rounding(gradient.size());
    for (size_t i = 0; i < gradient.size(); ++i) {
      difference[i] = jit[i] - gradient[i];
      rounding[i] = rounded[i] - gradient[i];
    }
    double scale = norm(gradient);
    // Nothing but rounding is left where the loss does not change with the tensor at all: a bias before
    // a norm, or of the keys of attention.
    if (scale <= kRounding * whole_norm_) scale = whole_norm_;
    check.jit_error = scale == 0 ? norm(difference) : norm(difference) / scale;
    check.jit_agrees = check.jit_error <= 1e-4 || norm(difference) <= kWorseRounding * norm(rounding);
    if (check.jit_agrees && check.jit_error > 1e-5) {
      report.notes.push_back(fmt::format("{}: sums cancel, error {:.1e} of the norm", check.path, check.jit_error));
    }
  }

  std::map<std::string, std::vector<double>> run_jit() {
    CompileOptions options;
    options.capacity = context_.capacity;
    std::optional<Compiled> compiled = compile_graph(graphs_.gradients, target_, options, diags_);
    GRADUS_CHECK(compiled.has_value(), "the gradient compiled in f64 only");
    auto jit = codegen::compile_jit({{&compiled->program, &compiled->plan, "gradient"}}, target_, options_.jit);
    VariableStore variables;
    StepRunner step(compiled->program, compiled->plan, jit->find("gradient"), variables, {});
    for (const std::string& path : variables.paths()) {
      fill(variables.bytes(path), variables.type(path).dtype, leaves_.at(path));
    }
    for (const lang::ModelInput& input : model_.inputs) {
      if (step.has_input(input.name)) fill(step.input(input.name), input.type.dtype, leaves_.at(input.name));
    }
    int32_t status = step.run({.rows = context_.n, .step = context_.step, .steps = context_.steps,
                               .epoch = context_.epoch, .seed = context_.seed});
    GRADUS_CHECK(status == GRADUS_OK, fmt::format("the gradient's code returned {}", status));
    std::map<std::string, std::vector<double>> out;
    for (const std::string& path : graphs_.paths) {
      std::span<const std::byte> bytes = step.output(path);
      std::vector<double>& values = out[path];
      values.resize(bytes.size() / sizeof(float));
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] = load_element(DType::F32, bytes.data(), static_cast<int64_t>(i));
      }
    }
    return out;
  }

  static void fill(std::span<std::byte> bytes, DType dtype, const Array<double>& array) {
    for (int64_t i = 0; i < array.count(); ++i) {
      double value = is_float(dtype) ? array.floats[static_cast<size_t>(i)]
                                     : static_cast<double>(array.integers[static_cast<size_t>(i)]);
      store_element(dtype, bytes.data(), i, value);
    }
  }

  const lang::Model& model_;
  const Target& target_;
  const GradientCheckOptions& options_;
  DiagEngine& diags_;
  Random random_;
  EvalContext context_;
  GradientGraphs graphs_;
  Graph loss_;
  Values leaves_;
  IdVector<NodeId, Array<double>> rounded_;  // of the gradients' graph, each value rounded to f32
  IdVector<NodeId, Array<double>> losses_;  // the values of `loss_` at the leaves
  double whole_norm_ = 0;  // of the f64 gradient
};

}  // namespace

bool GradientReport::passed() const {
  const auto agrees = [](const TensorCheck& t) { return t.differences.agrees && t.jit_agrees; };
  return std::isfinite(loss) && std::all_of(tensors.begin(), tensors.end(), agrees);
}

GradientReport check_gradients(const lang::Model& model, const Target& target,
                               const GradientCheckOptions& options, DiagEngine& diags) {
  return Checker(model, target, options, diags).run();
}

}  // namespace gradus::pipeline
