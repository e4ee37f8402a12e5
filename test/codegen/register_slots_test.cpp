// Which scratch lives in registers, and that code which keeps it there agrees with the interpreter.
#include "codegen/register_slots.h"

#include <fmt/format.h>

#include "kernel_check.h"

namespace gradus::codegen {
namespace {

/// Sums over the rows of `columns` columns, and twice that; `body` replaces what a turn does.
std::string sums(int columns, const std::string& body = "") {
  const char* turn =
      "      lanes c 0..{0}\n        %0 = load x[f,c] : f32\n        %1 = load a[c] : f32\n"
      "        %2 = add %1, %0 : f32\n        store a[c], %2\n";
  return fmt::format(
             "kernel @sums rows {{rows=1 unroll=4 held=false}}:\n"
             "  a: worker f32[64] at 0\n  x: in f32[n,{0}]\n  y: out f32[3,{0}]\n"
             "  par q 0..3\n    lanes c 0..{0}\n      store a[c], 0.5\n"
             "    seq f q*5..q*5+5 max n\n{1}"
             "    lanes c 0..{0}\n      %9 = load a[c] : f32\n      store y[q,c], %9\n",
             columns, body.empty() ? fmt::format(fmt::runtime(turn), columns) : body);
}

std::vector<int> vectors_of(const std::string& text, const char* cpu = "test-avx2") {
  Target target;
  EXPECT_TRUE(frozen_target(cpu, target));
  return register_slots(kernel_of(text), target);
}

TEST(RegisterSlots, SumsOfFewColumns) {
  EXPECT_EQ(vectors_of(sums(10)), (std::vector<int>{2, 0, 0}));
  EXPECT_EQ(vectors_of(sums(10), "test-avx512"), (std::vector<int>{1, 0, 0}));
  EXPECT_EQ(vectors_of(sums(32)), (std::vector<int>{4, 0, 0}));
  EXPECT_EQ(vectors_of(sums(33)), (std::vector<int>{0, 0, 0})) << "too many vectors";
  for (int columns : {1, 7, 8, 10, 16, 31, 32, 33, 64}) {
    for (int64_t n : {1, 4, 5, 11, 15}) expect_equal(sums(columns), {.n = n, .capacity = 15});
  }
}

TEST(RegisterSlots, OneElement) {
  const std::string text =
      "kernel @sum rows {rows=1 unroll=4 held=false}:\n  a: worker f32[1] at 0\n"
      "  x: in f32[n]\n  y: out f32[]\n  store a[0], -0.0\n  seq f 0..n\n"
      "    %0 = load x[f] : f32\n    %1 = load a[0] : f32\n    %2 = add %1, %0 : f32\n"
      "    store a[0], %2\n  %3 = load a[0] : f32\n  store y[], %3\n";
  EXPECT_EQ(vectors_of(text), (std::vector<int>{1, 0, 0}));
  for (int64_t n : {1, 2, 33}) expect_equal(text, {.n = n});
}

/// Kernels whose scratch has to be in memory: what an element holds is asked for at another lane, by
/// part of the lanes, or under a condition.
TEST(RegisterSlots, OtherLanesAreReadFromMemory) {
  const std::string bodies[] = {
      // another range
      "      lanes c 0..9\n        %0 = load x[f,c] : f32\n        store a[c], %0\n",
      // the next element
      "      lanes c 0..10\n        %0 = load a[c+1] : f32\n        store a[c], %0\n",
      // one element for all lanes
      "      lanes c 0..10\n        %0 = load a[3] : f32\n        store a[c], %0\n",
      // scalars
      "      seq c 0..10\n        %0 = load x[f,c] : f32\n        store a[c], %0\n",
      // at a loaded place
      "      lanes c 0..10\n        %0 = index c : i32\n        %1 = load a[%0] : f32\n"
      "        store a[c], %1\n",
      // under a condition
      "      lanes c 0..10\n        %0 = load x[f,c] : f32\n        %1 = less %0, 0.0 : bool\n"
      "        %2 = load a[c] where %1 else 1.0 : f32\n        store a[c], %2\n",
  };
  for (const std::string& body : bodies) {
    EXPECT_EQ(vectors_of(sums(10, body)), (std::vector<int>{0, 0, 0})) << body;
  }
}

/// A largest element with its place, and whether any is negative, in loops within loops, of which one
/// does not run and the others run with few rows or none.
TEST(RegisterSlots, SlotsOfSeveralTypesGoAlongInNestedLoops) {
  const std::string text =
      "kernel @k rows {rows=1 unroll=4 held=false}:\n  a: worker f32[11] at 0\n"
      "  i: worker i32[11] at 64\n  s: worker bool[11] at 128\n  t: worker i64[1] at 192\n"
      "  x: in f32[n,5,11]\n  y: out f32[5,11]\n  at: out i32[5,11]\n  neg: out bool[11]\n"
      "  count: out i64[]\n  store t[0], i64(0)\n  lanes c 0..11\n    store s[c], false\n"
      "  seq g 0..5\n    lanes c 0..11\n      store a[c], -inf\n      store i[c], 0\n"
      "    seq z 3..3\n      lanes c 0..11\n        store a[c], 9.0\n"
      "    seq f 1..n\n      %0 = load t[0] : i64\n      %1 = add %0, i64(1) : i64\n"
      "      store t[0], %1\n      lanes c 0..11\n        %2 = load x[f,g,c] : f32\n"
      "        %3 = load a[c] : f32\n        %4 = less %3, %2 : bool\n"
      "        %5 = select %4, %2, %3 : f32\n        store a[c], %5\n        %6 = load i[c] : i32\n"
      "        %7 = index f : i32\n        %8 = select %4, %7, %6 : i32\n        store i[c], %8\n"
      "        %9 = less %2, 0.0 : bool\n        %10 = load s[c] : bool\n"
      "        %11 = or %9, %10 : bool\n        store s[c], %11\n"
      "    lanes c 0..11\n      %12 = load a[c] : f32\n      store y[g,c], %12\n"
      "      %13 = load i[c] : i32\n      store at[g,c], %13\n"
      "  lanes c 0..11\n    %14 = load s[c] : bool\n    store neg[c], %14\n"
      "  %15 = load t[0] : i64\n  store count[], %15\n";
  EXPECT_EQ(vectors_of(text), (std::vector<int>{2, 2, 2, 1, 0, 0, 0, 0, 0}));
  for (int64_t n : {1, 2, 9}) expect_equal(text, {.n = n, .capacity = 9, .specials = n == 9});
}

TEST(RegisterSlots, WhatIsStoredInOneLoopOnlyIsInMemoryForTheNext) {
  const std::string text =
      "kernel @k rows {rows=1 unroll=4 held=false}:\n  a: worker f32[8] at 0\n  b: worker f32[8] at 64\n"
      "  x: in f32[4,8]\n  y: out f32[4,8]\n"
      "  seq f 0..4\n    lanes c 0..8\n      %0 = load x[f,c] : f32\n      store a[c], %0\n"
      "      store b[c], %0\n    lanes c 0..8\n      %1 = load b[c] : f32\n      store y[f,c], %1\n"
      "  seq g 0..4\n    lanes c 0..8\n      %2 = load a[c] : f32\n      %3 = load y[g,c] : f32\n"
      "      %4 = add %2, %3 : f32\n      store y[g,c], %4\n";
  EXPECT_EQ(vectors_of(text), (std::vector<int>{0, 1, 0, 0}));
  expect_equal(text, {});
}

}  // namespace
}  // namespace gradus::codegen
