// Folds and what is held between loops: rows of every length around the vectors, chunked sums, NaN.
#include <fmt/format.h>

#include "graph/sum_order.h"
#include "kernel_check.h"

namespace gradus::codegen {
namespace {

std::string softmax(int64_t length, bool held) {
  return fmt::format(R"(kernel @softmax rows:
  x: in f32[n,{0}]
  y: out f32[n,{0}]
  best: out i32[n]
  par r 0..n
    lanes c 0..{0}{1} -> %m = max : f32, %i = argmax : i32, %l = min : f32
      %0 = load x[r,c] : f32
      fold %m, %0
      fold %i, %0
      fold %l, %0
    lanes c 0..{0}{1} -> %s = sum : f32
      %9 = load x[r,c] : f32
      %1 = sub %9, %m : f32
      %2 = exp %1 : f32
      store y[r,c], %2
      fold %s, %2
    store best[r], %i
    %8 = add %s, %l : f32
    lanes c 0..{0}
      {2}
      %3 = div %7, %8 : f32
      store y[r,c], %3
)",
                     length, held ? " held" : "",
                     held ? "%7 = add %2, 0.0 : f32" : "%7 = load y[r,c] : f32");
}

TEST(Rows, EveryLength) {
  for (int64_t length :
       {1, 2, 3, 5, 7, 8, 9, 10, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100, 129}) {
    expect_equal(softmax(length, length % 2 == 0), {.n = 4, .capacity = 9});
  }
}

TEST(Rows, NotANumberAndInfinityPassThrough) {
  for (uint32_t seed = 1; seed < 6; ++seed) {
    expect_equal(R"(kernel @k rows:
  x: in f32[n,37]
  m: out f32[n]
  l: out f32[n]
  i: out i32[n]
  s: out f32[n]
  par r 0..n
    lanes c 0..37 -> %m = max : f32, %i = argmax : i32, %l = min : f32, %s = sum : f32
      %0 = load x[r,c] : f32
      fold %i, %0
      %1 = abs %0 : f32
      fold %m, %1
      fold %l, %1
      fold %s, %0
    store m[r], %m
    store l[r], %l
    store i[r], %i
    store s[r], %s
)",
                 {.n = 40, .seed = seed, .specials = true});
  }
}

TEST(Rows, IntegersAndBooleansFold) {
  expect_equal(R"(kernel @k rows:
  x: in i32[n,21]
  b: in bool[n,21]
  s: out i32[n]
  m: out i32[n]
  i: out i32[n]
  any: out bool[n]
  par r 0..n
    lanes c 0..21 -> %s = sum : i32, %m = min : i32, %i = argmax : i32, %a = max : bool
      %0 = load x[r,c] : i32
      %1 = load b[r,c] : bool
      fold %s, %0
      fold %m, %0
      fold %i, %0
      fold %a, %1
    store s[r], %s
    store m[r], %m
    store i[r], %i
    store any[r], %a
)",
               {.n = 9, .limit = 1000});
}

TEST(Rows, RangesThatEndAtRunTime) {
  expect_equal(R"(kernel @causal rows:
  x: in f32[n,70]
  s: out f32[n,70]
  y: out f32[n,70]
  par r 0..n
    seq i 0..70
      lanes j 0..i+1 -> %s = sum : f32, %m = max : f32
        %0 = load x[r,j] : f32
        fold %s, %0
        fold %m, %0
      %1 = add %s, %m : f32
      store s[r,i], %1
      lanes j 0..i
        %2 = load x[r,j] : f32
        %3 = mul %2, %1 : f32
        store y[r,j], %3
)",
               {.n = 2});
}

TEST(Rows, SumsOfLongRowsAreChunked) {
  for (int64_t length : {16384, 16385, 20480, 50257}) {
    expect_equal(fmt::format(R"(kernel @sum rows:
  x: in f32[{0}]
  s: out f32[]
  m: out f32[]
  i: out i32[]
  lanes c 0..{0} -> %s = sum : f32, %m = max : f32, %i = argmax : i32
    %0 = load x[c] : f32
    fold %s, %0
    fold %m, %0
    fold %i, %0
  store s[], %s
  store m[], %m
  store i[], %i
)",
                             length),
                 {});
  }
}

/// Totals of more than 16384 chunks are summed in chunks again: at 67108864 elements the last length
/// that has one level of totals, then whole chunks and rests of both levels.
TEST(Rows, TotalsOfVeryLongRowsAreChunkedToo) {
  constexpr int64_t kEdge = kSumChunk * kSumUnchunked;
  for (int64_t length : {kEdge, kEdge + 1, kEdge + kSumChunk * 40 + 777}) {
    const kernel::Kernel kernel = kernel_of(fmt::format(R"(kernel @sum rows:
  s: out f32[]
  m: out f32[]
  i: out i32[]
  lanes c 0..{} -> %s = sum : f32, %m = max : f32, %i = argmax : i32
    %0 = index c : i32
    %1 = mod %0, 1013 : i32
    %2 = convert %1 : f32
    %3 = mul %2, 0.1 : f32
    fold %s, %3
    fold %m, %3
    fold %i, %3
  store s[], %s
  store m[], %m
  store i[], %i
)",
                                                        length));
    const auto element = [](int64_t i) { return static_cast<float>(i % 1013) * 0.1F; };
    const float expected = sum_lanes<float>(length, element);
    // All periods are equal: 0.1 * (0 + 1 + .. + 1012) each.
    const double periods = static_cast<double>(length) / 1013;
    EXPECT_NEAR(expected / (periods * 0.1 * 1012 * 1013 / 2), 1, 1e-4);
    for (const Target& target : {detect_host(), *named_target("x86-64-v3")}) {
      CompiledKernel compiled(kernel, target, 1);
      std::vector<std::vector<uint8_t>> buffers(3, std::vector<uint8_t>(4));
      gradus_frame frame = {};
      frame.rows = frame.workers = 1;
      EXPECT_EQ(compiled.run(buffers, frame), "");
      float sum = 0, most = 0;
      int32_t first = 0;
      std::memcpy(&sum, buffers[0].data(), 4);
      std::memcpy(&most, buffers[1].data(), 4);
      std::memcpy(&first, buffers[2].data(), 4);
      EXPECT_EQ(sum, expected) << length << " on " << target.cpu;
      EXPECT_EQ(most, element(1012));
      EXPECT_EQ(first, 1012);
    }
  }
}

}  // namespace
}  // namespace gradus::codegen
