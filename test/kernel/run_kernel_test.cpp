// The interpreter against values worked out by hand: loops, lanes, held values, folds, guards,
// packs, blocks of K, buffers in place; and every access outside its bounds is caught.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernel/run.h"
#include "kernel/text.h"

namespace gradus::kernel {
namespace {

Kernel kernel_of(const std::string& text) {
  SourceMap sources;
  DiagEngine diags(sources);
  auto kernels = read_kernels(sources, sources.add("t.kernel", text), diags);
  if (!kernels) throw std::runtime_error(diags.render(false));
  return kernels->front();
}

template <typename T>
BufferView view_of(std::vector<T>& values) {
  return {values.data(), values.size() * sizeof(T)};
}

using Floats = std::vector<float>;
using Ints = std::vector<int32_t>;

TEST(RunKernel, LanesLoadComputeAndStore) {
  Kernel kernel = kernel_of(R"(kernel @bias_relu pointwise:
  x: in f32[n,3]
  b: in f32[3]
  y: out f32[n,3]
  par r 0..n
    lanes c 0..3
      %0 = load x[r,c] : f32
      %1 = load b[c] : f32
      %2 = add %0, %1 : f32
      %3 = less_equal %2, 0.0 : bool
      %4 = select %3, 0.0, %2 : f32
      store y[r,c], %4
)");
  Floats x = {1, -5, 2, 0, 7, -9}, b = {1, 2, 3}, y(9, -1);
  run_kernel(kernel, {view_of(x), view_of(b), view_of(y)}, {.n = 2});
  EXPECT_EQ(y, (Floats{2, 0, 5, 1, 9, 0, -1, -1, -1}));
}

TEST(RunKernel, FoldsFollowTheirOrderAndHeldValuesStay) {
  Kernel kernel = kernel_of(R"(kernel @softmax rows:
  x: in f32[n,5]
  y: out f32[n,5]
  best: out i32[n]
  low: out f32[n]
  par r 0..n
    lanes c 0..5 held -> %m = max : f32, %i = argmax : i32, %l = min : f32
      %0 = load x[r,c] : f32
      fold %m, %0
      fold %i, %0
      fold %l, %0
    lanes c 0..5 held -> %s = sum : f32
      %1 = sub %0, %m : f32
      fold %s, %1
    store best[r], %i
    store low[r], %l
    lanes c 0..5
      %2 = add %1, %s : f32
      store y[r,c], %2
)");
  Floats x = {1, 3, 2, 3, 0, -1, -2, -3, -4, -5}, y(10), low(2);
  Ints best(2);
  run_kernel(kernel, {view_of(x), view_of(y), view_of(best), view_of(low)}, {.n = 2});
  EXPECT_EQ(best, (Ints{1, 0}));
  EXPECT_EQ(low, (Floats{0, -5}));
  EXPECT_EQ(y, (Floats{-8, -6, -7, -6, -9, -10, -11, -12, -13, -14}));
}

TEST(RunKernel, SumsAddLaneByLane) {
  Kernel kernel = kernel_of(R"(kernel @sum rows:
  x: in f32[33]
  s: out f32[]
  lanes c 0..33 -> %s = sum : f32
    %0 = load x[c] : f32
    fold %s, %0
  store s[], %s
)");
  // Elements 0 and 32 meet in lane 0 first: 1e8 - 1e8, then the ones of the other lanes are kept.
  Floats x(33, 1.0F), s(1);
  x[0] = 1e8F;
  x[32] = -1e8F;
  run_kernel(kernel, {view_of(x), view_of(s)}, {});
  EXPECT_EQ(s[0], 31.0F);
}

TEST(RunKernel, LongHeldRangesKeepEveryBlock) {
  Kernel kernel = kernel_of(R"(kernel @held rows:
  y: out i32[700]
  lanes c 0..700 held -> %s = max : i32
    %0 = index c*2+1 : i32
    fold %s, %0
  lanes c 0..700
    %1 = sub %s, %0 : i32
    store y[c], %1
)");
  Ints y(700);
  run_kernel(kernel, {view_of(y)}, {});
  for (int32_t c = 0; c < 700; ++c) ASSERT_EQ(y[static_cast<size_t>(c)], 1399 - (2 * c + 1));
}

TEST(RunKernel, LoadsMayBeGuardedAndIndexedByData) {
  Kernel kernel = kernel_of(R"(kernel @gather rows:
  table: in f32[3,2]
  at: in i32[n]
  y: out f32[n,2]
  z: out f32[n]
  par r 0..n
    %0 = load at[r] : i32
    %1 = less %0, 3 : bool
    lanes c 0..2
      %2 = load table[%0,c] where %1 else -7.5 : f32
      store y[r,c], %2
    if %1
      %3 = load table[%0,1] : f32
      store z[r], %3
)");
  Floats table = {1, 2, 3, 4, 5, 6}, y(6), z(3, -1);
  Ints at = {2, 9, 0};
  run_kernel(kernel, {view_of(table), view_of(at), view_of(y), view_of(z)}, {.n = 3});
  EXPECT_EQ(y, (Floats{5, 6, -7.5, -7.5, 1, 2}));
  EXPECT_EQ(z, (Floats{6, -1, 2}));
}

TEST(RunKernel, FactsOfTheStep) {
  Kernel kernel = kernel_of(R"(kernel @facts scalar:
  y: out f32[]
  bits: out i32[4]
  %0 = batch_size : f32
  %1 = mul %0, 0.5 : f32
  store y[], %1
  lanes c 0..4
    %2 = index c : i32
    %3 = random_bits %2 {stream=3} : i32
    store bits[c], %3
)");
  Floats y(1);
  Ints bits(4), again(4), other(4);
  run_kernel(kernel, {view_of(y), view_of(bits)}, {.n = 7, .step = 2, .seed = 5});
  EXPECT_EQ(y[0], 3.5F);
  run_kernel(kernel, {view_of(y), view_of(again)}, {.n = 7, .step = 2, .seed = 5});
  EXPECT_EQ(bits, again);
  run_kernel(kernel, {view_of(y), view_of(other)}, {.n = 7, .step = 3, .seed = 5});
  EXPECT_NE(bits, other);
  EXPECT_NE(bits[0], bits[1]);
}

const char* const kProduct = R"(kernel @product contract:
  x: in f32[2,3]
  w: in f32[3,4]
  y: inout f32[2,4]
  wp: worker f32[2,2,2] at 0
  part: worker f32[2,4] at 128
  par i0 0..2 step 2
    seq k0 0..3 step 2
      pack wp = w[k,j] k k0..k0+2 max 3, j 0..4 panels 2
      tile i i0..i0+2 max 2 step 2, j 0..4 step 2
        micro %0 = sum k k0..k0+2 max 3: x[i,k] * wp[k-k0,j] carry part[i-i0,j] first k0==0 last 3
        at last
          %1 = load y[i,j] : f32
          %2 = sub %1, %0 : f32
          store y[i,j], %2
)";

TEST(RunKernel, ProductsInBlocksWithAnUpdateInPlace) {
  Floats x = {1, 2, 3, 4, 5, 6};
  Floats w = {1, 0, 2, 0, 0, 1, 0, 2, 1, 1, 1, 1};
  Floats y(8, 100);
  run_kernel(kernel_of(kProduct), {view_of(x), view_of(w), view_of(y), {}, {}}, {});
  // x*w = [[4,5,5,7],[10,11,14,16]]
  EXPECT_EQ(y, (Floats{96, 95, 95, 93, 90, 89, 86, 84}));
}

TEST(RunKernel, ChunksOfTheSumAddInOrder) {
  // Chunks of 2: (1e8 + 1) - the 1 is lost -, then (-1e8 + 1) likewise; the totals cancel to 0. One
  // chain would give ((1e8 + 1) - 1e8) + 1 = 1.
  Kernel kernel = kernel_of(R"(kernel @chunks contract:
  x: in f32[1,4]
  w: in f32[4,1]
  y: out f32[1,1]
  part: worker f32[1,1] at 0
  total: worker f32[1,1] at 128
  seq k0 0..4 step 1
    tile i 0..1 step 1, j 0..1 step 1
      micro %0 = sum k k0..k0+1 max 4: x[i,k] * w[k,j] carry part[i,j] totals total[i,j] chunk 2 first k0==0 last 4
      at last
        store y[i,j], %0
)");
  Floats x = {1e8F, 1, -1e8F, 1}, w = {1, 1, 1, 1}, y = {7};
  run_kernel(kernel, {view_of(x), view_of(w), view_of(y), {}, {}}, {});
  EXPECT_EQ(y[0], 0.0F);
}

TEST(RunKernel, MultiplyAddRoundsOnceOrTwice) {
  Kernel kernel = kernel_of(R"(kernel @dot contract:
  x: in f32[1,2]
  w: in f32[2,1]
  y: out f32[1,1]
  tile i 0..1 step 1, j 0..1 step 1
    micro %0 = sum k 0..2: x[i,k] * w[k,j]
    at last
      store y[i,j], %0
)");
  float a = 1.0F + 0x1p-12F;
  Floats x = {-1, a}, w = {1.0F + 0x1p-11F, a}, y = {7};
  run_kernel(kernel, {view_of(x), view_of(w), view_of(y)}, {});
  EXPECT_EQ(y[0], 0x1p-24F);
  run_kernel(kernel, {view_of(x), view_of(w), view_of(y)}, {.fused_multiply_add = false});
  EXPECT_EQ(y[0], 0.0F);
}

TEST(RunKernel, ScratchDoesNotOutliveAnItem) {
  Kernel kernel = kernel_of(R"(kernel @leak rows:
  y: out f32[2]
  s: worker f32[1] at 0
  par r 0..2
    %0 = load s[0] : f32
    store y[r], %0
    store s[0], 5.0
)");
  Floats y = {1, 1};
  run_kernel(kernel, {view_of(y), {}}, {});
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
}

TEST(RunKernel, AccessesOutsideAreCaught) {
  const std::string head =
      "kernel @bad rows:\n  x: in f32[n,3]\n  y: out f32[4] offset 1\n  i: in i32[1]\n";
  Floats x(6), y(4);
  Ints i = {-1};
  auto run = [&](const std::string& body) {
    run_kernel(kernel_of(head + body), {view_of(x), view_of(y), view_of(i)}, {.n = 2});
  };
  EXPECT_THROW(run("  seq r 0..n+1\n    %0 = load x[r,0] : f32\n"), InternalError);
  EXPECT_THROW(run("  seq r 0..n\n    lanes c 0..4\n      %0 = load x[r,c] : f32\n"),
               InternalError);
  EXPECT_THROW(run("  seq r 0..n\n    %0 = load x[0,r-1] : f32\n"), InternalError);
  EXPECT_THROW(run("  %0 = load i[0] : i32\n  %1 = load x[%0,0] : f32\n"), InternalError);
  EXPECT_NO_THROW(run("  store y[2], 1.0\n"));
  // Inside its extents, but the buffer is smaller than those say.
  EXPECT_THROW(run("  store y[3], 1.0\n"), InternalError);
}

}  // namespace
}  // namespace gradus::kernel
