// One object per run keeps the current epoch's order; everything else is in TrainingState.
#include "runtime/train/loop.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/data/split.h"

namespace gradus::runtime {

namespace {

class Loop {
 public:
  Loop(const TrainPlan& plan, Stepper& stepper, TrainingState& state, const TrainObserver& observer)
      : plan_(plan),
        stepper_(stepper),
        state_(state),
        observer_(observer),
        variables_(stepper.variables()),
        finite_(variables_),
        batch_rows_(static_cast<size_t>(plan.batch)) {
    choose_evaluated();
    if (!evaluated_.empty()) set_metrics(state_.history, stepper_.metric_names());
    if (plan_.shuffle) order_.resize(plan_.train_rows.size());
    int64_t records = plan_.steps / validate_every() + 2;
    if (records < 1 << 16) state_.history.records.reserve(static_cast<size_t>(records));
  }

  TrainOutcome run(const volatile std::sig_atomic_t& interrupted) {
    if (plan_.train_rows.empty()) return {};
    if (state_.finished && state_.step < plan_.steps) return {TrainEnd::StoppedEarly};
    int64_t first = state_.step;
    while (state_.step < plan_.steps && !state_.finished) {
      if (interrupted != 0) return end(TrainEnd::Interrupted);
      if (plan_.stop_after > 0 && state_.step - first >= plan_.stop_after)
        return end(TrainEnd::Paused);
      if (!one_step()) return diverged(Culprit::Loss);
      bool last = state_.step == plan_.steps;
      if (state_.step % validate_every() == 0 || last) {
        if (auto problem = record()) return *problem;
        if (plan_.stops_early && patience_is_over(plan_.stopping, state_.stopping)) {
          state_.finished = true;
          return {TrainEnd::StoppedEarly};
        }
      }
      if (!last && observer_.checkpoint && observer_.checkpoint_is_due()) {
        if (auto found = finite_(variables_)) return diverged(Culprit::Variable, *found);
        observer_.checkpoint(state_);
      }
    }
    state_.finished = true;
    return {TrainEnd::Finished};
  }

 private:
  int64_t validate_every() const {
    return std::max<int64_t>(
        1, plan_.validate_every > 0 ? plan_.validate_every : plan_.steps_per_epoch());
  }

  /// The validation part; without one the training part where there are metrics to show, no more
  /// rows of it than steps between two records take.
  void choose_evaluated() {
    evaluated_ = plan_.validation_rows;
    if (!evaluated_.empty() || stepper_.metric_names().empty()) return;
    auto rows = static_cast<int64_t>(plan_.train_rows.size());
    int64_t steps = std::min(validate_every(), plan_.steps_per_epoch());
    int64_t count = std::min(rows, steps * plan_.batch);
    for (int64_t i = 0; i < count; ++i) {
      sample_.push_back(plan_.train_rows[static_cast<size_t>(i * rows / count)]);
    }
    evaluated_ = sample_;
  }

  /// How a run ends that something else stops than its loss: not with variables that are no numbers.
  TrainOutcome end(TrainEnd how) const {
    if (auto found = finite_(variables_)) return diverged(Culprit::Variable, *found);
    return {how};
  }

  TrainOutcome diverged(Culprit culprit, NotFinite variable = {}) const {
    return {TrainEnd::Diverged, culprit, state_.step, std::move(variable)};
  }

  /// False where the loss is not finite.
  bool one_step() {
    int64_t per_epoch = plan_.steps_per_epoch();
    StepPosition position{state_.step + 1, plan_.steps, state_.step / per_epoch + 1};
    std::span<const int64_t> rows = rows_of(position.epoch, state_.step % per_epoch);
    double loss = stepper_.train(rows, position);
    ++state_.step;
    state_.loss_sum += loss * static_cast<double>(rows.size());
    state_.loss_rows += static_cast<int64_t>(rows.size());
    if (observer_.step) observer_.step(state_, position, loss, static_cast<int64_t>(rows.size()));
    return std::isfinite(loss);
  }

  std::span<const int64_t> rows_of(int64_t epoch, int64_t turn) {
    auto count = static_cast<int64_t>(plan_.train_rows.size());
    if (plan_.shuffle && epoch != epoch_) {
      order_.permute(plan_.seed, static_cast<uint64_t>(epoch));
      epoch_ = epoch;
    }
    int64_t begin = turn * plan_.batch, end = std::min(begin + plan_.batch, count);
    for (int64_t i = begin; i < end; ++i) {
      auto place = static_cast<size_t>(i);
      batch_rows_[static_cast<size_t>(i - begin)] =
          plan_.train_rows[plan_.shuffle ? order_[place] : place];
    }
    return std::span<const int64_t>(batch_rows_).first(static_cast<size_t>(end - begin));
  }

  /// Adds a record; where something is not finite, tells that instead.
  std::optional<TrainOutcome> record() {
    if (auto found = finite_(variables_)) return diverged(Culprit::Variable, *found);
    HistoryRecord record;
    record.step = state_.step;
    record.epoch = (state_.step - 1) / plan_.steps_per_epoch() + 1;
    record.loss =
        state_.loss_rows > 0 ? state_.loss_sum / static_cast<double>(state_.loss_rows) : 0;
    state_.loss_sum = 0;
    state_.loss_rows = 0;
    if (evaluates()) {
      Evaluation evaluation = stepper_.evaluate(evaluated_);
      if (!std::isfinite(evaluation.loss)) return diverged(Culprit::ValidationLoss);
      if (!plan_.validation_rows.empty()) record.validation_loss = evaluation.loss;
      record.metrics = evaluation.metrics;
    }
    Verdict verdict = observe(plan_.stopping, state_.stopping, monitored(record));
    if (verdict == Verdict::Better) keep_best();
    state_.history.records.push_back(record);
    if (observer_.record) observer_.record(state_, record, verdict == Verdict::Better);
    return std::nullopt;
  }

  /// A validation part is for every record, and so is a metric that is watched. Metrics that are only
  /// shown are computed at the first 100 records, then at each tenth, of the thousands at each
  /// hundredth, and at the last: a step that is an epoch is not followed by a pass each time.
  bool evaluates() const {
    if (evaluated_.empty()) return false;
    bool last = state_.step == plan_.steps;
    if (last || !plan_.validation_rows.empty() || plan_.monitored_metric >= 0) return true;
    size_t index = state_.history.records.size(), apart = 1;
    while (index >= 100 * apart) apart *= 10;
    return index % apart == 0;
  }

  double monitored(const HistoryRecord& record) const {
    if (plan_.monitored_metric < 0) return record.validation_loss.value_or(record.loss);
    return record.metrics[static_cast<size_t>(plan_.monitored_metric)];
  }

  void keep_best() {
    state_.best_step = state_.step;
    if (!plan_.restore_best || plan_.validation_rows.empty()) return;
    state_.best.resize(variables_.size());
    for (size_t i = 0; i < variables_.size(); ++i) {
      if (!variables_[i].of_optimizer)
        state_.best[i].assign(variables_[i].bytes.begin(), variables_[i].bytes.end());
    }
  }

  const TrainPlan& plan_;
  Stepper& stepper_;
  TrainingState& state_;
  const TrainObserver& observer_;
  std::vector<NamedTensor> variables_;
  FiniteCheck finite_;
  std::span<const int64_t> evaluated_;  // rows of a record's evaluation
  std::vector<int64_t> sample_;         // these, where they are of the training part
  int64_t epoch_ = 0;
  Order order_;
  std::vector<int64_t> batch_rows_;
};

}  // namespace

TrainOutcome train(const TrainPlan& plan, Stepper& stepper, TrainingState& state,
                   const volatile std::sig_atomic_t& interrupted, const TrainObserver& observer) {
  return Loop(plan, stepper, state, observer).run(interrupted);
}

bool restore_best_weights(const TrainPlan& plan, Stepper& stepper, const TrainingState& state) {
  if (!plan.restore_best || state.best.empty()) return false;
  std::vector<NamedTensor> variables = stepper.variables();
  for (size_t i = 0; i < variables.size(); ++i) {
    if (state.best[i].size() == variables[i].bytes.size()) {
      std::memcpy(variables[i].bytes.data(), state.best[i].data(), state.best[i].size());
    }
  }
  return true;
}

}  // namespace gradus::runtime
