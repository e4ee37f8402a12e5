// gradus train: compiles the model, trains it, and leaves weights, checkpoint, history and a plot.
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "driver/commands.h"
#include "driver/json_text.h"
#include "driver/load_weights.h"
#include "driver/model_runner.h"
#include "driver/replay.h"
#include "driver/run_record.h"
#include "driver/tell_not_finite.h"
#include "driver/train_report.h"
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

/// The run stops after its step and saves: also where its terminal closes, or whoever read its output goes away. What
/// nohup ignores stays ignored.
void catch_signals() {
  for (int signal : {SIGINT, SIGTERM, SIGPIPE, SIGHUP}) {
    bool ignored = std::signal(signal, note_signal) == SIG_IGN;
    if (ignored && signal == SIGHUP) std::signal(signal, SIG_IGN);
  }
}

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
                static_cast<int32_t>(options.threads.value_or(1)), promised(session.model)) {}

  int run() {
    catch_signals();
    std::optional<SavedData> saved = open_checkpoint();
    data_ = bind_data(session_, options_, needed_inputs(), seed_, saved ? &*saved : nullptr, false);
    runner_.set_data(data_);
    metadata_ = weights_metadata(session_.model, data_, seed_, runner_.capacity());
    make_plan();
    record_ = describe_run(session_, options_, plan_, runner_.compiled().get(Function::Train).ordered);
    runner_.initialise(seed_);
    start_from_files();
    check_writable();
    tell_plan(session_, runner_, data_, plan_, options_.json);
    return train();
  }

 private:
  /// A model that trains for a day can then predict.
  static std::vector<Function> promised(const lang::Model& model) {
    return model.outputs.empty() ? std::vector<Function>() : std::vector<Function>{Function::Predict};
  }

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
    if (!options_.init.empty()) tell_not_loaded(load_first_weights());
    if (!checkpoint_) return;
    RunChanges changes = changes_since(*checkpoint_);
    state_ = read_state(*checkpoint_);
    check_steps();
    follow_anew(changes);
    // More steps or more patience than the run had: it goes on.
    bool stopped = plan_.stops_early && runtime::patience_is_over(plan_.stopping, state_.stopping);
    if (state_.step < plan_.steps && !stopped) state_.finished = false;
    checkpoint_.reset();
  }

  /// What is not as it was when the run began; an error unless --accept-changes asks for it.
  RunChanges changes_since(const runtime::SafetensorsFile& file) {
    std::optional<RunRecord> was = read_record(file.metadata());
    RunChanges changes = was ? changes_between(*was, record_) : RunChanges();
    if (changes.lines.empty() || options_.accept_changes) {
      auto hash = file.metadata().find("gradus.graph");
      bool same = hash != file.metadata().end() && hash->second == metadata_.at("gradus.graph");
      if (!same) load_weights(session_, file, paths_.checkpoint, runner_.store());
      return changes;
    }
    auto message = session_.diags.error(
        Diag::OtherRun, {},
        fmt::format("{} is of a run that was begun otherwise; go on with --accept-changes, or begin anew", paths_.checkpoint));
    for (const std::string& change : changes.lines) message.note({}, change);
    session_.stop_on_errors();
    return changes;
  }

  runtime::TrainingState read_state(const runtime::SafetensorsFile& file) {
    auto others = options_.accept_changes ? runtime::OtherStates::BeginAnew : runtime::OtherStates::Refuse;
    try {
      return runtime::read_checkpoint(file, runner_.variables(), others);
    } catch (const runtime::FileError& error) {
      session_.diags.error(Diag::BadWeights, {}, fmt::format("{}: {}", paths_.checkpoint, error.what()));
      session_.stop_on_errors();
      throw;
    }
  }

  /// A run cannot end before where it stands.
  void check_steps() {
    if (plan_.steps >= state_.step) return;
    const bool flag = options_.steps || options_.epochs;
    const std::string what = options_.steps    ? fmt::format("--steps is {}", plan_.steps)
                             : options_.epochs ? fmt::format("--epochs is {}, {} steps in all", *options_.epochs, plan_.steps)
                                               : fmt::format("the train block says {} steps in all", plan_.steps);
    throw CommandError(flag ? kBadFlags : kBadFile, fmt::format("{}, the run to go on with has done {}", what, state_.step));
  }

  /// A best value is compared with no value of another monitor or loss: the next is the best of its kind.
  void follow_anew(const RunChanges& changes) {
    if (!changes.lines.empty() && !options_.json) {
      say(stdout, fmt::format("going on with changes: {}\n", fmt::join(changes.lines, "; ")));
    }
    if (!changes.measures_otherwise) return;
    state_.stopping = {};
    state_.best.clear();
    state_.best_step = -1;
  }

  std::vector<std::string> load_first_weights() {
    return load_weights(session_, open_weights(session_, options_.init), options_.init, runner_.store(),
                        {options_.rename, options_.partial});
  }

  void tell_not_loaded(const std::vector<std::string>& paths) {
    if (paths.empty() || options_.json) return;
    say(stdout, fmt::format("not in {}, so begun anew: {}\n", options_.init, fmt::join(paths, ", ")));
  }

  /// A run of an hour does not end with an unwritable folder, nor with its data under its history.
  void check_writable() {
    std::filesystem::path folder = std::filesystem::path(paths_.weights).parent_path();
    std::error_code error;
    if (!folder.empty() && !std::filesystem::is_directory(folder, error)) {
      unwritable(paths_.weights, fmt::format("no folder `{}`", folder.string()));
    }
    for (const std::string& path : {paths_.weights, paths_.checkpoint, paths_.history, paths_.plot}) check_output(session_, path);
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

  std::string checkpoint_bytes(const runtime::TrainingState& state) {
    std::map<std::string, std::string> metadata = metadata_;
    metadata[kRunKey] = to_text(record_);
    return runtime::write_checkpoint(state, runner_.variables(), std::move(metadata));
  }

  /// A run outlives a disk that is full for a while: what cannot be saved now is saved at the end.
  void save_on_the_way(const runtime::TrainingState& state, runtime::Progress& progress) {
    std::optional<std::string> problem;
    try {
      problem = try_to_write(session_, paths_.checkpoint, checkpoint_bytes(state));
    } catch (const runtime::FileError& error) {
      problem = fmt::format("cannot write `{}`: {}", paths_.checkpoint, error.what());
    }
    if (!problem) kept_ = Clock::now(), has_saved_ = true;
    else if (*problem != told_) progress.finish(), say(stderr, fmt::format("gradus: warning: {}; training goes on\n", *problem));
    told_ = problem.value_or("");
  }

  int train() {
    runtime::Progress progress(stdout, plan_, state_);
    runtime::TrainObserver observer;
    if (!options_.json) {
      observer.step = [&](const auto& state, const auto& position, double loss, int64_t rows) {
        progress.step(state, position, loss, rows);
      };
      observer.record = [&](const auto& state, const auto& record, bool best) { progress.record(state, record, best); };
    }
    Clock::time_point tried = kept_ = Clock::now();
    const std::chrono::seconds every(options_.save_every.value_or(kSaveEvery));
    observer.checkpoint_is_due = [&] { return Clock::now() - tried >= every; };
    observer.checkpoint = [&](const runtime::TrainingState& state) {
      save_on_the_way(state, progress);
      tried = Clock::now();
    };
    runtime::TrainOutcome outcome = runtime::train(plan_, runner_, state_, g_signal, observer);
    if (!options_.json) progress.finish();
    return finish(outcome);
  }

  /// Each file is written though another cannot be, the weights first: they are what the run was for.
  int finish(const runtime::TrainOutcome& outcome) {
    const bool diverged = outcome.end == runtime::TrainEnd::Diverged;
    std::string checkpoint;
    if (!diverged) checkpoint = bytes_of(paths_.checkpoint, [&] { return checkpoint_bytes(state_); });
    const bool best = runtime::restore_best_weights(plan_, runner_, state_);
    const bool keep = best || (!diverged && state_.step > 0);
    std::vector<std::string> written;
    if (keep) {
      std::string weights = bytes_of(paths_.weights, [&] { return weights_bytes(session_.model, runner_.variables(), metadata_); });
      write(paths_.weights, weights, "weights", written);
    }
    if (!diverged) write(paths_.checkpoint, checkpoint, "", written);
    if (!state_.history.records.empty()) {
      write(paths_.history, runtime::history_csv(state_.history), "history", written);
      write(paths_.plot, runtime::history_svg(state_.history, session_.model.name, best ? state_.best_step : -1), "plot", written);
    }
    if (options_.json) say(stdout, outcome_json(outcome, state_, plan_, best, paths_.weights, paths_.history, paths_.plot) + "\n");
    else print_end(outcome, best, written);
    if (diverged) tell_culprit(outcome);
    session_.stop_on_errors(diverged ? kDiverged : kBadFile);
    return outcome.end == runtime::TrainEnd::Interrupted ? 128 + static_cast<int>(g_signal) : kDone;
  }

  /// `word` is what the file is called at the end, with its path; without one it is not told.
  void write(const std::string& path, std::string_view bytes, const char* word, std::vector<std::string>& written) {
    std::optional<std::string> problem = try_to_write(session_, path, bytes);
    if (problem) session_.diags.error(Diag::UnwritableFile, {}, *problem);
    else if (*word != 0) written.push_back(fmt::format("{:8} {}\n", word, path));
  }

  /// What was not finite, and the first value that was not: the run goes again from where its state was last kept.
  void tell_culprit(const runtime::TrainOutcome& outcome) {
    std::optional<pipeline::NotFiniteValue> first;
    std::string what;
    switch (outcome.culprit) {
      case runtime::Culprit::None: return;
      case runtime::Culprit::Loss: what = fmt::format("the loss of step {} is not finite", outcome.diverged_at); break;
      case runtime::Culprit::Variable:
        what = fmt::format("`{}` is not finite after step {}: its element {} is {}", outcome.variable.path, outcome.diverged_at,
                           outcome.variable.element, std::isnan(outcome.variable.value) ? "NaN" : "infinite");
        break;
      case runtime::Culprit::ValidationLoss:
        what = fmt::format("the loss of the {} part is not finite after step {}",
                           plan_.validation_rows.empty() ? "training" : "validation", outcome.diverged_at);
        first = runner_.evaluation_problem();
        break;
    }
    if (outcome.culprit != runtime::Culprit::ValidationLoss) first = find_again(outcome.diverged_at);
    tell_not_finite(session_, what, first);
  }

  std::optional<pipeline::NotFiniteValue> find_again(int64_t step) {
    // No longer than a run that saves as it should: a checkpoint may have failed long ago.
    if (Clock::now() - kept_ > std::chrono::seconds(3 * kSaveEvery)) return std::nullopt;
    runtime::TrainingState state;
    runner_.initialise(seed_);
    if (options_.resume || has_saved_) state = read_state(open_weights(session_, paths_.checkpoint));
    else if (!options_.init.empty()) load_first_weights();
    return find_in_last_step(runner_, plan_, std::move(state), step);
  }

  void print_end(const runtime::TrainOutcome& outcome, bool best, const std::vector<std::string>& written) {
    say(stdout, fmt::format("{} at step {} of {}{}\n", end_text(outcome.end), state_.step, plan_.steps,
                            best ? fmt::format("; weights are those of step {}, monitored value {:.6g}", state_.best_step,
                                               state_.stopping.best)
                                 : ""));
    say(stdout, shares_text(runner_.pool()) + fmt::format("{}", fmt::join(written, "")));
  }

  using Clock = std::chrono::steady_clock;
  static constexpr int64_t kSaveEvery = 20;  // seconds

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
  RunRecord record_;
  Clock::time_point kept_;   // when the state was last where `find_again` begins
  bool has_saved_ = false;   // a checkpoint of this run
  std::string told_;         // the problem of the last checkpoint
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
  if (options.accept_changes && !options.resume) throw CommandError(kBadFlags, "--accept-changes expects --resume");
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
