// A compiled model at work: fills batches from a data set, runs steps, adds up metrics over a pass.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "driver/accumulator.h"
#include "driver/bind_data.h"
#include "driver/session.h"
#include "pipeline/find_not_finite.h"
#include "runtime/thread_pool.h"
#include "runtime/train/step.h"

namespace gradus::driver {

class ModelRunner : public runtime::Stepper {
 public:
  /// Compiles `functions` for `capacity` rows; `threads` includes the caller. What is only `promised` is
  /// compiled too, so that it fails now or never, and is given no memory.
  ModelRunner(Session& session, const std::vector<pipeline::Function>& functions, int64_t capacity,
              int32_t threads, const std::vector<pipeline::Function>& promised = {});

  /// First values of all variables, from `seed`. Needs Init.
  void initialise(uint64_t seed);
  void set_data(const BoundData& data) { data_ = &data; }
  void set_seed(uint64_t seed) { seed_ = seed; }

  double train(std::span<const int64_t> rows, const runtime::StepPosition& position) override;
  runtime::Evaluation evaluate(std::span<const int64_t> rows) override;
  std::vector<runtime::NamedTensor> variables() override;
  std::vector<std::string> metric_names() const override { return session_.model.metrics; }

  /// Runs predict on these rows (at most the capacity).
  void predict(std::span<const int64_t> rows);
  /// Runs the function, which changes nothing, again on these rows: its first value that is not finite.
  std::optional<pipeline::NotFiniteValue> find_not_finite(pipeline::Function function, std::span<const int64_t> rows);
  /// That of the last evaluation, where its loss was not finite.
  const std::optional<pipeline::NotFiniteValue>& evaluation_problem() const { return evaluation_problem_; }
  pipeline::StepRunner& runner(pipeline::Function function) { return runners_.at(function); }
  const pipeline::CompiledModel& compiled() const { return compiled_; }
  const pipeline::VariableStore& store() const { return store_; }
  const runtime::ThreadPool& pool() const { return pool_; }
  int64_t capacity() const { return capacity_; }
  /// The `n` of a step on these rows of the data set: 1 where no input has `batch`.
  int64_t rows_of_step(std::span<const int64_t> rows) const;

 private:
  void fill_inputs(pipeline::StepRunner& step, std::span<const int64_t> rows);
  void run(pipeline::Function function, std::span<const int64_t> rows, const runtime::StepPosition& position);
  [[noreturn]] void stop_at_index(const pipeline::StepRunner& step, int32_t status, std::span<const int64_t> rows);
  std::string bad_index(pipeline::StepRunner& step, std::span<const int64_t> rows);
  std::vector<double> finish_metrics(int64_t rows);

  Session& session_;
  int64_t capacity_;
  runtime::ThreadPool pool_;
  pipeline::CompiledModel compiled_;
  pipeline::VariableStore store_;
  std::map<pipeline::Function, pipeline::StepRunner> runners_;
  const BoundData* data_ = nullptr;
  uint64_t seed_ = 0;
  std::map<std::string, Accumulator> accumulators_;
  std::optional<pipeline::NotFiniteValue> evaluation_problem_;
};

/// The inputs that a compiled function reads.
std::vector<std::string> inputs_of(const pipeline::CompiledModel& compiled, pipeline::Function function);

}  // namespace gradus::driver
