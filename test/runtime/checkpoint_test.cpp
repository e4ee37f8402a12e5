// Checkpoints: what was written is read back to the bit, and a run that goes on from one gives the
// bits of a run that was never stopped.
#include "runtime/train/checkpoint.h"

#include <gtest/gtest.h>

#include <limits>

#include "runtime/fake_stepper.h"
#include "runtime/temporary_folder.h"

namespace gradus::runtime {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
const volatile std::sig_atomic_t kNever = 0;

SafetensorsFile file_of(const std::string& text) { return {bytes_of(text), "c"}; }

/// All that a run leaves: variables, best weights, history and counters.
std::string everything(FakeStepper& model, const TrainingState& state) {
  return write_checkpoint(state, model.variables(), {});
}

/// Runs in pieces of `piece` steps, each in a fresh process as it were: all that goes over is the
/// checkpoint.
std::string run_in_pieces(TrainPlan plan, int64_t piece, int& pieces) {
  plan.stop_after = piece;
  std::string saved;
  for (pieces = 0; pieces < 100; ++pieces) {
    FakeStepper model;
    TrainingState state;
    if (!saved.empty()) state = read_checkpoint(file_of(saved), model.variables());
    TrainEnd end = train(plan, model, state, kNever, {}).end;
    saved = everything(model, state);
    if (end != TrainEnd::Paused) return saved;
  }
  return "does not end";
}

TEST(Checkpoint, AResumedRunGivesTheBitsOfAnUnbrokenOne) {
  for (int64_t validate_every : {0, 1, 5}) {
    TrainPlan plan = small_plan();
    plan.validate_every = validate_every;
    FakeStepper model;
    TrainingState state;
    train(plan, model, state, kNever, {});
    std::string unbroken = everything(model, state);
    for (int64_t piece = 1; piece < plan.steps; ++piece) {
      int pieces = 0;
      EXPECT_EQ(run_in_pieces(plan, piece, pieces), unbroken) << "in pieces of " << piece;
      EXPECT_EQ(pieces, (plan.steps - 1) / piece);
    }
  }
}

TEST(Checkpoint, AResumedRunStopsWhereAnUnbrokenOneDoes) {
  TrainPlan plan = small_plan();
  plan.validate_every = 2;
  plan.steps = 200;
  plan.stops_early = true;
  plan.stopping = {3, 0.05, false};
  FakeStepper model;
  TrainingState state;
  ASSERT_EQ(train(plan, model, state, kNever, {}).end, TrainEnd::StoppedEarly);
  ASSERT_LT(state.best_step, state.step);
  for (int64_t piece : {3, 4}) {
    int pieces = 0;
    EXPECT_EQ(run_in_pieces(plan, piece, pieces), everything(model, state));
  }
}

TEST(Checkpoint, AnInterruptedRunGoesOnAtEveryStep) {
  TrainPlan plan = small_plan();
  FakeStepper whole;
  TrainingState end;
  train(plan, whole, end, kNever, {});
  for (int64_t at = 1; at <= plan.steps; ++at) {
    volatile std::sig_atomic_t flag = 0;
    TrainObserver observer;
    observer.step = [&](const TrainingState& now, const StepPosition&, double, int64_t) {
      if (now.step == at) flag = 1;
    };
    FakeStepper first, second;
    TrainingState before;
    train(plan, first, before, flag, observer);
    EXPECT_EQ(before.step, at);
    TrainingState after = read_checkpoint(file_of(everything(first, before)), second.variables());
    train(plan, second, after, kNever, {});
    EXPECT_EQ(everything(second, after), everything(whole, end)) << "interrupted after " << at;
  }
}

TrainingState odd_state() {
  TrainingState state;
  state.step = 12345678901;
  state.loss_sum = 0.1 + 0.2;
  state.loss_rows = 7;
  state.stopping = {true, -std::numeric_limits<double>::denorm_min(), 1e300, 3};
  state.best_step = 5;
  state.best = {std::vector<std::byte>(8, std::byte{7}), {}, {}};
  state.history.metrics = {"a", "b"};
  state.history.records = {{1, 2, kNaN, {}, {}}, {2, 4, HUGE_VAL, -0.0, {0.1, kNaN}}};
  state.finished = true;
  return state;
}

TEST(Checkpoint, ReadsBackEveryNumberAsItWas) {
  FakeStepper model, other;
  model.weight[0] = std::numeric_limits<float>::quiet_NaN();
  model.momentum = -0.0f;
  std::string text = write_checkpoint(odd_state(), model.variables(), {{"graph", "abc"}});
  SafetensorsFile file = file_of(text);
  EXPECT_EQ(file.metadata().at("graph"), "abc");
  TrainingState state = read_checkpoint(file, other.variables());
  EXPECT_EQ(state.step, 12345678901);
  EXPECT_EQ(state.loss_sum, 0.1 + 0.2);
  EXPECT_EQ(state.stopping.best, -std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(state.stopping.reference, 1e300);
  EXPECT_EQ(state.stopping.waited, 3);
  EXPECT_TRUE(state.finished);
  EXPECT_EQ(state.best, odd_state().best);
  ASSERT_EQ(state.history.records.size(), 2u);
  EXPECT_TRUE(std::isnan(state.history.records[0].loss));
  EXPECT_FALSE(state.history.records[0].validation_loss.has_value());
  EXPECT_TRUE(state.history.records[0].metrics.empty());
  EXPECT_EQ(state.history.records[1].loss, HUGE_VAL);
  EXPECT_TRUE(std::signbit(*state.history.records[1].validation_loss));
  EXPECT_EQ(state.history.records[1].metrics[0], 0.1);
  EXPECT_TRUE(std::signbit(other.momentum));
  EXPECT_EQ(write_checkpoint(state, other.variables(), {{"graph", "abc"}}), text);
}

TEST(Checkpoint, KeepsMetricsThatHaveNoValidationLossBesideThem) {
  FakeStepper model;
  TrainingState state;
  state.history.metrics = {"a"};
  state.history.records = {{1, 2, 0.5, {}, {}}, {2, 4, 0.25, {}, {0.75}}, {3, 6, 0.125, 2.0, {1.5}}};
  TrainingState back = read_checkpoint(file_of(everything(model, state)), model.variables());
  EXPECT_TRUE(back.history.records[0].metrics.empty());
  EXPECT_FALSE(back.history.records[1].validation_loss.has_value());
  EXPECT_EQ(back.history.records[1].metrics, (std::vector<double>{0.75}));
  EXPECT_EQ(back.history.records[2].validation_loss, 2.0);
  EXPECT_EQ(back.history.records[2].metrics, (std::vector<double>{1.5}));
}

TEST(Checkpoint, StatesOfAnotherOptimizerBeginAnewWhereThatIsAsked) {
  FakeStepper model, other;
  model.weight[0] = 9;
  std::vector<NamedTensor> variables = other.variables();
  variables[1].path = "w@v";
  other.momentum = 3;
  SafetensorsFile file = file_of(everything(model, {}));
  EXPECT_EQ(error_of([&] { read_checkpoint(file, variables); }), "the checkpoint has no `w@v`");
  read_checkpoint(file, variables, OtherStates::BeginAnew);
  EXPECT_EQ(other.weight[0], 9);
  EXPECT_EQ(other.momentum, 3);
  variables[0].path = "v";  // a weight may not
  EXPECT_EQ(error_of([&] { read_checkpoint(file, variables, OtherStates::BeginAnew); }), "the checkpoint has no `v`");
}

TEST(Checkpoint, LeavesTheVariablesAloneWhereItDoesNotFit) {
  FakeStepper model, other;
  SafetensorsFile file = file_of(write_checkpoint({}, model.variables(), {}));
  other.weight[0] = 77;
  auto error = [&](const std::function<void(std::vector<NamedTensor>&)>& change) {
    std::vector<NamedTensor> variables = other.variables();
    change(variables);
    return error_of([&] { read_checkpoint(file, variables); });
  };
  EXPECT_EQ(error([](auto& v) { v[1].path = "w@v"; }), "the checkpoint has no `w@v`");
  EXPECT_EQ(error([](auto& v) { v[1].sizes = {1}; }),
            "the checkpoint's `w@m` is F32[], expected F32[1]");
  EXPECT_EQ(error([](auto& v) { v[1].dtype = "I32"; }),
            "the checkpoint's `w@m` is F32[], expected I32[]");
  EXPECT_EQ(other.weight[0], 77);
}

std::string with_state(const std::string& json, double epoch = 1, int64_t columns = 5) {
  std::vector<double> history(static_cast<size_t>(columns), epoch);
  return write_safetensors(
      {{"gradus:history", "F64", {1, columns}, std::as_bytes(std::span(history))}},
      {{"gradus.training", json}});
}

const char* const kState =
    R"({"step":1,"loss_sum":"0x0p+0","loss_rows":0,"has_best":false,"best":"nan","reference":"0x0p+0",)"
    R"("waited":0,"best_step":-1,"finished":false,"metrics":[]})";

TEST(Checkpoint, RefusesStatesThatAreNone) {
  auto error = [](const std::string& text) {
    return error_of([&] { read_checkpoint(file_of(text), {}); });
  };
  EXPECT_EQ(error(with_state(kState)), "no error");
  auto changed = [](const std::string& from, const std::string& to) {
    std::string text = kState;
    return with_state(text.replace(text.find(from), from.size(), to));
  };
  EXPECT_NE(error(write_safetensors({}, {})).find("no checkpoint"), std::string::npos);
  EXPECT_NE(error(with_state("{")).find("does not read"), std::string::npos);
  EXPECT_NE(error(with_state("[]")).find("does not read"), std::string::npos);
  EXPECT_NE(error(with_state(std::string(200000, '['))).find("does not read"), std::string::npos);
  EXPECT_NE(error(with_state(std::string(2000000, ' '))).find("at most 1048576 are read"),
            std::string::npos);
  EXPECT_NE(error(changed("\"step\":1", "\"steps\":1")).find("does not read"), std::string::npos);
  EXPECT_NE(error(changed("\"0x0p+0\"", "0")).find("does not read"), std::string::npos);
  EXPECT_NE(error(changed("\"step\":1", "\"step\":-1")).find("below zero"), std::string::npos);
  for (const char* step : {"1e300", "1.5", "\"1\"", "true"}) {
    EXPECT_NE(error(changed("\"step\":1", std::string("\"step\":") + step)).find("whole numbers"),
              std::string::npos);
  }
  EXPECT_NE(error(changed("\"step\":1", "\"step\":18446744073709551615")), "no error");
  EXPECT_NE(error(changed("[]", "[\"a\"]")).find("a column for each metric"), std::string::npos);
  EXPECT_NE(error(with_state(kState, -1)).find("no step in row 0"), std::string::npos);
  EXPECT_NE(error(with_state(kState, kNaN)).find("no step in row 0"), std::string::npos);
  EXPECT_NE(error(with_state(kState, 1e300)).find("no step in row 0"), std::string::npos);
  EXPECT_NE(error(with_state(kState, 1, 6)).find("a column for each metric"), std::string::npos);
  EXPECT_EQ(error(write_safetensors({}, {{"gradus.training", kState}})),
            "the checkpoint has no `gradus:history`");
}

}  // namespace
}  // namespace gradus::runtime
