// A training step of the loop itself takes nothing from the heap: not in an epoch, not between two.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <numeric>

#include "runtime/train/loop.h"

namespace {
std::atomic<int64_t> g_allocations{0};
}

// Not inlined: g++ would then see malloc beside delete and warn.
__attribute__((noinline)) void* operator new(size_t size) {
  ++g_allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace gradus::runtime {
namespace {

class QuietStepper : public Stepper {
 public:
  double train(std::span<const int64_t> rows, const StepPosition&) override {
    seen += static_cast<int64_t>(rows.size());
    return 1;
  }
  Evaluation evaluate(std::span<const int64_t>) override { return {}; }
  std::vector<NamedTensor> variables() override { return {}; }
  std::vector<std::string> metric_names() const override { return {}; }
  int64_t seen = 0;
};

TEST(Allocation, NoneInAStep) {
  TrainPlan plan;
  plan.train_rows = Rows::stretch(0, 1000);
  plan.batch = 16;
  plan.steps = 2000;
  plan.validate_every = plan.steps;
  QuietStepper stepper;
  TrainingState state;
  int64_t at_first = 0, at_last = 0;
  TrainObserver observer;
  observer.step = [&](const TrainingState& now, const StepPosition&, double, int64_t) {
    (now.step == 1 ? at_first : at_last) = g_allocations;
  };
  volatile std::sig_atomic_t never = 0;
  train(plan, stepper, state, never, observer);
  EXPECT_GT(stepper.seen, 30000);
  EXPECT_GT(at_first, 0);
  EXPECT_EQ(at_last, at_first);
}

}  // namespace
}  // namespace gradus::runtime
