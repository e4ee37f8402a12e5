// What a training run tells: its size before the first step, and its end, for people and for programs.
#pragma once

#include <cstdio>
#include <string>

#include "driver/model_runner.h"
#include "runtime/train/loop.h"

namespace gradus::driver {

/// Prints, at once. What cannot be shown is no reason to lose a run.
void say(std::FILE* to, const std::string& text);

/// What the run takes and what rows it has; `json`: only what is amiss.
void tell_plan(const Session& session, ModelRunner& runner, const BoundData& data, const runtime::TrainPlan& plan, bool json);

const char* end_text(runtime::TrainEnd end);
/// What part of the work each thread has done, as a line; empty where there is one thread.
std::string shares_text(const runtime::ThreadPool& pool);
std::string outcome_json(const runtime::TrainOutcome& outcome, const runtime::TrainingState& state, const runtime::TrainPlan& plan,
                         bool best, const std::string& weights, const std::string& history, const std::string& plot);

}  // namespace gradus::driver
