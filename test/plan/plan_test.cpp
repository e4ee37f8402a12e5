// The planner against hand-made programs, exhaustive search on tiny ones, and its own bound; every
// plan passes the validator, and the validator refuses each way a plan can be wrong.
#include "plan/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "plan/make_program.h"
#include "plan/order.h"
#include "plan/text.h"

namespace gradus::plan {
namespace {

constexpr int64_t kKilo = 1024 - 64;  // takes 1024 bytes with its slack

Program chain() {
  return make_program({kKilo, kKilo, kKilo, kKilo},
                      {{{}, {0}}, {{0}, {1}}, {{1}, {2}}, {{2}, {3}}, {{3}, {}}});
}

TEST(Plan, AChainNeedsTwoBuffers) {
  Program program = chain();
  Plan plan = plan_memory(program);
  EXPECT_EQ(validate_plan(program, plan), std::nullopt);
  EXPECT_EQ(plan.arena_bytes, 2048);
  EXPECT_EQ(plan.lower_bound, 2048);
  EXPECT_EQ(plan.unshared_bytes, 4096);
  EXPECT_TRUE(plan.optimal());
}

TEST(Plan, OutputsTakeTheirInputsBufferWhereOffered) {
  Program program =
      make_program({kKilo, kKilo, kKilo, kKilo},
                   {{{}, {0}}, {{0}, {1}, true}, {{1}, {2}, true}, {{2}, {3}, true}, {{3}, {}}});
  Plan plan = plan_memory(program);
  EXPECT_EQ(validate_plan(program, plan), std::nullopt);
  EXPECT_EQ(plan.arena_bytes, 1024);
  EXPECT_TRUE(plan.optimal());
}

TEST(Plan, NoOfferIsTakenWhoseInputLivesOn) {
  Program program = make_program({kKilo, kKilo}, {{{}, {0}}, {{0}, {1}, true}, {{0, 1}, {}}});
  Plan plan = plan_memory(program);
  EXPECT_EQ(validate_plan(program, plan), std::nullopt);
  EXPECT_EQ(plan.arena_bytes, 2048);
}

TEST(Plan, NoOfferIsTakenForABufferBoundTwice) {
  // The kernel offers its first input, but this launch reads the same buffer as its second one too.
  Program program = make_program({kKilo, kKilo}, {{{}, {0}}, {{0, 0}, {1}, true}, {{1}, {}}});
  Plan plan = plan_memory(program);
  EXPECT_EQ(validate_plan(program, plan), std::nullopt);
  EXPECT_EQ(plan.arena_bytes, 2048);
}

TEST(Plan, ParametersAreNotInTheArena) {
  Program program = make_program({-4096, kKilo}, {{{0}, {1}}, {{1}, {0}}});
  Plan plan = plan_memory(program);
  EXPECT_EQ(validate_plan(program, plan), std::nullopt);
  ASSERT_EQ(plan.placements.size(), 1U);
  EXPECT_EQ(plan.arena_bytes, 1024);
  EXPECT_EQ(plan.offset_of(BufferId(1)), 0);
}

TEST(Plan, AnEmptyProgramNeedsNothing) {
  Program program;
  Plan plan = plan_memory(program);
  EXPECT_EQ(validate_plan(program, plan), std::nullopt);
  EXPECT_EQ(plan.arena_bytes, 0);
}

TEST(Plan, PrintsRangesAndPlaces) {
  Program program = chain();
  EXPECT_EQ(print_plan(program, plan_memory(program)),
            "plan:\n"
            "  #0 %0 live [0, 2) arena [0, 1024) align 64\n"
            "  #1 %1 live [1, 3) arena [1024, 2048) align 64\n"
            "  #2 %2 live [2, 4) arena [0, 1024) align 64\n"
            "  #3 %3 live [3, 5) arena [1024, 2048) align 64\n"
            "  peak 2048 bytes (optimal), 4096 without sharing; scratch 0 bytes a worker\n");
}

Program random_program(std::mt19937& random, int buffers) {
  std::vector<int64_t> bytes;
  std::vector<Step> steps;
  for (int i = 0; i < buffers; ++i) {
    bytes.push_back(64 * static_cast<int64_t>(1 + random() % 40));
    Step step;
    step.writes = {i};
    step.in_place = random() % 2 == 0;
    for (int reads = static_cast<int>(random() % 3); i > 0 && reads > 0; --reads) {
      int back = 1 + static_cast<int>(random() % static_cast<unsigned>(std::min(i, 6)));
      if (std::count(step.reads.begin(), step.reads.end(), i - back) == 0) {
        step.reads.push_back(i - back);
      }
    }
    if (step.in_place && !step.reads.empty()) {
      bytes.back() = bytes[static_cast<size_t>(step.reads[0])];
    }
    steps.push_back(step);
  }
  return make_program(bytes, steps);
}

TEST(Plan, RandomProgramsHaveSoundAndTightPlans) {
  std::mt19937 random(5);
  int optimal = 0;
  for (int round = 0; round < 300; ++round) {
    Program program = random_program(random, 2 + static_cast<int>(random() % 40));
    Plan plan = plan_memory(program);
    auto breach = validate_plan(program, plan);
    ASSERT_FALSE(breach) << *breach << "\n" << print_plan(program, plan);
    EXPECT_GE(plan.arena_bytes, plan.lower_bound);
    EXPECT_LE(plan.arena_bytes, plan.unshared_bytes);
    EXPECT_EQ(print_plan(program, plan), print_plan(program, plan_memory(program)));
    optimal += plan.optimal();
  }
  EXPECT_GE(optimal, 200);
}

TEST(Plan, LargeProgramsTakeLittleTime) {
  std::mt19937 random(1);
  Program program = random_program(random, 1000);
  choose_order(program);
  Plan plan = plan_memory(program);
  EXPECT_EQ(validate_plan(program, plan), std::nullopt);
}

/// The least peak of packing in any sequence at the lowest gap, which reaches the optimum for some
/// one.
int64_t exhaustive(const Program& program) {
  auto live = compute_liveness(program);
  std::vector<size_t> sequence;
  for (size_t i = 0; i < program.buffers.size(); ++i) sequence.push_back(i);
  int64_t best = INT64_MAX;
  do {
    std::vector<std::pair<int64_t, size_t>> placed;
    int64_t peak = 0;
    for (size_t id : sequence) {
      const int64_t bytes = program.buffers[BufferId(id)].bytes + 64;
      std::sort(placed.begin(), placed.end());
      int64_t offset = 0;
      for (auto [begin, other] : placed) {
        const LiveRange a = live[BufferId(id)];
        const LiveRange b = live[BufferId(other)];
        if (a.begin >= b.end || b.begin >= a.end) continue;
        if (offset + bytes <= begin) break;
        offset = std::max(offset, begin + program.buffers[BufferId(other)].bytes + 64);
      }
      placed.push_back({offset, id});
      peak = std::max(peak, offset + bytes);
    }
    best = std::min(best, peak);
  } while (std::next_permutation(sequence.begin(), sequence.end()));
  return best;
}

TEST(Plan, TinyProgramsReachTheExhaustiveOptimum) {
  std::mt19937 random(9);
  int reached = 0;
  for (int round = 0; round < 60; ++round) {
    Program program = random_program(random, 6);
    for (kernel::Kernel& kernel : program.kernels) {
      for (kernel::Slot& slot : kernel.slots) slot.may_share.clear();
    }
    Plan plan = plan_memory(program);
    int64_t least = exhaustive(program);
    ASSERT_GE(plan.arena_bytes, least);
    ASSERT_LE(plan.lower_bound, least);
    reached += plan.arena_bytes == least;
  }
  EXPECT_GE(reached, 58);
}

TEST(ValidatePlan, RefusesEachWayToBeWrong) {
  Program program = chain();
  const Plan good = plan_memory(program);
  auto breach = [&](auto change) {
    Plan plan = good;
    change(plan);
    return validate_plan(program, plan).value_or("nothing");
  };
  EXPECT_EQ(breach([](Plan& p) { p.placements[1].offset = 0; }),
            "#0 %0 and #1 %1 overlap while both live");
  EXPECT_EQ(breach([](Plan& p) { p.placements[1].offset = 1000; }),
            "#1 %1 is not aligned to 64 bytes");
  EXPECT_EQ(breach([](Plan& p) { p.placements[1].offset = -64; }),
            "#1 %1 is not aligned to 64 bytes");
  EXPECT_EQ(breach([](Plan& p) { p.placements[3].offset = 2048; }),
            "#3 %3 reaches beyond the arena");
  EXPECT_EQ(breach([](Plan& p) { p.arena_bytes = 2047; }), "#1 %1 reaches beyond the arena");
  EXPECT_EQ(breach([](Plan& p) { p.placements[0].bytes = 960; }),
            "#0 %0 is smaller than its values and 64 bytes of slack");
  EXPECT_EQ(breach([](Plan& p) { p.placements[0].live.end = 1; }),
            "#0 %0 is used outside its live range");
  EXPECT_EQ(breach([](Plan& p) { p.placements.pop_back(); }), "3 places for 4 arena buffers");
  EXPECT_EQ(breach([](Plan& p) { p.placements[1] = p.placements[0]; }), "#0 %0 has two places");

  // In place without an offer, or where the kernel offers another input.
  Plan shared = good;
  for (Placement& place : shared.placements) place.offset = 0;
  EXPECT_EQ(validate_plan(program, shared), "#0 %0 and #1 %1 overlap while both live");
  Program backwards = make_program({kKilo}, {{{0}, {}}, {{}, {0}}});
  EXPECT_EQ(validate_plan(backwards, plan_memory(backwards)), "#0 %0 is read before it is written");
  program.kernels[KernelId(0)].worker_bytes = 128;
  EXPECT_EQ(validate_plan(program, good), "kernel @k0 needs 128 bytes of scratch");
}

/// The smallest step over each bound is refused, and what stands on the bound is not.
TEST(ValidatePlan, RefusesTheSmallestWrongOfEachKind) {
  const Program program = chain();  // 4 values of 960 bytes, live for 2 launches each
  const Plan good = plan_memory(program);
  auto breach = [&](auto change) {
    Plan plan = good;
    plan.arena_bytes = 4096;
    change(plan.placements);
    return validate_plan(program, plan).value_or("nothing");
  };
  const std::string overlap = "#0 %0 and #1 %1 overlap while both live";
  EXPECT_EQ(breach([](auto&) {}), "nothing");
  // One byte, from below and from above; one step of the alignment.
  EXPECT_EQ(breach([](auto& p) { p[0].bytes = 1025; }), overlap);
  EXPECT_EQ(breach([](auto& p) { p[0].offset = 1024, p[1].offset = 0, p[1].bytes = 1025; }), overlap);
  EXPECT_EQ(breach([](auto& p) { p[1].offset = 960; }), overlap);
  EXPECT_EQ(breach([](auto& p) { p[0].offset = 64; }), overlap);
  EXPECT_EQ(breach([](auto& p) { p[0].offset = 1984; }), overlap);
  EXPECT_EQ(breach([](auto& p) { p[0].offset = 2048; }), "nothing");
  EXPECT_EQ(breach([](auto& p) { p[1].offset = 1088, p[0].bytes = 1088; }), "nothing");
  // One launch: two values at one place whose ranges meet, then share a launch.
  EXPECT_EQ(breach([](auto& p) { p[2].live.begin = 1; }), "#0 %0 and #2 %2 overlap while both live");
  EXPECT_EQ(breach([](auto& p) { p[0].live.end = 3; }), "#0 %0 and #2 %2 overlap while both live");
  EXPECT_EQ(breach([](auto& p) { p[2].live.begin = 1, p[2].offset = 2048; }), "nothing");
  // One launch: a range that leaves its first or its last launch out.
  EXPECT_EQ(breach([](auto& p) { p[1].live.begin = 2; }), "#1 %1 is used outside its live range");
  EXPECT_EQ(breach([](auto& p) { p[1].live.end = 2; }), "#1 %1 is used outside its live range");
  // One byte of values or slack, one byte and half a step beside the alignment, one byte of the arena.
  EXPECT_EQ(breach([](auto& p) { p[0].bytes = 1023; }),
            "#0 %0 is smaller than its values and 64 bytes of slack");
  EXPECT_EQ(breach([](auto& p) { p[3].offset = 2049; }), "#3 %3 is not aligned to 64 bytes");
  EXPECT_EQ(breach([](auto& p) { p[3].offset = 2048 + 32; }), "#3 %3 is not aligned to 64 bytes");
  EXPECT_EQ(breach([](auto& p) { p[3].offset = 4096 - 1024; }), "nothing");
  EXPECT_EQ(breach([](auto& p) { p[3].offset = 4096 - 1024, p[3].bytes = 1025; }),
            "#3 %3 reaches beyond the arena");
  // A second place in the room of a missing one.
  EXPECT_EQ(breach([](auto& p) { p[3] = p[0], p[3].offset = 2048; }), "#0 %0 has two places");
}

/// A value may lie on another only where all of the offer holds.
TEST(ValidatePlan, RefusesTheSmallestWrongOfAnOffer) {
  const Program program =
      make_program({kKilo, kKilo, kKilo}, {{{}, {0}}, {{0, 2}, {1}, true}, {{1}, {}}, {{}, {2}}});
  // #2 is read before it is written, so that it is left to the caller.
  auto breach = [&](auto change) {
    Program changed = program;
    changed.buffers[BufferId(2)].kind = BufferKind::Param;
    number_blocks(changed);
    Plan plan = plan_memory(changed);
    EXPECT_EQ(plan.arena_bytes, 1024);
    plan.arena_bytes = 4096;
    change(changed, plan.placements);
    return validate_plan(changed, plan).value_or("nothing");
  };
  const std::string overlap = "#0 %0 and #1 %1 overlap while both live";
  EXPECT_EQ(breach([](Program&, auto&) {}), "nothing");
  EXPECT_EQ(breach([](Program&, auto& p) { p[1].offset = 64; }), overlap);
  EXPECT_EQ(breach([](Program&, auto& p) { p[0].live.end = 3; }), overlap);
  EXPECT_EQ(breach([](Program&, auto& p) { ++p[0].bytes; }), overlap);
  EXPECT_EQ(breach([](Program& of, auto& p) { ++of.buffers[BufferId(0)].bytes, ++p[0].bytes; }), overlap);
  auto offers = [](Program& of) -> std::vector<kernel::SlotId>& {
    return of.kernels[KernelId(1)].slots[kernel::SlotId(2)].may_share;
  };
  EXPECT_EQ(breach([&](Program& of, auto&) { offers(of).clear(); }), overlap);
  EXPECT_EQ(breach([&](Program& of, auto&) { offers(of) = {kernel::SlotId(1)}; }), overlap);
  auto bound = [](Program& of) -> std::vector<BufferId>& { return of.launches[1].buffers; };
  EXPECT_EQ(breach([&](Program& of, auto&) { bound(of)[1] = BufferId(0); }), overlap);
}

/// One byte of scratch; one value that nobody writes first, or that nobody touches.
TEST(ValidatePlan, RefusesTheSmallestWrongOfAProgram) {
  Program program = chain();
  Plan plan = plan_memory(program);
  plan.worker_bytes = 128;
  program.kernels[KernelId(2)].worker_bytes = 128;
  EXPECT_EQ(validate_plan(program, plan), std::nullopt);
  program.kernels[KernelId(2)].worker_bytes = 129;
  EXPECT_EQ(validate_plan(program, plan), "kernel @k2 needs 129 bytes of scratch");
  program.kernels[KernelId(2)].worker_bytes = 0;

  kernel::SlotDir& written = program.kernels[KernelId(1)].slots[kernel::SlotId(1)].dir;
  written = kernel::SlotDir::InOut;
  EXPECT_EQ(validate_plan(program, plan), "#1 %1 is read before it is written");
  written = kernel::SlotDir::Out;
  EXPECT_EQ(validate_plan(program, plan), std::nullopt);

  program.buffers[BufferId(3)].kind = BufferKind::Param;
  EXPECT_EQ(validate_plan(program, plan), "4 places for 3 arena buffers");
  plan.placements.erase(plan.placements.begin());
  EXPECT_EQ(validate_plan(program, plan), "#3 %3 has a place but is no arena buffer");
}

TEST(ValidatePlan, RefusesWhatIsCheckedAfterItsLiveRange) {
  Program program = chain();
  program.computed_checks.push_back({BufferId(1), 0});
  Plan plan = plan_memory(program);
  EXPECT_EQ(validate_plan(program, plan), std::nullopt);
  EXPECT_EQ(plan.placements[1].live.end, 5);  // of 5 launches
  plan.placements[1].live.end = 4;
  EXPECT_EQ(validate_plan(program, plan), "#1 %1 is checked after its live range");
}

TEST(ValidatePlan, RefusesAValueThatNoLaunchTouches) {
  const Program program = make_program({kKilo, kKilo}, {{{}, {0}}, {{0}, {}}});
  Plan plan;
  plan.arena_bytes = 4096;
  plan.placements = {{BufferId(0), {0, 2}, 0, 1024}, {BufferId(1), {0, 2}, 1024, 1024}};
  EXPECT_EQ(validate_plan(program, plan), "#1 %1 is touched by no launch");
}

TEST(Order, AnotherOrderIsTakenWhereItLowersThePeak) {
  // Four large values, each summed up to a small one; all large ones first would need all four at
  // once.
  const int64_t large = 64 * 1000;
  Program program =
      make_program({large, large, large, large, 64, 64, 64, 64}, {{{}, {0}},
                                                                  {{}, {1}},
                                                                  {{}, {2}},
                                                                  {{}, {3}},
                                                                  {{0}, {4}},
                                                                  {{1}, {5}},
                                                                  {{2}, {6}},
                                                                  {{3}, {7}},
                                                                  {{4, 5, 6, 7}, {}}});
  const int64_t before = plan_memory(program).arena_bytes;
  choose_order(program);
  Plan plan = plan_memory(program);
  EXPECT_EQ(validate_plan(program, plan), std::nullopt);
  EXPECT_GE(before, 4 * large);
  EXPECT_LT(plan.arena_bytes, 2 * large);
}

TEST(Order, ReadersOfAParameterComeBeforeItsUpdate) {
  // 0 is a parameter; launch 1 updates it. Launch 0 and 2 read the old and the new value.
  Program program =
      make_program({-4096, kKilo, 64, kKilo}, {{{0}, {1}}, {{}, {0}}, {{0}, {3}}, {{1, 3}, {2}}});
  auto before = launch_dependences(program);
  EXPECT_EQ(before[1], std::vector<size_t>{0});
  EXPECT_EQ(before[2], std::vector<size_t>{1});
  EXPECT_EQ(before[3], (std::vector<size_t>{0, 2}));
}

TEST(Order, RandomProgramsKeepTheirDependences) {
  std::mt19937 random(13);
  for (int round = 0; round < 100; ++round) {
    Program program = random_program(random, 2 + static_cast<int>(random() % 30));
    const int64_t before = plan_memory(program).arena_bytes;
    choose_order(program);
    Plan plan = plan_memory(program);
    auto breach = validate_plan(program, plan);
    ASSERT_FALSE(breach) << *breach;
    EXPECT_LE(plan.arena_bytes, before);
    std::vector<bool> written(program.buffers.size(), false);
    for (const Launch& launch : program.launches) {
      for (size_t i = 0; i + 1 < launch.buffers.size(); ++i) {
        EXPECT_TRUE(written[launch.buffers[i].index()]);
      }
      written[launch.buffers.back().index()] = true;
    }
  }
}

}  // namespace
}  // namespace gradus::plan
