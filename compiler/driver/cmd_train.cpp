// gradus train: compiles the model, trains it, and leaves weights, checkpoint, history and a plot.
#include <csignal>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "driver/commands.h"
#include "driver/json_text.h"
#include "driver/load_weights.h"
#include "driver/model_runner.h"
#include "driver/weights.h"
#include "runtime/file_error.h"
#include "runtime/print.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/progress.h"

namespace gradus::driver {

namespace {

using pipeline::Function;

volatile std::sig_atomic_t g_signal = 0;

extern "C" void note_signal(int signal) { g_signal = signal; }

/// Where the run's files go: beside the weights.
struct OutputPaths {
  std::string weights, checkpoint, history, plot;

  explicit OutputPaths(const Options& options, const lang::Model& model) {
    weights = options.out.empty() ? model.name + ".safetensors" : options.out;
    std::filesystem::path stem = std::filesystem::path(weights).replace_extension();
    checkpoint = stem.string() + ".checkpoint";
    history = stem.string() + ".history.csv";
    plot = stem.string() + ".svg";
  }
};

class Trainer {
 public:
  Trainer(const Options& options, Session& session)
      : options_(options),
        session_(session),
        block_(session.model.train_block),
        paths_(options, session.model),
        seed_(static_cast<uint64_t>(options.seed.value_or(static_cast<int64_t>(block_.seed)))),
        runner_(session, {Function::Init, Function::Train, Function::Evaluate},
                pipeline::capacity_of(session.model, options.batch),
                static_cast<int32_t>(options.threads.value_or(1))) {}

  int run() {
    std::signal(SIGINT, note_signal);
    std::signal(SIGTERM, note_signal);
    std::optional<SavedData> saved = open_checkpoint();
    data_ = bind_data(session_, options_, needed_inputs(), seed_, saved ? &*saved : nullptr, false);
    runner_.set_data(data_);
    metadata_ = weights_metadata(session_.model, data_, seed_, runner_.capacity());
    make_plan();
    runner_.initialise(seed_);
    start_from_files();
    check_writable();
    describe();
    return train();
  }

 private:
  std::vector<std::string> needed_inputs() {
    std::vector<std::string> names = inputs_of(runner_.compiled(), Function::Train);
    for (const std::string& name : inputs_of(runner_.compiled(), Function::Evaluate)) names.push_back(name);
    return names;
  }

  /// With --resume: the checkpoint, and the seed, split and fitted constants of the run that goes on.
  std::optional<SavedData> open_checkpoint() {
    if (!options_.resume) return std::nullopt;
    checkpoint_ = open_weights(session_, paths_.checkpoint);
    SavedData saved = saved_data(session_, *checkpoint_, paths_.checkpoint);
    saved.same_run = true;
    if (options_.seed && seed_ != saved.seed) {
      throw CommandError(kBadFlags, fmt::format("--seed is {}, the run to go on with has {}", *options_.seed, saved.seed));
    }
    seed_ = saved.seed;
    check_batch(saved);
    return saved;
  }

  /// A checkpoint counts steps: with another batch an epoch would begin again or leave rows out where the run goes on.
  void check_batch(const SavedData& saved) {
    if (!session_.model.has_batch || saved.batch == 0 || saved.batch == runner_.capacity()) return;
    throw CommandError(options_.batch ? kBadFlags : kBadFile,
                       fmt::format("{} is {}, the run to go on with has {}, by which it counts where in its epoch it stands",
                                   options_.batch ? "--batch" : "`batch` of the train block", runner_.capacity(), saved.batch));
  }

  void make_plan() {
    plan_.train_rows = data_.split.train;
    plan_.validation_rows = data_.split.validation.list();
    if (plan_.train_rows.empty()) throw CommandError(kBadFile, "the training part has no rows");
    plan_.batch = session_.model.has_batch ? runner_.capacity() : static_cast<int64_t>(plan_.train_rows.size());
    int64_t per_epoch = plan_.steps_per_epoch();
    bool by_epochs = options_.epochs || (!options_.steps && block_.epochs > 0);
    int64_t steps = options_.steps.value_or(block_.steps);
    int64_t epochs = options_.epochs.value_or(block_.epochs > 0 ? block_.epochs : 10);
    plan_.steps = by_epochs || steps == 0 ? epochs * per_epoch : steps;
    int64_t every = by_epochs || steps == 0 ? per_epoch : std::min(per_epoch, std::max<int64_t>(1, steps / 10));
    plan_.validate_every = options_.validate_every.value_or(block_.validate_every > 0 ? block_.validate_every : every);
    plan_.stop_after = options_.stop_after.value_or(0);
    plan_.seed = seed_;
    plan_.shuffle = session_.model.data.shuffle;
    plan_.restore_best = block_.restore_best_weights.value_or(true);
    plan_stopping();
  }

  void plan_stopping() {
    if (!block_.early_stopping) return;
    const lang::EarlyStopping& rule = *block_.early_stopping;
    plan_.stops_early = true;
    plan_.stopping = {rule.patience, rule.min_delta, rule.maximize};
    const std::vector<std::string>& metrics = session_.model.metrics;
    auto found = std::find(metrics.begin(), metrics.end(), rule.monitor);
    if (found != metrics.end()) plan_.monitored_metric = static_cast<int>(found - metrics.begin());
  }

  void start_from_files() {
    if (!options_.init.empty()) load_first_weights();
    if (!checkpoint_) return;
    const runtime::SafetensorsFile& file = *checkpoint_;
    auto hash = file.metadata().find("gradus.graph");
    if (hash == file.metadata().end() || hash->second != metadata_.at("gradus.graph")) {
      load_weights(session_, file, paths_.checkpoint, runner_.store());
    }
    try {
      state_ = runtime::read_checkpoint(file, runner_.variables());
    } catch (const runtime::FileError& error) {
      session_.diags.error(Diag::BadWeights, {}, fmt::format("{}: {}", paths_.checkpoint, error.what()));
      session_.stop_on_errors();
    }
    // More steps or more patience than the run had: it goes on.
    bool stopped = plan_.stops_early && runtime::patience_is_over(plan_.stopping, state_.stopping);
    if (state_.step < plan_.steps && !stopped) state_.finished = false;
    checkpoint_.reset();
  }

  void load_first_weights() {
    std::vector<std::string> not_loaded = load_weights(session_, open_weights(session_, options_.init), options_.init,
                                                       runner_.store(), {options_.rename, options_.partial});
    if (not_loaded.empty() || options_.json) return;
    print_out("not in {}, so begun anew: {}\n", options_.init, fmt::join(not_loaded, ", "));
  }

  /// A run of an hour does not end with an unwritable folder.
  void check_writable() {
    std::filesystem::path folder = std::filesystem::path(paths_.weights).parent_path();
    std::error_code error;
    if (!folder.empty() && !std::filesystem::is_directory(folder, error)) {
      unwritable(paths_.weights, fmt::format("no folder `{}`", folder.string()));
    }
    for (const std::string& path : {paths_.weights, paths_.checkpoint, paths_.history, paths_.plot}) {
      if (std::filesystem::is_directory(path, error)) unwritable(path, "a folder has this name");
    }
    bytes_of(paths_.weights, [&] { return runtime::write_safetensors({}, metadata_); });
  }

  void unwritable(const std::string& path, const std::string& why) {
    session_.diags.error(Diag::UnwritableFile, {}, fmt::format("cannot write `{}`: {}", path, why));
    session_.stop_on_errors();
  }

  /// What `make` returns; a message where the file's format does not hold it.
  template <class Make>
  std::string bytes_of(const std::string& path, const Make& make) {
    try {
      return make();
    } catch (const runtime::FileError& error) {
      unwritable(path, error.what());
      throw;
    }
  }

  double flop_per_step() const {
    const plan::Program& program = runner_.compiled().get(Function::Train).program;
    double flop = 0;
    for (const plan::Launch& launch : program.launches) {
      flop += program.kernels[launch.kernel].cost.flop();
    }
    return flop;
  }

  /// The rows in memory and the order in which an epoch takes them.
  int64_t data_bytes() const {
    return data_.dataset.bytes() + (plan_.shuffle ? runtime::Order::bytes(plan_.train_rows.size()) : 0);
  }

  /// Fewer than the part of the series would say.
  const char* held_out_text() const {
    bool held_out = !data_.split.validation.empty() || !data_.split.test.empty();
    return data_.windows && held_out ? " (held-out windows do not overlap)" : "";
  }

  void describe() {
    if (options_.json) return;
    int64_t parameters = 0, optimizer = 0;
    for (const lang::Variable& variable : session_.model.variables) {
      int64_t bytes = byte_size(variable.type, 1);
      if (variable.of_optimizer) optimizer += bytes;
      else if (!variable.is_state) parameters += element_count(variable.type.shape, 1);
    }
    print_out("{}: {} parameters, arena {}, optimizer state {}, data {}, {}FLOP a step; {} rows to train, {} to validate, {} to test{}\n",
               session_.model.name, parameters,
               bytes_text(static_cast<int64_t>(runner_.runner(Function::Train).arena_bytes())), bytes_text(optimizer),
               bytes_text(data_bytes()), count_text(flop_per_step()), plan_.train_rows.size(),
               plan_.validation_rows.size(), data_.split.test.size(), held_out_text());
    std::fflush(stdout);
  }

  void save_checkpoint(const runtime::TrainingState& state) {
    write_output(session_, paths_.checkpoint, bytes_of(paths_.checkpoint, [&] {
      return runtime::write_checkpoint(state, runner_.variables(), metadata_);
    }));
  }

  int train() {
    runtime::Progress progress(stdout, plan_, state_);
    runtime::TrainObserver observer;
    auto saved = std::chrono::steady_clock::now();
    if (!options_.json) {
      observer.step = [&](const auto& state, const auto& position, double loss, int64_t rows) {
        progress.step(state, position, loss, rows);
      };
      observer.record = [&](const auto& state, const auto& record, bool best) { progress.record(state, record, best); };
    }
    observer.checkpoint = [&](const runtime::TrainingState& state) {
      auto now = std::chrono::steady_clock::now();
      if (now - saved < std::chrono::seconds(20)) return;
      saved = now;
      save_checkpoint(state);
    };
    runtime::TrainOutcome outcome = runtime::train(plan_, runner_, state_, g_signal, observer);
    if (!options_.json) progress.finish();
    return finish(outcome);
  }

  int finish(const runtime::TrainOutcome& outcome) {
    if (outcome.end != runtime::TrainEnd::Diverged) save_checkpoint(state_);
    bool best = runtime::restore_best_weights(plan_, runner_, state_);
    bool keep = outcome.end != runtime::TrainEnd::Diverged || best;
    if (keep) {
      write_output(session_, paths_.weights,
                   bytes_of(paths_.weights, [&] { return weights_bytes(session_.model, runner_.variables(), metadata_); }));
    }
    if (!state_.history.records.empty()) {
      write_output(session_, paths_.history, runtime::history_csv(state_.history));
      write_output(session_, paths_.plot, runtime::history_svg(state_.history, session_.model.name, best ? state_.best_step : -1));
    }
    if (options_.json) print_json(outcome, best);
    else print_end(outcome, best, keep);
    switch (outcome.end) {
      case runtime::TrainEnd::Diverged: return kDiverged;
      case runtime::TrainEnd::Interrupted: return 128 + static_cast<int>(g_signal);
      case runtime::TrainEnd::Finished:
      case runtime::TrainEnd::StoppedEarly:
      case runtime::TrainEnd::Paused: return kDone;
    }
    return kDone;
  }

  static const char* end_text(runtime::TrainEnd end) {
    switch (end) {
      case runtime::TrainEnd::Finished: return "finished";
      case runtime::TrainEnd::StoppedEarly: return "stopped early";
      case runtime::TrainEnd::Paused: return "paused";
      case runtime::TrainEnd::Interrupted: return "interrupted";
      case runtime::TrainEnd::Diverged: return "diverged";
    }
    return "";
  }

  void print_end(const runtime::TrainOutcome& outcome, bool best, bool keep) {
    print_out("{} at step {} of {}{}\n", end_text(outcome.end), state_.step, plan_.steps,
               best ? fmt::format("; weights are those of step {}, monitored value {:.6g}", state_.best_step, state_.stopping.best) : "");
    if (outcome.end == runtime::TrainEnd::Diverged) {
      print_error("gradus: error: the loss of step {} is not finite\n", outcome.diverged_at);
    }
    print_shares();
    if (keep) print_out("weights  {}\n", paths_.weights);
    if (!state_.history.records.empty()) print_out("history  {}\nplot     {}\n", paths_.history, paths_.plot);
  }

  /// Items that each thread has done: where one has none, the others did its work.
  void print_shares() {
    const runtime::ThreadPool& pool = runner_.pool();
    if (pool.workers() == 1) return;
    int64_t sum = 0;
    for (int32_t worker = 0; worker < pool.workers(); ++worker) sum += pool.items_done(worker);
    std::string text;
    if (sum == 0) text = " no loop of this model is large enough to be shared";
    for (int32_t worker = 0; worker < pool.workers() && sum > 0; ++worker) {
      text += fmt::format(" {:.1f}%", 100.0 * static_cast<double>(pool.items_done(worker)) / static_cast<double>(sum));
    }
    print_out("shares of {} threads:{}\n", pool.workers(), text);
  }

  void print_json(const runtime::TrainOutcome& outcome, bool best) {
    nlohmann::json out = {{"end", end_text(outcome.end)}, {"step", state_.step}, {"weights", paths_.weights},
                          {"history", paths_.history}, {"plot", paths_.plot}, {"best_step", best ? state_.best_step : -1}};
    if (!state_.history.records.empty()) {
      const runtime::HistoryRecord& last = state_.history.records.back();
      out["loss"] = last.loss;
      if (last.validation_loss) out["validation_loss"] = *last.validation_loss;
      if (best) out["best"] = state_.stopping.best;
    }
    print_out("{}\n", json_text(out));
  }

  const Options& options_;
  Session& session_;
  const lang::TrainBlock& block_;
  OutputPaths paths_;
  uint64_t seed_;
  ModelRunner runner_;
  std::optional<runtime::SafetensorsFile> checkpoint_;
  BoundData data_;
  std::map<std::string, std::string> metadata_;
  runtime::TrainPlan plan_;
  runtime::TrainingState state_;
};

}  // namespace

int run_train(const Options& options) {
  if (!options.out.empty() && !options.out.ends_with(".safetensors")) {
    // The other files of the run have names made of this one; none may be the same.
    throw CommandError(kBadFlags, fmt::format("-o is `{}`, expected a name that ends in .safetensors", options.out));
  }
  if (options.resume && !options.init.empty()) {
    throw CommandError(kBadFlags, "--init and --resume exclude each other: a run goes on with its own weights");
  }
  if (options.init.empty() && (options.partial || !options.rename.empty())) {
    throw CommandError(kBadFlags, fmt::format("{} expects --init WEIGHTS", options.partial ? "--partial" : "--rename"));
  }
  auto session = open_session(options);
  if (!session->model.has_loss) {
    throw CommandError(kBadFile, fmt::format("`{}` has no loss, so there is nothing to train", options.input));
  }
  return Trainer(options, *session).run();
}

}  // namespace gradus::driver
