// Where a step made a value that is not finite: the run goes again from where its state was last kept, with a look at
// what the last steps store. Steps are functions of their state and number, so the same values come again.
#pragma once

#include <optional>

#include "driver/model_runner.h"
#include "runtime/train/loop.h"

namespace gradus::driver {

/// The first value that is not finite of step `last`, or of the step before it, whose update the loss of `last` may be
/// the first to show. The runner's variables and `state` are those of an earlier step.
std::optional<pipeline::NotFiniteValue> find_in_last_step(ModelRunner& runner, runtime::TrainPlan plan,
                                                          runtime::TrainingState state, int64_t last);

}  // namespace gradus::driver
