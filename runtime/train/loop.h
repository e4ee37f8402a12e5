// The training loop: epochs in a seeded order, validation, early stopping, best weights,
// checkpoints.
//
// Where there is no validation part, metrics are those of the training part: of all its rows, or of
// as many, evenly spread over it, as are trained on between two records. Where nothing watches them
// a long run computes them at some of its records.
//
// A loss or a variable that is not finite ends the run before anything of it is kept: variables are
// looked through at each record, before a checkpoint, and wherever the loop ends.
//
// Everything that a later step depends on is a function of the step's number or stands in
// TrainingState, so a resumed run gives the bits of one that was never stopped.
#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/data/rows.h"
#include "runtime/train/early_stopping.h"
#include "runtime/train/finite.h"
#include "runtime/train/history.h"
#include "runtime/train/step.h"

namespace gradus::runtime {

struct TrainPlan {
  Rows train_rows;
  std::vector<int64_t> validation_rows;
  int64_t batch = 32;
  int64_t steps = 0;           // planned in all
  int64_t validate_every = 0;  // steps; 0: an epoch
  int64_t stop_after = 0;      // steps of this run, 0: no limit
  uint64_t seed = 0;
  bool shuffle = true;
  bool restore_best = true;  // where there is a validation part
  bool stops_early = false;
  EarlyStoppingRule stopping;
  int monitored_metric = -1;  // index of a metric; -1: the validation (else training) loss

  int64_t steps_per_epoch() const {
    return (static_cast<int64_t>(train_rows.size()) + batch - 1) / batch;
  }
};

/// All that a checkpoint holds beside the variables.
struct TrainingState {
  int64_t step = 0;     // steps done
  double loss_sum = 0;  // over the rows since the last record, each loss times its rows
  int64_t loss_rows = 0;
  EarlyStoppingState stopping;
  int64_t best_step = -1;
  std::vector<std::vector<std::byte>>
      best;  // weights of the best validation, in the order of variables
  History history;
  bool finished = false;  // stopped early or at the last step: nothing to resume
};

enum class TrainEnd { Finished, StoppedEarly, Paused, Interrupted, Diverged };

/// Called by the loop; all may be empty.
struct TrainObserver {
  std::function<void(const TrainingState&, const StepPosition&, double loss, int64_t rows)> step;
  std::function<void(const TrainingState&, const HistoryRecord&, bool best)> record;
  std::function<bool()> checkpoint_is_due;  // asked after every step but the last; with `checkpoint`
  std::function<void(const TrainingState&)> checkpoint;  // then called, with finite variables
};

/// What was not finite, where the end is Diverged.
enum class Culprit { None, Loss, Variable, ValidationLoss };

struct TrainOutcome {
  TrainEnd end = TrainEnd::Finished;
  Culprit culprit = Culprit::None;
  int64_t diverged_at = 0;  // the step that made it
  NotFinite variable = {};  // where the culprit is one
};

/// `interrupted` becomes non-zero by a signal handler; it is looked at after every step.
TrainOutcome train(const TrainPlan& plan, Stepper& stepper, TrainingState& state,
                   const volatile std::sig_atomic_t& interrupted, const TrainObserver& observer);

/// Puts the best weights in place of the last where there are any and the plan says so; true if it
/// did.
bool restore_best_weights(const TrainPlan& plan, Stepper& stepper, const TrainingState& state);

}  // namespace gradus::runtime
