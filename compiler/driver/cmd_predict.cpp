// gradus eval: loss and metrics of saved weights. gradus predict: their outputs as .npy or .csv.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <numeric>

#include <fmt/format.h>

#include "driver/commands.h"
#include "driver/json_text.h"
#include "driver/load_weights.h"
#include "driver/model_runner.h"
#include "driver/npy.h"
#include "driver/tell_not_finite.h"
#include "driver/weights.h"
#include "runtime/file_error.h"
#include "runtime/print.h"
#include "runtime/train/finite.h"

namespace gradus::driver {

namespace {

using pipeline::Function;

/// A compiled function with saved weights and the data it reads. A model without parameters is one without weights.
struct Loaded {
  ModelRunner runner;
  BoundData data;

  Loaded(const Options& options, Session& session, Function function, bool whole)
      : runner(session, {function}, pipeline::capacity_of(session.model, options.batch),
               static_cast<int32_t>(options.threads.value_or(1))) {
    const bool without = options.weights.empty();
    if (without && !session.model.variables.empty()) {
      throw CommandError(kBadFlags, fmt::format("`{}` expects --weights FILE", options.command));
    }
    SavedData saved;
    if (!without) {
      runtime::SafetensorsFile file = open_weights(session, options.weights);
      load_weights(session, file, options.weights, runner.store(), {options.rename, false});
      saved = saved_data(session, file, options.weights);
    }
    runner.set_seed(saved.seed);
    data = bind_data(session, options, inputs_of(runner.compiled(), function), saved.seed, without ? nullptr : &saved, whole);
    runner.set_data(data);
  }
};

/// The rows of `part`; where none is named: test, else validation, else all.
std::vector<int64_t> choose_rows(const Options& options, const BoundData& data, std::string& part) {
  const runtime::Split& split = data.split;
  part = options.part;
  if (part.empty()) part = !split.test.empty() ? "test" : !split.validation.empty() ? "validation" : "all";
  if (part == "train") return split.train.list();
  if (part == "validation") return split.validation.list();
  if (part == "test") return split.test.list();
  if (part != "all") throw CommandError(kBadFlags, fmt::format("--part is `{}`, expected train, validation, test or all", part));
  std::vector<int64_t> rows(static_cast<size_t>(data.rows));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

void require_rows(const std::vector<int64_t>& rows, const std::string& part, const BoundData& data) {
  if (!rows.empty()) return;
  std::string why;
  if (data.kept_rows) {
    why = fmt::format("; the split kept with the weights is of {} rows, these are other data, {} rows, all of them in `--part all`",
                      *data.kept_rows, data.source_rows);
  }
  throw CommandError(kBadFile, fmt::format("the {} part has no rows{}", part, why));
}

/// One output over all rows, in memory.
struct Gathered {
  std::string name;
  TensorType type;
  std::vector<std::byte> bytes;
};

bool has_rows(const TensorType& type) {
  return std::any_of(type.shape.begin(), type.shape.end(), [](const Dim& dim) { return dim.batch; });
}

/// Whether any of these outputs has rows. One that has none comes of parameters and whole inputs, once.
bool any_has_rows(const ModelRunner& runner, const std::vector<std::string>& names) {
  const Graph& graph = runner.compiled().get(Function::Predict).ordered;
  return std::any_of(graph.results.begin(), graph.results.end(), [&](const Result& result) {
    return std::find(names.begin(), names.end(), result.name) != names.end() && has_rows(graph.type(result.value));
  });
}

/// `what`, and where it came from: a weight that is no number, or else the first value of the step that is none.
[[noreturn]] void refuse_not_finite(Session& session, ModelRunner& runner, const std::string& what,
                                    const std::optional<pipeline::NotFiniteValue>& first) {
  for (const runtime::NamedTensor& tensor : runner.variables()) {
    auto found = runtime::find_not_finite(tensor.path, tensor.dtype, tensor.bytes, true);
    if (!found) continue;
    tell_not_finite(session, fmt::format("{}; element {} of the weights' `{}` is NaN", what, found->element, found->path), {});
    session.stop_on_errors(kDiverged);
  }
  tell_not_finite(session, what, first);
  session.stop_on_errors(kDiverged);
  throw CommandError(kDiverged, what);
}

/// NaN is no answer, and is not written over one. Infinity may be meant, as the logarithm of 0, and is told.
void check_numbers(Session& session, ModelRunner& runner, const Gathered& output, std::span<const std::byte> bytes,
                  std::span<const int64_t> rows, bool& told) {
  const std::string dtype = output.type.dtype == DType::F64 ? "F64" : output.type.dtype == DType::F32 ? "F32" : "";
  const int64_t per_row = has_rows(output.type) ? element_count(output.type.shape, static_cast<int64_t>(rows.size())) / static_cast<int64_t>(rows.size()) : 0;
  auto place = [&](int64_t element) {
    return per_row == 0 ? std::string() : fmt::format(" in row {} of the data", rows[static_cast<size_t>(element / per_row)] + 1);
  };
  if (auto nan = runtime::find_not_finite(output.name, dtype, bytes, true)) {
    refuse_not_finite(session, runner, fmt::format("output `{}` is NaN{}", output.name, place(nan->element)),
                      runner.find_not_finite(Function::Predict, rows));
  }
  auto infinite = told ? std::nullopt : runtime::find_not_finite(output.name, dtype, bytes);
  if (!infinite) return;
  told = true;
  print_error("gradus: note: output `{}` is infinite{}\n", output.name, place(infinite->element));
}

std::vector<Gathered> predict_rows(Session& session, ModelRunner& runner, const std::vector<int64_t>& rows,
                                   const std::vector<std::string>& names) {
  const Graph& graph = runner.compiled().get(Function::Predict).ordered;
  pipeline::StepRunner& step = runner.runner(Function::Predict);
  std::vector<Gathered> gathered;
  for (const std::string& name : names) {
    for (const Result& result : graph.results) {
      if (result.name == name) gathered.push_back({name, graph.type(result.value), {}});
    }
  }
  auto capacity = static_cast<size_t>(runner.capacity());
  bool told = false;
  std::span<const int64_t> all(rows);
  for (size_t begin = 0; begin < all.size(); begin += capacity) {
    std::span<const int64_t> part = all.subspan(begin, std::min(capacity, all.size() - begin));
    runner.predict(part);
    for (Gathered& output : gathered) {
      if (begin > 0 && !has_rows(output.type)) continue;
      auto bytes = static_cast<size_t>(byte_size(output.type, static_cast<int64_t>(part.size())));
      std::span<const std::byte> from = step.output(output.name).first(bytes);
      check_numbers(session, runner, output, from, part, told);
      output.bytes.insert(output.bytes.end(), from.begin(), from.end());
    }
  }
  return gathered;
}

std::vector<int64_t> output_sizes(const Gathered& output, int64_t rows) {
  std::vector<int64_t> sizes;
  for (const Dim& dim : output.type.shape) sizes.push_back(dim.at(rows));
  return sizes;
}

std::string csv_text(const std::vector<Gathered>& outputs, int64_t rows) {
  std::vector<CsvColumn> columns;
  for (const Gathered& output : outputs) {
    if (has_rows(output.type) != has_rows(outputs[0].type)) {
      const std::string& name = has_rows(output.type) ? outputs[0].name : output.name;
      throw CommandError(kBadFlags, fmt::format("output `{}` has no rows, which the others have; name outputs with --output, or write .npy", name));
    }
    columns.push_back({output.name, output.type.dtype, element_count(output.type.shape, rows) / rows, output.bytes});
  }
  return csv_bytes(columns, rows);
}

/// The files that the outputs go to, in their order: one for all as CSV, or one for each. None for standard output.
std::vector<std::string> output_paths(const Options& options, const std::vector<std::string>& names) {
  if (options.out.empty() || options.out == "-") return {};
  std::filesystem::path path(options.out);
  if (path.extension() == ".csv") return {options.out};
  if (path.extension() != ".npy") {
    throw CommandError(kBadFlags, fmt::format("-o is `{}`, expected a name that ends in .csv or .npy", options.out));
  }
  if (names.size() == 1) return {options.out};
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    std::filesystem::path to = path;
    paths.push_back(to.replace_filename(fmt::format("{}.{}.npy", path.stem().string(), name)).string());
  }
  return paths;
}

void write_outputs(Session& session, const std::vector<std::string>& paths, const std::vector<Gathered>& outputs, int64_t rows) {
  if (paths.empty()) {
    print_out("{}", csv_text(outputs, rows));
  } else if (paths[0].ends_with(".csv")) {
    write_output(session, paths[0], csv_text(outputs, rows));
  } else {
    for (size_t i = 0; i < outputs.size(); ++i) {
      write_output(session, paths[i], npy_bytes(outputs[i].type.dtype, output_sizes(outputs[i], rows), outputs[i].bytes));
    }
  }
}

}  // namespace

int run_eval(const Options& options) {
  auto session = open_session(options);
  Loaded loaded(options, *session, Function::Evaluate, false);
  std::string part;
  std::vector<int64_t> rows = choose_rows(options, loaded.data, part);
  require_rows(rows, part, loaded.data);
  runtime::Evaluation evaluation = loaded.runner.evaluate(rows);
  if (!std::isfinite(evaluation.loss)) {
    refuse_not_finite(*session, loaded.runner, fmt::format("the loss of the {} part is not finite", part),
                      loaded.runner.evaluation_problem());
  }
  if (options.json) {
    nlohmann::json metrics = nlohmann::json::object();
    for (size_t i = 0; i < evaluation.metrics.size(); ++i) metrics[session->model.metrics[i]] = evaluation.metrics[i];
    print_out("{}\n", json_text({{"loss", evaluation.loss}, {"metrics", metrics}}));
    return kDone;
  }
  print_out("{} part, {} rows: loss {:.6f}", part, rows.size(), evaluation.loss);
  for (size_t i = 0; i < evaluation.metrics.size(); ++i) {
    print_out(", {} {:.4f}", session->model.metrics[i], std::isnan(evaluation.metrics[i]) ? NAN : evaluation.metrics[i]);
  }
  print_out("\n");
  return kDone;
}

int run_predict(const Options& options) {
  auto session = open_session(options);
  const lang::Model& model = session->model;
  if (model.outputs.empty()) throw CommandError(kBadFile, fmt::format("`{}` has no outputs", options.input));
  for (const std::string& name : options.outputs) {
    if (std::find(model.outputs.begin(), model.outputs.end(), name) != model.outputs.end()) continue;
    std::string near = nearest_name(name, model.outputs);
    throw CommandError(kBadFlags, fmt::format("no output `{}`{}", name, near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  }
  Loaded loaded(options, *session, Function::Predict, false);
  std::string part = "all";
  Options all = options;
  if (all.part.empty()) all.part = "all";
  const std::vector<std::string>& names = options.outputs.empty() ? model.outputs : options.outputs;
  const std::vector<std::string> paths = output_paths(options, names);
  for (const std::string& path : paths) check_output(*session, path);
  std::vector<int64_t> rows = {0};
  if (any_has_rows(loaded.runner, names)) rows = choose_rows(all, loaded.data, part);
  require_rows(rows, part, loaded.data);
  write_outputs(*session, paths, predict_rows(*session, loaded.runner, rows, names), static_cast<int64_t>(rows.size()));
  return kDone;
}

}  // namespace gradus::driver
