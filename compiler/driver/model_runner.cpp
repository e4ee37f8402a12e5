// Accumulators of a pass are f64; the metrics' final expressions are evaluated once, on a graph of scalars.
#include "driver/model_runner.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include <fmt/format.h>

#include "driver/weights.h"
#include "eval/eval.h"
#include "pipeline/random_data.h"

namespace gradus::driver {

namespace {

using pipeline::Function;

std::vector<Function> joined(std::vector<Function> functions, const std::vector<Function>& more) {
  functions.insert(functions.end(), more.begin(), more.end());
  return functions;
}

/// A rank-0 result as a double.
double scalar_output(const pipeline::StepRunner& step, const std::string& name, DType dtype) {
  return pipeline::load_element(dtype, step.output(name).data(), 0);
}

Array<double> scalar_array(double value) {
  Array<double> array;
  array.dtype = DType::F64;
  array.floats = {value};
  return array;
}

}  // namespace

std::vector<std::string> inputs_of(const pipeline::CompiledModel& compiled, Function function) {
  std::vector<std::string> names;
  for (const plan::Buffer& buffer : compiled.get(function).program.buffers) {
    if (buffer.kind == plan::BufferKind::Input) names.push_back(buffer.name);
  }
  return names;
}

ModelRunner::ModelRunner(Session& session, const std::vector<Function>& functions, int64_t capacity, int32_t threads,
                         const std::vector<Function>& promised)
    : session_(session),
      capacity_(capacity),
      pool_(threads),
      compiled_(compile(session, joined(functions, promised), capacity, threads)) {
  std::vector<pipeline::VariableStore::Wanted> needed;
  for (const lang::Variable& variable : session.model.variables) {
    bool is_needed = !variable.of_optimizer || compiled_.has(Function::Init);
    if (is_needed) needed.push_back({variable.path, variable.type});
  }
  store_.add(needed);
  tell_fewer_threads(threads, pool_.workers());
  pipeline::Threads shared{pool_.workers(), &pool_,
                           pool_.workers() > 1 ? runtime::ThreadPool::parallel_for : nullptr};
  for (Function function : functions) {
    runners_.emplace(function, compiled_.runner(session.model, function, store_, shared));
  }
}

void ModelRunner::initialise(uint64_t seed) {
  seed_ = seed;
  int32_t status = runner(Function::Init).run({.rows = 1, .step = 0, .seed = static_cast<int64_t>(seed)});
  if (status != GRADUS_OK) stop_at_index(runner(Function::Init), status, {});
}

void ModelRunner::fill_inputs(pipeline::StepRunner& step, std::span<const int64_t> rows) {
  for (const auto& [name, array] : data_->dataset.arrays()) {
    if (!step.has_input(name)) continue;
    std::span<std::byte> to = step.input(name);
    if (!data_->whole.count(name)) {
      data_->dataset.gather(name, rows, to);
      continue;
    }
    std::vector<int64_t> all(to.size() / static_cast<size_t>(array.row_bytes));
    std::iota(all.begin(), all.end(), 0);
    data_->dataset.gather(name, all, to);
  }
}

int64_t ModelRunner::rows_of_step(std::span<const int64_t> rows) const {
  return session_.model.has_batch ? static_cast<int64_t>(rows.size()) : 1;
}

void ModelRunner::run(Function function, std::span<const int64_t> rows, const runtime::StepPosition& position) {
  pipeline::StepRunner& step = runner(function);
  fill_inputs(step, rows);
  int32_t status = step.run({.rows = rows_of_step(rows), .step = position.step, .steps = position.steps,
                             .epoch = position.epoch, .seed = static_cast<int64_t>(seed_)});
  if (status == GRADUS_OK) return;
  if (status != GRADUS_BAD_INDEX) stop_at_index(step, status, rows);
  session_.diags.error(Diag::IndexOutOfRange, {}, bad_index(step, rows));
  session_.stop_on_errors();
}

/// The place in the model that computes an index outside of its axis, and of which row.
void ModelRunner::stop_at_index(const pipeline::StepRunner& step, int32_t status, std::span<const int64_t> rows) {
  const int64_t number = status - GRADUS_BAD_COMPUTED_INDEX;
  const std::vector<lang::ComputedIndex>& indices = session_.model.computed_indices;
  GRADUS_CHECK(number >= 0 && number < std::ssize(indices), fmt::format("a step returned {}", status));
  const lang::ComputedIndex& index = indices[static_cast<size_t>(number)];
  const int64_t row = step.wrong_row(status);
  const std::string where = index.of_rows ? fmt::format("row {} of the data: ", rows[static_cast<size_t>(row)] + 1) : "";
  session_.diags.error(Diag::IndexOutOfRange, index.span,
                       fmt::format("{}the index that is computed here is outside of an axis of {}, expected 0 to {}",
                                   where, index.limit, index.limit - 1));
  session_.stop_on_errors();
  std::abort();  // an error has been told
}

/// Which number of which input is no place of the axis that it indexes.
std::string ModelRunner::bad_index(pipeline::StepRunner& step, std::span<const int64_t> rows) {
  for (const plan::IndexCheck& check : step.program().checks) {
    const std::string& name = step.program().buffers[check.input].name;
    const runtime::InputArray& array = data_->dataset.arrays().at(name);
    bool whole = data_->whole.count(name) > 0;
    for (size_t i = 0; i < (whole ? static_cast<size_t>(array.rows) : rows.size()); ++i) {
      const int64_t row = whole ? static_cast<int64_t>(i) : rows[i];
      std::vector<int32_t> values(static_cast<size_t>(array.row_bytes) / sizeof(int32_t));
      std::memcpy(values.data(), array.row(row), values.size() * sizeof(int32_t));
      for (int32_t value : values) {
        if (value >= 0 && value < check.limit) continue;
        return fmt::format("row {} of the data: input `{}` is {}, expected an index from 0 to {}", row + 1, name, value,
                           check.limit - 1);
      }
    }
  }
  return fmt::format("an index in rows {} to {} of the data is outside the axis it indexes",
                     *std::min_element(rows.begin(), rows.end()) + 1, *std::max_element(rows.begin(), rows.end()) + 1);
}

double ModelRunner::train(std::span<const int64_t> rows, const runtime::StepPosition& position) {
  run(Function::Train, rows, position);
  return scalar_output(runner(Function::Train), "loss", DType::F32);
}

runtime::Evaluation ModelRunner::evaluate(std::span<const int64_t> rows) {
  const Graph& graph = compiled_.get(Function::Evaluate).ordered;
  for (const Result& result : graph.results) {
    if (is_accumulator(result.kind))
      accumulators_.insert_or_assign(result.name, Accumulator(result.kind));
  }
  double loss = 0;
  evaluation_problem_.reset();
  for (size_t begin = 0; begin < rows.size(); begin += static_cast<size_t>(capacity_)) {
    std::span<const int64_t> part = rows.subspan(begin, std::min(rows.size() - begin, static_cast<size_t>(capacity_)));
    run(Function::Evaluate, part, {});
    for (const Result& result : graph.results) {
      DType dtype = graph.type(result.value).dtype;
      if (result.kind == ResultKind::Loss) {
        loss += scalar_output(runner(Function::Evaluate), "loss", dtype) * static_cast<double>(part.size());
      } else if (is_accumulator(result.kind)) {
        const std::span<const std::byte> bytes = runner(Function::Evaluate).output(result.name);
        std::vector<double> step(result.kind == ResultKind::AccumulateMoments ? 3 : 1);
        for (size_t i = 0; i < step.size(); ++i)
          step[i] = pipeline::load_element(dtype, bytes.data(), static_cast<int64_t>(i));
        accumulators_.at(result.name).add(step);
      }
    }
    if (!std::isfinite(loss) && !evaluation_problem_) evaluation_problem_ = find_not_finite(Function::Evaluate, part);
  }
  auto count = static_cast<int64_t>(rows.size());
  return {loss / static_cast<double>(std::max<int64_t>(count, 1)), finish_metrics(count)};
}

std::vector<double> ModelRunner::finish_metrics(int64_t rows) {
  const Graph& finish = session_.model.metric_finish.finish;
  Environment<double> leaves;
  for (const auto& [name, value] : accumulators_) leaves[name] = value.value();
  leaves["rows"] = scalar_array(static_cast<double>(rows));
  auto values = eval<double>(finish, leaves, {});
  std::vector<double> metrics;
  for (const std::string& name : session_.model.metrics) {
    for (const Result& result : finish.results) {
      if (result.name == name) metrics.push_back(values[result.value].floats[0]);
    }
  }
  return metrics;
}

std::vector<runtime::NamedTensor> ModelRunner::variables() { return named_tensors(session_.model, store_); }

void ModelRunner::predict(std::span<const int64_t> rows) { run(Function::Predict, rows, {}); }

std::optional<pipeline::NotFiniteValue> ModelRunner::find_not_finite(Function function, std::span<const int64_t> rows) {
  pipeline::NotFiniteWatch watch(runner(function), compiled_.get(function).ordered);
  watch.begin(rows_of_step(rows));
  run(function, rows, {});
  return watch.first();
}

}  // namespace gradus::driver
