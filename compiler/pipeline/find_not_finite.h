// Which value of a step is the first that is not finite: the step is run with a look at what each
// launch has stored. Values that a fused kernel keeps in registers are not seen; what it stores of
// them is.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "graph/graph.h"
#include "pipeline/step_runner.h"

namespace gradus::pipeline {

struct NotFiniteValue {
  std::string what;  // "`sqrt`", "the derivative of `sqrt`", "`fc.w`"
  Span span;         // where the user wrote it; may be nowhere
  bool nan = false;  // else infinite
};

/// Looks on while `step` runs, from the first `begin` to its end. `graph` is what the step's program
/// was made of.
class NotFiniteWatch {
 public:
  NotFiniteWatch(StepRunner& step, const Graph& graph) : step_(step), graph_(graph) {}
  ~NotFiniteWatch() { step_.set_trace(nullptr, nullptr); }
  NotFiniteWatch(const NotFiniteWatch&) = delete;
  NotFiniteWatch& operator=(const NotFiniteWatch&) = delete;

  /// The next run is of so many rows. What the run before has found is let through from now on: that
  /// step was a good one, so infinity in it has a reason, such as a mask.
  void begin(int64_t rows);
  const std::optional<NotFiniteValue>& first() const { return first_; }

 private:
  static void trace(void* context, int32_t launch, int32_t end);
  void look(const plan::Launch& launch);
  NotFiniteValue describe(const plan::Buffer& buffer, bool nan) const;

  StepRunner& step_;
  const Graph& graph_;
  int64_t rows_ = 0;
  std::set<plan::BufferId> found_, let_through_;
  std::optional<NotFiniteValue> first_;
};

}  // namespace gradus::pipeline
