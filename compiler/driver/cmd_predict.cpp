// gradus eval: loss and metrics of saved weights. gradus predict: their outputs as .npy or .csv.
#include <cstring>
#include <filesystem>
#include <numeric>

#include <fmt/format.h>

#include "driver/commands.h"
#include "driver/json_text.h"
#include "driver/load_weights.h"
#include "driver/model_runner.h"
#include "driver/npy.h"
#include "driver/weights.h"
#include "runtime/file_error.h"
#include "runtime/print.h"

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

std::vector<Gathered> predict_rows(ModelRunner& runner, const std::vector<int64_t>& rows, const std::vector<std::string>& names) {
  const Graph& graph = runner.compiled().get(Function::Predict).ordered;
  pipeline::StepRunner& step = runner.runner(Function::Predict);
  std::vector<Gathered> gathered;
  for (const std::string& name : names) {
    for (const Result& result : graph.results) {
      if (result.name == name) gathered.push_back({name, graph.type(result.value), {}});
    }
  }
  auto capacity = static_cast<size_t>(runner.capacity());
  std::span<const int64_t> all(rows);
  for (size_t begin = 0; begin < all.size(); begin += capacity) {
    std::span<const int64_t> part = all.subspan(begin, std::min(capacity, all.size() - begin));
    runner.predict(part);
    for (Gathered& output : gathered) {
      if (begin > 0 && !has_rows(output.type)) continue;
      auto bytes = static_cast<size_t>(byte_size(output.type, static_cast<int64_t>(part.size())));
      std::span<const std::byte> from = step.output(output.name).first(bytes);
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

void write_outputs(Session& session, const Options& options, const std::vector<Gathered>& outputs, int64_t rows) {
  auto write = [&](const std::string& path, std::string_view bytes) { write_output(session, path, bytes); };
  if (options.out.empty() || options.out == "-") {
    print_out("{}", csv_text(outputs, rows));
    return;
  }
  std::filesystem::path path(options.out);
  if (path.extension() == ".csv") return write(options.out, csv_text(outputs, rows));
  if (path.extension() != ".npy") {
    throw CommandError(kBadFlags, fmt::format("-o is `{}`, expected a name that ends in .csv or .npy", options.out));
  }
  for (const Gathered& output : outputs) {
    std::filesystem::path to = path;
    if (outputs.size() > 1) to.replace_filename(fmt::format("{}.{}.npy", path.stem().string(), output.name));
    write(to.string(), npy_bytes(output.type.dtype, output_sizes(output, rows), output.bytes));
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
  if (options.json) {
    nlohmann::json metrics = nlohmann::json::object();
    for (size_t i = 0; i < evaluation.metrics.size(); ++i) metrics[session->model.metrics[i]] = evaluation.metrics[i];
    print_out("{}\n", json_text({{"loss", evaluation.loss}, {"metrics", metrics}}));
    return kDone;
  }
  print_out("{} part, {} rows: loss {:.6f}", part, rows.size(), evaluation.loss);
  for (size_t i = 0; i < evaluation.metrics.size(); ++i) {
    print_out(", {} {:.4f}", session->model.metrics[i], evaluation.metrics[i]);
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
  std::vector<int64_t> rows = {0};
  if (any_has_rows(loaded.runner, names)) rows = choose_rows(all, loaded.data, part);
  require_rows(rows, part, loaded.data);
  write_outputs(*session, options, predict_rows(loaded.runner, rows, names), static_cast<int64_t>(rows.size()));
  return kDone;
}

}  // namespace gradus::driver
