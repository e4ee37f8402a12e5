// What a person sees while training: a bar on a terminal, one plain line per record elsewhere.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "runtime/train/loop.h"

namespace gradus::runtime {

class Progress {
 public:
  /// `out` is usually stderr or stdout; the bar is drawn where it is a terminal.
  Progress(std::FILE* out, const TrainPlan& plan, const TrainingState& state);

  void step(const TrainingState& state, const StepPosition& position, double loss, int64_t rows);
  void record(const TrainingState& state, const HistoryRecord& record, bool best);
  /// Clears the bar.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  void show(const std::string& text);
  std::string bar(const TrainingState& state, const StepPosition& position) const;
  std::string remaining(int64_t step) const;

  std::FILE* out_;
  const TrainPlan& plan_;
  bool terminal_;
  int64_t first_step_;
  int64_t rows_ = 0;
  double loss_ = 0;
  std::string last_validation_;
  Clock::time_point begin_ = Clock::now(), drawn_ = begin_;
};

}  // namespace gradus::runtime
