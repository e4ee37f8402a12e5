// The end as JSON has the metrics of the last record, and of the record whose weights were kept.
#include "driver/train_report.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "driver/json_text.h"
#include "runtime/print.h"

namespace gradus::driver {

void say(std::FILE* to, const std::string& text) {
  print_to(to, "{}", text);
  std::fflush(to);
}

namespace {

double flop_per_step(const ModelRunner& runner) {
  const plan::Program& program = runner.compiled().get(pipeline::Function::Train).program;
  double flop = 0;
  for (const plan::Launch& launch : program.launches) {
    flop += program.kernels[launch.kernel].cost.flop();
  }
  return flop;
}

/// The rows in memory and the order in which an epoch takes them.
int64_t data_bytes(const BoundData& data, const runtime::TrainPlan& plan) {
  return data.dataset.bytes() + (plan.shuffle ? runtime::Order::bytes(plan.train_rows.size()) : 0);
}

/// Fewer than the part of the series would say.
const char* held_out_text(const BoundData& data) {
  bool held_out = !data.split.validation.empty() || !data.split.test.empty();
  return data.windows && held_out ? " (held-out windows do not overlap)" : "";
}

/// A fraction that gives no row is said: nothing is validated or tested where that was meant.
void tell_empty_part(const BoundData& data, const char* part, double share, const runtime::Rows& rows) {
  if (share == 0 || !rows.empty()) return;
  say(stderr, fmt::format("gradus: note: `{}` is {} of {} rows, which is no row\n", part, share, data.source_rows));
}

nlohmann::json metrics_of(const runtime::History& history, const runtime::HistoryRecord& record) {
  nlohmann::json out = nlohmann::json::object();
  for (size_t i = 0; i < record.metrics.size(); ++i) out[history.metrics[i]] = record.metrics[i];
  return out;
}

}  // namespace

void tell_plan(const Session& session, ModelRunner& runner, const BoundData& data, const runtime::TrainPlan& plan, bool json) {
  tell_empty_part(data, "validation", data.validation_share, data.split.validation);
  tell_empty_part(data, "test", data.test_share, data.split.test);
  if (json) return;
  int64_t parameters = 0, optimizer = 0;
  for (const lang::Variable& variable : session.model.variables) {
    int64_t bytes = byte_size(variable.type, 1);
    if (variable.of_optimizer) optimizer += bytes;
    else if (!variable.is_state) parameters += element_count(variable.type.shape, 1);
  }
  say(stdout, fmt::format("{}: {} parameters, arena {}, optimizer state {}, data {}, {}FLOP a step; {} rows to train, {} to validate, {} to test{}\n",
             session.model.name, parameters,
             bytes_text(static_cast<int64_t>(runner.runner(pipeline::Function::Train).arena_bytes())), bytes_text(optimizer),
             bytes_text(data_bytes(data, plan)), count_text(flop_per_step(runner)), plan.train_rows.size(),
             plan.validation_rows.size(), data.split.test.size(), held_out_text(data)));
  if (plan.monitored_metric >= 0 && plan.validation_rows.empty()) {
    say(stdout, fmt::format("early stopping watches `{}` over the training part\n", session.model.train_block.early_stopping->monitor));
  }
}

const char* end_text(runtime::TrainEnd end) {
  switch (end) {
    case runtime::TrainEnd::Finished: return "finished";
    case runtime::TrainEnd::StoppedEarly: return "stopped early";
    case runtime::TrainEnd::Paused: return "paused";
    case runtime::TrainEnd::Interrupted: return "interrupted";
    case runtime::TrainEnd::Diverged: return "diverged";
  }
  return "";
}

/// Items that each thread has done: where one has none, the others did its work.
std::string shares_text(const runtime::ThreadPool& pool) {
  if (pool.workers() == 1) return "";
  int64_t sum = 0;
  for (int32_t worker = 0; worker < pool.workers(); ++worker) sum += pool.items_done(worker);
  std::string text;
  if (sum == 0) text = " no loop of this model is large enough to be shared";
  for (int32_t worker = 0; worker < pool.workers() && sum > 0; ++worker) {
    text += fmt::format(" {:.1f}%", 100.0 * static_cast<double>(pool.items_done(worker)) / static_cast<double>(sum));
  }
  return fmt::format("shares of {} threads:{}\n", pool.workers(), text);
}

std::string outcome_json(const runtime::TrainOutcome& outcome, const runtime::TrainingState& state, const runtime::TrainPlan& plan,
                         bool best, const std::string& weights, const std::string& history, const std::string& plot) {
  nlohmann::json out = {{"end", end_text(outcome.end)}, {"step", state.step}, {"weights", weights},
                        {"history", history}, {"plot", plot}, {"best_step", best ? state.best_step : -1}};
  if (!state.history.records.empty()) {
    const runtime::HistoryRecord& last = state.history.records.back();
    out["loss"] = last.loss;
    if (last.validation_loss) out["validation_loss"] = *last.validation_loss;
    out["metrics"] = metrics_of(state.history, last);
    out["metrics_of"] = plan.validation_rows.empty() ? "train" : "validation";
  }
  if (best) out["best"] = state.stopping.best;
  for (const runtime::HistoryRecord& record : state.history.records) {
    if (best && record.step == state.best_step) out["best_metrics"] = metrics_of(state.history, record);
  }
  return json_text(out);
}

}  // namespace gradus::driver
