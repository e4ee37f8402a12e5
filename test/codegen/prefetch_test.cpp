// What a strip asks for ahead: the rows of the next item's matrices, in its first loop over rows.
#include <fmt/format.h>

#include <sstream>

#include "kernel_check.h"

namespace gradus::codegen {
namespace {

/// Two passes over the rows of a head; `rows` of its 6.
std::string heads(const std::string& cls, int64_t rows) {
  return fmt::format(R"(kernel @k {0} {{rows=4 unroll=1 held=false}}:
  x: in f32[n,2,6,32] strides [600,32,100,1] node 1
  turned: in f32[n,2,32,6] strides [600,32,1,100] node 2
  mask: in bool[6,32] node 3
  y: out f32[n,2,6,32] strides [600,32,100,1] node 4
  s: worker f32[6,32] at 0
  par b0 0..n
    par b1 0..2
      seq t 0..{1}
        lanes c 0..32
          %0 = load x[b0,b1,t,c] : f32
          %1 = load turned[b0,b1,c,t] : f32
          %2 = add %0, %1 : f32
          store s[t,c], %2
      seq u 0..{1}
        lanes d 0..32
          %3 = load s[u,d] : f32
          %4 = load mask[u,d] : bool
          %5 = select %4, %3, 0.0 : f32
          store y[b0,b1,u,d], %5
)",
                     cls, rows);
}

int lines_asked_for(const std::string& text, const Target& target) {
  plan::Program program = program_of(kernel_of(text), 4);
  plan::Plan plan;
  std::istringstream lines(print_asm({{&program, &plan, "step"}}, target));
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    count += line.find("prefetcht1") != std::string::npos;
  }
  return count;
}

TEST(Ahead, AStripAsksForTheRowsOfTheNextItem) {
  Target target = *named_target("x86-64-v4");
  // Two lines of a row of x, turned and y; neither the mask, which all items share, nor scratch.
  EXPECT_EQ(lines_asked_for(heads("strip", 6), target), 6);
  EXPECT_EQ(lines_asked_for(heads("strip", 5), target), 0);  // not the matrices' rows
  target.l2_bytes = 2048;                                    // they would push each other out
  EXPECT_EQ(lines_asked_for(heads("strip", 6), target), 0);
}

TEST(Ahead, NothingIsAskedForOutsideOfStrips) {
  EXPECT_EQ(lines_asked_for(heads("rows", 6), *named_target("x86-64-v4")), 0);
}

TEST(Ahead, TheLastItemLooksBeyondTheEndWithoutHarm) {
  for (const Target& target : test_targets()) {
    EXPECT_EQ(compare(kernel_of(heads("strip", 6)), target, {.n = 3}), "") << target.cpu;
  }
}

}  // namespace
}  // namespace gradus::codegen
