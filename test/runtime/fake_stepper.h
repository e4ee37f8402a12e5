// A model of one weight and one optimizer state, whose numbers depend on every row, step and epoch
// that it was given: training that differs anywhere ends with other bits.
#pragma once

#include <cmath>
#include <cstring>
#include <functional>

#include "runtime/train/loop.h"

namespace gradus::runtime {

class FakeStepper : public Stepper {
 public:
  double train(std::span<const int64_t> rows, const StepPosition& position) override {
    batches.emplace_back(rows.begin(), rows.end());
    positions.push_back(position);
    double sum = 0;
    for (int64_t row : rows) sum = sum * 0.75 + std::sin(static_cast<double>(row) + weight[0]);
    auto gradient = static_cast<float>(sum / static_cast<double>(rows.size()));
    momentum = 0.9f * momentum + gradient * (1 + static_cast<float>(position.epoch) / 16);
    weight[0] -= 0.01f * momentum / std::sqrt(static_cast<float>(position.step));
    weight[1] += 0.125f * weight[0];
    return loss ? loss(position) : static_cast<double>(weight[0]) * 2 + 3;
  }
  Evaluation evaluate(std::span<const int64_t> rows) override {
    evaluated.emplace_back(rows.begin(), rows.end());
    double value = std::cos(static_cast<double>(weight[0]) * 40 + static_cast<double>(rows.size()));
    double half = metric ? metric(evaluated.size()) : value * 0.5;
    return {validation ? validation(evaluated.size()) : value, {half, -value}};
  }
  std::vector<NamedTensor> variables() override {
    return {{"w", "F32", {2}, std::as_writable_bytes(std::span(weight)), false},
            {"w@m", "F32", {}, std::as_writable_bytes(std::span(&momentum, 1)), true},
            {"z", "F32", {2}, std::as_writable_bytes(std::span(frozen)), false}};
  }
  std::vector<std::string> metric_names() const override { return {"half", "minus"}; }

  float weight[2] = {0.5f, -1};
  float momentum = 0;
  float frozen[2] = {1, 2};  // that no step changes
  std::function<double(const StepPosition&)> loss;  // empty: of the weights
  std::function<double(size_t)> validation;         // of the number of evaluations; empty: too
  std::function<double(size_t)> metric;             // the first one, the same way
  std::vector<std::vector<int64_t>> batches, evaluated;
  std::vector<StepPosition> positions;
};

/// Ten rows in batches of four, four and two: three steps an epoch, the fifth epoch is cut short.
inline TrainPlan small_plan() {
  TrainPlan plan;
  plan.train_rows = {3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  plan.validation_rows = {0, 1, 2};
  plan.batch = 4;
  plan.steps = 13;
  plan.seed = 21;
  return plan;
}

}  // namespace gradus::runtime
