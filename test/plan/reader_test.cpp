// Program and plan text: what was printed reads and prints the same; what does not hold is told
// with its place; the validator's word stands at the buffer that it is about; nothing crashes.
#include <gtest/gtest.h>

#include <random>

#include "plan/make_program.h"
#include "plan/text.h"

namespace gradus::plan {
namespace {

struct ReadResult {
  std::optional<std::vector<PlannedProgram>> programs;
  std::string messages;
};

ReadResult read(const std::string& text) {
  SourceMap sources;
  DiagEngine diags(sources);
  int32_t file = sources.add("t.plan", text);
  ReadResult result;
  result.programs = read_programs(sources, file, diags);
  result.messages = diags.render(false);
  return result;
}

const char* const kText = R"(program @m.train {capacity=8}:
  #0 input "label" : i32[batch] 32 bytes block 0
  #1 param "fc.w@m" : f32[4,4] 64 bytes block 1
  #2 state "a \"quoted\\name\"" : f64[] 8 bytes block 2
  #3 output "%0 " : f32[2*batch,4] 256 bytes block 3
  #4 constant %c : bool[3] 3 bytes block 4
  #5 arena %5 : f32[batch] 32 bytes block 5
  #6 arena %x.y : f32[batch] 32 bytes block 5
  #7 arena %7 : f32[batch] 32 bytes block 5
  kernel 0 @v5 rows (label: in, w: inout, c: in, part: worker, v5: out) scratch 320
  kernel 1 @v6 pointwise (a: in, b: in, v6: out may share a or b)
  kernel 2 @v7 scalar ()
  check #0 in [0, 10)
  launch 0 @v5 kernel 0 (label=#0, w=#1, c=#4, v5=#5)
  launch 1 @v6 kernel 1 (a=#5, b=#2, v6=#6)
  launch 2 @v7 kernel 1 (a=#6, b=#6, v6=#7)
  launch 3 @v8 kernel 1 (a=#7, b=#7, v6=#3)
  launch 4 @v9 kernel 2 ()
  3 kernels, 5 launches, 7 blocks, 320 bytes of scratch a worker
plan:
  #5 %5 live [0, 2) arena [0, 128) align 64
  #6 %x.y live [1, 3) arena [0, 128) align 64
  #7 %7 live [2, 4) arena [128, 256) align 64
  peak 256 bytes (at least 128), 384 without sharing; scratch 320 bytes a worker
)";

/// kText with `from` replaced by `to`.
std::string edited(const std::string& from, const std::string& to) {
  std::string text = kText;
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

/// The messages without the lines they quote.
std::string messages_of(const std::string& text) {
  ReadResult result = read(text);
  EXPECT_FALSE(result.programs);
  std::string out;
  for (size_t at = 0; at < result.messages.size();) {
    size_t end = result.messages.find('\n', at);
    std::string line = result.messages.substr(at, end - at);
    if (line.rfind("t.plan:", 0) == 0) out += line.substr(7) + "\n";
    at = end + 1;
  }
  return out;
}

TEST(PlanText, EverythingReadsBack) {
  ReadResult result = read(kText);
  ASSERT_TRUE(result.programs) << result.messages;
  ASSERT_EQ(result.programs->size(), 1U);
  const PlannedProgram& first = result.programs->front();
  EXPECT_EQ(print_planned(first), kText);
  EXPECT_EQ(first.program.buffers[BufferId(2)].name, "a \"quoted\\name\"");
  EXPECT_EQ(first.program.worker_block, 6);
  ASSERT_TRUE(first.plan);
  EXPECT_EQ(first.plan->offset_of(BufferId(7)), 128);
  EXPECT_EQ(first.plan->lower_bound, 128);
}

TEST(PlanText, ReadsManyProgramsWithAndWithoutPlans) {
  std::string whole = kText;
  std::string alone = whole.substr(0, whole.find("plan:"));
  ReadResult result = read("// two\n" + alone + whole + alone);
  ASSERT_TRUE(result.programs) << result.messages;
  ASSERT_EQ(result.programs->size(), 3U);
  EXPECT_FALSE(result.programs->at(0).plan);
  EXPECT_TRUE(result.programs->at(1).plan);
  EXPECT_EQ(print_planned(result.programs->at(2)), alone);
}

TEST(PlanText, WhatThePlannerMakesReadsBack) {
  std::mt19937 random(3);
  for (int round = 0; round < 100; ++round) {
    std::vector<int64_t> bytes;
    std::vector<Step> steps;
    for (int i = 0; i < 2 + round % 12; ++i) {
      bytes.push_back(64 * static_cast<int64_t>(1 + random() % 9));
      Step step{{}, {i}, i > 0 && random() % 2 == 0};
      if (i > 0) step.reads.push_back(static_cast<int>(random() % static_cast<unsigned>(i)));
      steps.push_back(step);
    }
    Program program = make_program(bytes, steps);
    program.name = "p";
    const Plan plan = plan_memory(program);
    const std::string text = print_program(program) + print_plan(program, plan);
    ReadResult result = read(text);
    ASSERT_TRUE(result.programs) << result.messages << text;
    EXPECT_EQ(print_planned(result.programs->front()), text);
    EXPECT_EQ(plan_memory(result.programs->front().program).arena_bytes, plan.arena_bytes);
  }
}

TEST(PlanText, TheValidatorsWordStandsAtTheBuffer) {
  EXPECT_EQ(messages_of(edited("arena [128, 256)", "arena [64, 192)")),
            "23:3: error: #6 %x.y and #7 %7 overlap while both live [bad-plan]\n"
            "22:3: note: the other lies here\n");
  // The offer alone lets %x.y lie on %5.
  EXPECT_EQ(messages_of(edited("v6: out may share a or b", "v6: out may share b")),
            "22:3: error: #5 %5 and #6 %x.y overlap while both live [bad-plan]\n"
            "21:3: note: the other lies here\n");
  EXPECT_EQ(messages_of(edited("live [2, 4)", "live [2, 3)")),
            "23:3: error: #7 %7 is used outside its live range [bad-plan]\n");
  EXPECT_EQ(messages_of(edited("arena [128, 256)", "arena [192, 320)")),
            "23:3: error: #7 %7 reaches beyond the arena [bad-plan]\n");
  EXPECT_EQ(messages_of(edited("  #7 %7 live [2, 4) arena [128, 256) align 64\n", "")),
            "23:34: error: found a sum of 384, expected 256 [graph-syntax]\n");
}

TEST(PlanText, MissingPlacesAndScratchAreToldAtThePlan) {
  std::string text = edited("scratch 320 bytes", "scratch 319 bytes");
  EXPECT_EQ(messages_of(text), "20:1: error: kernel @v5 needs 320 bytes of scratch [bad-plan]\n");
  text = edited("  #7 %7 live [2, 4) arena [128, 256) align 64\n", "");
  text.replace(text.find("384"), 3, "256");
  EXPECT_EQ(messages_of(text), "20:1: error: 2 places for 3 arena buffers [bad-plan]\n");
}

struct Wrong {
  const char* from;
  const char* to;
  const char* message;
};

TEST(PlanText, EachWrongWordIsToldWithItsPlace) {
  const Wrong cases[] = {
      {"program @m", "program m",
       "1:9: error: found `m.train`, expected the program's name, `@name`"},
      {"capacity=8", "capacity=0", "1:28: error: found `0`, expected a capacity of at least 1"},
      {"#1 param", "#2 param", "3:4: error: found buffer 2, expected 1"},
      {"param \"fc", "weight \"fc",
       "3:6: error: found `weight`, expected input, param, state, output, constant or arena"},
      {"\"fc.w@m\"", "fc", "3:12: error: found `fc`, expected a name, as `%3` or in quotes"},
      {"\"fc.w@m\"", "\"fc.w@m", "3:12: error: the quotes are not closed"},
      {"f32[4,4]", "f32[4,x]",
       "3:23: error: `f32[4,x]` is no type; expected one such as f32[batch,10]"},
      {"f32[4,4] 64 bytes block 1", "f32[4,4",
       "3:30: error: found the end of the line, expected `]`"},
      {"f32[4,4]", "f32[4000000000,4000000000]", "3:23: error: a buffer of this type is too large"},
      {"64 bytes", "60 bytes", "3:32: error: found a size of 60, expected 64"},
      {"block 4", "block 3", "6:42: error: found block 3, expected 4"},
      {"rows (", "row (", "10:16: error: found `row`, expected the kernel's class"},
      {"w: inout", "w: both", "10:36: error: found `both`, expected in, out, inout or worker"},
      {"c: in,", "w: in,", "10:43: error: `w` is declared twice"},
      {"share a or b", "share a or v6",
       "11:64: error: found `v6`, expected the name of a slot that is read"},
      {"b: in,", "b: in may share a,", "11:50: error: only outputs may share"},
      {"kernel 1 @v6", "kernel 3 @v6", "11:10: error: found kernel 3, expected 1"},
      {"check #0", "check #2", "13:9: error: #2 is no input of integers"},
      {"#0 input", "#0 param", "13:9: error: #0 is no input of integers"},
      {"i32[batch]", "f32[batch]", "13:9: error: #0 is no input of integers"},
      {"[0, 10)", "[1, 10)", "13:9: error: found a range from 1, expected from 0"},
      {"[0, 10)", "[0, 0)", "13:19: error: found `0`, expected more than 0"},
      {"kernel 1 (a=#5", "kernel 3 (a=#5", "15:23: error: kernel 3 is not declared"},
      {"a=#5, b", "a=#8, b", "15:29: error: buffer #8 is not declared"},
      {"a=#5, b", "b=#5, b", "15:26: error: found `b`, expected `a`"},
      {"a=#5, b=#2, v6=#6)", "a=#5, b=#2)", "15:36: error: found `)`, expected `,`"},
      {"launch 4", "launch 5", "18:10: error: found launch 5, expected 4"},
      {"  launch 4 @v9 kernel 2 ()\n", "", "18:14: error: found a count of 5, expected 4"},
      {"7 blocks", "8 blocks", "19:26: error: found a count of 8, expected 7"},
      {"320 bytes of", "0 bytes of", "19:36: error: found a size of 0, expected 320"},
      {"  check #0 in [0, 10)\n  launch 0",
       "  launch 0 @v9 kernel 2 ()\n  check #0 in [0, 10)\n  launch 0",
       "14:3: error: found `check`, expected buffers, kernels, checks, launches and their counts, "
       "in this order"},
      {"#7 %7 live", "#7 %5 live", "23:6: error: another name than #7 has"},
      {"live [2, 4)", "live [4, 4)", "23:18: error: found `4`, expected more than 4"},
      {"[128, 256) align 64", "[128, 256) align 32",
       "23:44: error: found an alignment of 32, expected 64"},
      {"at least 128", "at least 256", "24:28: error: found `256`, expected less than the peak"},
      {"384 without", "380 without", "24:34: error: found a sum of 380, expected 384"},
      {"plan:", "plans:", "20:1: error: found `plans`, expected `program`"},
      {"peak 256", "  peak 256", "24:5: error: found `peak`, expected the peak of the plan"},
  };
  for (const Wrong& wrong : cases) {
    std::string found = messages_of(edited(wrong.from, wrong.to));
    EXPECT_EQ(found.substr(0, found.find(" [graph-syntax]")), wrong.message);
  }
}

TEST(PlanText, EveryCutTextHasAMessageOrReads) {
  const std::string text = kText;
  for (size_t size = 0; size < text.size(); ++size) {
    ReadResult result = read(text.substr(0, size));
    EXPECT_EQ(result.programs.has_value(), result.messages.empty()) << size;
  }
  EXPECT_EQ(messages_of("program @m {capacity=1}:\n"),
            "1:25: error: the text ends, expected the counts of the program [graph-syntax]\n");
}

}  // namespace
}  // namespace gradus::plan
