// The loop runs as before, through a stepper that looks on.
#include "driver/replay.h"

#include <cmath>

namespace gradus::driver {

namespace {

using pipeline::Function;

class LookingOn : public runtime::Stepper {
 public:
  LookingOn(ModelRunner& runner, int64_t last)
      : runner_(runner),
        last_(last),
        finite_(runner.variables()),
        watch_(runner.runner(Function::Train), runner.compiled().get(Function::Train).ordered) {}

  double train(std::span<const int64_t> rows, const runtime::StepPosition& position) override {
    if (position.step + 1 < last_) return runner_.train(rows, position);
    watch_.begin(runner_.rows_of_step(rows));
    double loss = runner_.train(rows, position);
    // Ends the loop: what was found in this step is the answer.
    return finite_(runner_.variables()) ? NAN : loss;
  }
  runtime::Evaluation evaluate(std::span<const int64_t>) override { return {}; }
  std::vector<runtime::NamedTensor> variables() override { return runner_.variables(); }
  std::vector<std::string> metric_names() const override { return {}; }

  const std::optional<pipeline::NotFiniteValue>& first() const { return watch_.first(); }

 private:
  ModelRunner& runner_;
  int64_t last_;
  runtime::FiniteCheck finite_;
  pipeline::NotFiniteWatch watch_;
};

}  // namespace

std::optional<pipeline::NotFiniteValue> find_in_last_step(ModelRunner& runner, runtime::TrainPlan plan,
                                                          runtime::TrainingState state, int64_t last) {
  static const volatile std::sig_atomic_t never = 0;
  plan.stop_after = last - state.step;
  if (plan.stop_after < 1) return std::nullopt;
  plan.validation_rows.clear();
  plan.monitored_metric = -1;
  plan.stops_early = false;
  plan.restore_best = false;
  state.finished = false;
  LookingOn stepper(runner, last);
  runtime::train(plan, stepper, state, never, {});
  return stepper.first();
}

}  // namespace gradus::driver
