// The training loop on a model whose numbers tell every difference in rows, order and position.
#include "runtime/train/loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "runtime/fake_stepper.h"

namespace gradus::runtime {
namespace {

using Rows = std::vector<int64_t>;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
const volatile std::sig_atomic_t kNever = 0;

TrainOutcome run(const TrainPlan& plan, FakeStepper& model, TrainingState& state,
                 const TrainObserver& observer = {}) {
  return train(plan, model, state, kNever, observer);
}

/// The validation losses that stand in `values`, one after the other.
std::function<double(size_t)> listed(std::vector<double> values) {
  return [values](size_t count) { return values.at(count - 1); };
}

TrainPlan stopping_plan(int64_t patience) {
  TrainPlan plan = small_plan();
  plan.validate_every = 1;
  plan.stops_early = true;
  plan.stopping.patience = patience;
  return plan;
}

TEST(Loop, VisitsEachRowOnceAnEpochAndKeepsThePartialBatch) {
  TrainPlan plan = small_plan();
  FakeStepper model;
  TrainingState state;
  EXPECT_EQ(run(plan, model, state).end, TrainEnd::Finished);
  ASSERT_EQ(model.batches.size(), 13u);
  std::set<Rows> orders;
  for (size_t epoch = 0; epoch < 4; ++epoch) {
    Rows order;
    for (size_t turn = 0; turn < 3; ++turn) {
      const Rows& batch = model.batches[epoch * 3 + turn];
      EXPECT_EQ(batch.size(), turn == 2 ? 2u : 4u);
      order.insert(order.end(), batch.begin(), batch.end());
    }
    orders.insert(order);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, plan.train_rows);
  }
  EXPECT_EQ(orders.size(), 4u) << "two epochs in the same order";
  EXPECT_EQ(model.batches[12].size(), 4u);
}

TEST(Loop, GoesInOrderWithoutShuffle) {
  TrainPlan plan = small_plan();
  plan.shuffle = false;
  FakeStepper model;
  TrainingState state;
  run(plan, model, state);
  EXPECT_EQ(model.batches[0], (Rows{3, 4, 5, 6}));
  EXPECT_EQ(model.batches[2], (Rows{11, 12}));
  EXPECT_EQ(model.batches[3], (Rows{3, 4, 5, 6}));
}

TEST(Loop, CountsStepsAndEpochsFromOne) {
  FakeStepper model;
  TrainingState state;
  run(small_plan(), model, state);
  for (size_t i = 0; i < model.positions.size(); ++i) {
    EXPECT_EQ(model.positions[i].step, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(model.positions[i].epoch, static_cast<int64_t>(i) / 3 + 1);
    EXPECT_EQ(model.positions[i].steps, 13);
  }
}

TEST(Loop, RecordsEachEpochAndTheLastStep) {
  FakeStepper model;
  TrainingState state;
  model.loss = [](const StepPosition& at) { return static_cast<double>(at.step); };
  run(small_plan(), model, state);
  ASSERT_EQ(state.history.records.size(), 5u);
  // Losses weigh as many rows as their batch has: (1*4 + 2*4 + 3*2) / 10.
  EXPECT_EQ(state.history.records[0].loss, 1.8);
  EXPECT_EQ(state.history.records[0].step, 3);
  EXPECT_EQ(state.history.records[0].epoch, 1);
  EXPECT_EQ(state.history.records[4].loss, 13);
  EXPECT_EQ(state.history.records[4].step, 13);
  EXPECT_EQ(state.history.records[4].epoch, 5);
  EXPECT_EQ(state.history.metrics, (std::vector<std::string>{"half", "minus"}));
  EXPECT_EQ(state.history.records[1].metrics.size(), 2u);
  for (const Rows& rows : model.evaluated) EXPECT_EQ(rows, (Rows{0, 1, 2}));
  EXPECT_TRUE(state.finished);
}

TEST(Loop, ValidatesAsOftenAsTold) {
  TrainPlan plan = small_plan();
  plan.validate_every = 5;
  FakeStepper model;
  TrainingState state;
  run(plan, model, state);
  std::vector<int64_t> steps;
  for (const HistoryRecord& record : state.history.records) steps.push_back(record.step);
  EXPECT_EQ(steps, (std::vector<int64_t>{5, 10, 13}));
}

TEST(Loop, WithoutValidationFollowsTheTrainingLoss) {
  TrainPlan plan = small_plan();
  plan.validation_rows.clear();
  FakeStepper model;
  TrainingState state;
  model.loss = [](const StepPosition& at) { return std::abs(static_cast<double>(at.epoch) - 3); };
  run(plan, model, state);
  EXPECT_FALSE(state.history.records[0].validation_loss.has_value());
  EXPECT_EQ(state.best_step, 9);
  EXPECT_TRUE(state.best.empty());
  EXPECT_FALSE(restore_best_weights(plan, model, state));
}

TEST(Loop, WithoutValidationMetricsAreThoseOfTheTrainingPart) {
  TrainPlan plan = small_plan();
  plan.validation_rows.clear();
  FakeStepper model;
  TrainingState state;
  run(plan, model, state);
  ASSERT_EQ(model.evaluated.size(), 5u);
  for (const Rows& rows : model.evaluated) EXPECT_EQ(rows, plan.train_rows);
  for (const HistoryRecord& record : state.history.records) EXPECT_EQ(record.metrics.size(), 2u);
}

TEST(Loop, MetricsOfTheTrainingPartTakeNoMoreRowsThanAreTrainedOnBetweenRecords) {
  TrainPlan plan = small_plan();
  plan.validation_rows.clear();
  plan.validate_every = 1;  // of four rows: 0/4, 1/4, 2/4 and 3/4 through the ten
  FakeStepper model;
  TrainingState state;
  run(plan, model, state);
  ASSERT_EQ(model.evaluated.size(), 13u);
  EXPECT_EQ(model.evaluated[0], (Rows{3, 5, 8, 10}));
  EXPECT_EQ(model.evaluated[12], (Rows{3, 5, 8, 10}));
}

TEST(Loop, MetricsOfTheTrainingPartGrowRareInALongRun) {
  TrainPlan plan = small_plan();
  plan.validation_rows.clear();
  plan.validate_every = 1;
  plan.steps = 1250;
  for (bool watched : {false, true}) {
    plan.monitored_metric = watched ? 0 : -1;
    FakeStepper model;
    TrainingState state;
    run(plan, model, state);
    // 100, then 90 of 900, then 1000, 1100 and 1200 of 250, and the last.
    EXPECT_EQ(model.evaluated.size(), watched ? 1250u : 194u);
    EXPECT_EQ(state.history.records[101].metrics.empty(), !watched);
    EXPECT_FALSE(state.history.records[110].metrics.empty());
    EXPECT_FALSE(state.history.records.back().metrics.empty());
  }
}

TEST(Loop, WithoutValidationAMonitoredMetricIsMonitored) {
  TrainPlan plan = stopping_plan(3);
  plan.validation_rows.clear();
  plan.monitored_metric = 0;
  plan.stopping.maximize = true;
  FakeStepper model;
  TrainingState state;
  // The training loss falls, which a loss that is maximised would take for worse and worse.
  model.loss = [](const StepPosition& at) { return 100.0 / static_cast<double>(at.step); };
  model.validation = [](size_t count) { return static_cast<double>(count); };
  model.metric = [](size_t count) { return count <= 9 ? static_cast<double>(count) : 0; };
  EXPECT_EQ(run(plan, model, state).end, TrainEnd::StoppedEarly);
  EXPECT_EQ(state.step, 12);
  EXPECT_EQ(state.best_step, 9);
}

TEST(Loop, EndsAtVariablesThatAreNotFiniteThoughTheLossIs) {
  for (int64_t bad : {3, 8, 13}) {  // at a record, between two, at the last step
    FakeStepper model;
    TrainingState state;
    model.loss = [&](const StepPosition& at) {
      if (at.step == bad) model.weight[1] = static_cast<float>(kNaN);
      return 1.0;
    };
    TrainOutcome outcome = run(small_plan(), model, state);
    EXPECT_EQ(outcome.end, TrainEnd::Diverged);
    EXPECT_EQ(outcome.culprit, Culprit::Variable);
    EXPECT_EQ(outcome.diverged_at, bad == 8 ? 9 : bad);
    EXPECT_EQ(outcome.variable.path, "w");
    EXPECT_EQ(outcome.variable.element, 1);
    EXPECT_FALSE(state.finished);
  }
}

TEST(Loop, PausesAndSavesWithFiniteVariablesOnly) {
  for (bool pause : {true, false}) {
    TrainPlan plan = small_plan();
    plan.stop_after = pause ? 2 : 0;
    FakeStepper model;
    TrainingState state;
    TrainObserver observer;
    int saved = 0;
    observer.checkpoint_is_due = [&] { return !pause && state.step == 2; };
    observer.checkpoint = [&](const TrainingState&) { ++saved; };
    model.loss = [&](const StepPosition& at) {
      if (at.step == 2) model.weight[0] = HUGE_VALF;
      return 1.0;
    };
    EXPECT_EQ(run(plan, model, state, observer).culprit, Culprit::Variable);
    EXPECT_EQ(state.step, 2);
    EXPECT_EQ(saved, 0);
  }
}

TEST(Loop, InfinityFromTheStartIsLetThroughAndNaNIsNot) {
  FakeStepper model;
  model.frozen[0] = -HUGE_VALF;
  TrainingState state;
  EXPECT_EQ(run(small_plan(), model, state).end, TrainEnd::Finished);
  TrainingState again;
  model.loss = [&](const StepPosition& at) {
    if (at.step == 5) model.frozen[1] = static_cast<float>(kNaN);
    return 1.0;
  };
  EXPECT_EQ(run(small_plan(), model, again).variable.path, "z");
}

TEST(Loop, EndsAtAValidationLossThatIsNotFinite) {
  FakeStepper model;
  TrainingState state;
  model.validation = listed({1, 2, kNaN});
  TrainOutcome outcome = run(small_plan(), model, state);
  EXPECT_EQ(outcome.end, TrainEnd::Diverged);
  EXPECT_EQ(outcome.culprit, Culprit::ValidationLoss);
  EXPECT_EQ(outcome.diverged_at, 9);
  EXPECT_EQ(state.history.records.size(), 2u);
  EXPECT_EQ(state.best_step, 3);
}

TEST(Loop, StopsWhenPatienceIsOver) {
  FakeStepper model;
  TrainingState state;
  model.validation = listed({5, 4, 4.5, 4, 6});
  TrainOutcome outcome = run(stopping_plan(3), model, state);
  EXPECT_EQ(outcome.end, TrainEnd::StoppedEarly);
  EXPECT_EQ(state.step, 5);
  EXPECT_EQ(state.best_step, 2);
  EXPECT_TRUE(state.finished);
}

TEST(Loop, GoesOnWherePatienceIsNotAsked) {
  FakeStepper model;
  TrainingState state;
  TrainPlan plan = stopping_plan(1);
  plan.stops_early = false;
  model.validation = [](size_t) { return 1.0; };
  EXPECT_EQ(run(plan, model, state).end, TrainEnd::Finished);
  EXPECT_EQ(state.step, 13);
}

TEST(Loop, MonitorsAMetricThatShouldGrow) {
  TrainPlan plan = small_plan();
  plan.validate_every = 1;
  plan.monitored_metric = 0;
  plan.stopping.maximize = true;
  FakeStepper model;
  TrainingState state;
  run(plan, model, state);
  double most = -1;
  int64_t step = 0;
  for (const HistoryRecord& record : state.history.records) {
    if (record.metrics[0] > most) {
      most = record.metrics[0];
      step = record.step;
    }
  }
  EXPECT_EQ(state.best_step, step);
  EXPECT_EQ(state.stopping.best, most);
}

TEST(Loop, RestoresTheBestWeightsAndNotTheOptimizer) {
  TrainPlan plan = stopping_plan(0);
  FakeStepper model;
  TrainingState state;
  std::vector<float> weights;
  TrainObserver observer;
  observer.step = [&](const TrainingState&, const StepPosition&, double, int64_t) {
    weights.push_back(model.weight[0]);
  };
  model.validation = [](size_t count) { return count == 7 ? -1.0 : 1.0; };
  run(plan, model, state, observer);
  float momentum = model.momentum;
  EXPECT_EQ(state.best_step, 7);
  EXPECT_NE(weights[6], weights[12]);
  EXPECT_EQ(model.weight[0], weights[12]);
  EXPECT_TRUE(restore_best_weights(plan, model, state));
  EXPECT_EQ(model.weight[0], weights[6]);
  EXPECT_EQ(model.momentum, momentum);
}

TEST(Loop, KeepsTheLastWeightsWherePlanSaysSo) {
  TrainPlan plan = stopping_plan(0);
  plan.restore_best = false;
  FakeStepper model;
  TrainingState state;
  model.validation = [](size_t count) { return static_cast<double>(count); };
  run(plan, model, state);
  EXPECT_EQ(state.best_step, 1);
  EXPECT_FALSE(restore_best_weights(plan, model, state));
}

TEST(Loop, EndsAtALossThatIsNotFinite) {
  for (double bad : {kNaN, HUGE_VAL, -HUGE_VAL}) {
    FakeStepper model;
    TrainingState state;
    model.loss = [bad](const StepPosition& at) { return at.step == 8 ? bad : 1; };
    TrainOutcome outcome = run(small_plan(), model, state);
    EXPECT_EQ(outcome.end, TrainEnd::Diverged);
    EXPECT_EQ(outcome.diverged_at, 8);
    EXPECT_EQ(state.history.records.size(), 2u);
    EXPECT_FALSE(state.best.empty()) << "the best weights before are still there";
  }
}

TEST(Loop, EndsWhenInterruptedAfterAStep) {
  FakeStepper model;
  TrainingState state;
  volatile std::sig_atomic_t flag = 0;
  TrainObserver observer;
  observer.step = [&](const TrainingState& at, const StepPosition&, double, int64_t) {
    if (at.step == 6) flag = 1;
  };
  EXPECT_EQ(train(small_plan(), model, state, flag, observer).end, TrainEnd::Interrupted);
  EXPECT_EQ(state.step, 6);
  EXPECT_EQ(state.history.records.size(), 2u) << "the record of a step that was done is kept";
  EXPECT_FALSE(state.finished);
}

TEST(Loop, AnInterruptOfTheLastStepChangesNothing) {
  FakeStepper model;
  TrainingState state;
  volatile std::sig_atomic_t flag = 0;
  TrainObserver observer;
  observer.step = [&](const TrainingState& at, const StepPosition&, double, int64_t) {
    if (at.step == 13) flag = 1;
  };
  EXPECT_EQ(train(small_plan(), model, state, flag, observer).end, TrainEnd::Finished);
  EXPECT_TRUE(state.finished);
}

TEST(Loop, OffersACheckpointAfterEachStepButTheLast) {
  FakeStepper model;
  TrainingState state;
  std::vector<int64_t> steps;
  std::vector<bool> best;
  TrainObserver observer;
  observer.checkpoint_is_due = [&] { return state.step % 5 == 2; };
  observer.checkpoint = [&](const TrainingState& at) { steps.push_back(at.step); };
  observer.record = [&](const TrainingState&, const HistoryRecord&, bool b) { best.push_back(b); };
  model.validation = listed({3, 4, 2, 2, 1});
  run(small_plan(), model, state, observer);
  EXPECT_EQ(steps, (std::vector<int64_t>{2, 7, 12}));
  EXPECT_EQ(best, (std::vector<bool>{true, false, true, false, true}));
}

TEST(Loop, DoesNothingWithoutRowsOrSteps) {
  FakeStepper model;
  TrainPlan plan = small_plan();
  plan.steps = 0;
  TrainingState state;
  EXPECT_EQ(run(plan, model, state).end, TrainEnd::Finished);
  plan = small_plan();
  plan.train_rows = {};
  EXPECT_EQ(run(plan, model, state).end, TrainEnd::Finished);
  EXPECT_TRUE(model.batches.empty());
}

TEST(Loop, DoesNotGoOnWhenFinished) {
  FakeStepper model;
  TrainingState state;
  state.finished = true;
  state.step = 4;
  EXPECT_EQ(run(small_plan(), model, state).end, TrainEnd::StoppedEarly);
  state.step = small_plan().steps;
  EXPECT_EQ(run(small_plan(), model, state).end, TrainEnd::Finished);
  EXPECT_TRUE(model.batches.empty());
}

}  // namespace
}  // namespace gradus::runtime
