// Contract kernels against the exact evaluator, bit for bit: layouts, sizes around the tile, blocks
// of K and chunks of its sum, partial batches, epilogues; random legal schedules must not change a
// bit.
#include "kernel/schedule/schedules.h"

#include <gtest/gtest.h>

#include <random>

#include "kernel/run_graph.h"
#include "kernel/schedule/tile.h"
#include "kernel/text.h"

namespace gradus::kernel {
namespace {

struct Product {
  std::string name;
  std::string left, right;  // types
  std::string attrs;
  std::string result;
};

std::string product_text(const Product& p) {
  return "graph @p {\n  %a = input \"a\" : f32" + p.left + "\n  %b = param \"b\" : f32" + p.right +
         "\n  %0 = matmul %a, %b" + p.attrs + " : f32" + p.result + "\n  return %0\n}\n";
}

/// The product in one of four layouts by attributes, M rows possibly times the batch.
std::string layout_text(const std::string& m, int64_t n, int64_t k, bool ta, bool tb) {
  std::string ks = std::to_string(k);
  std::string ns = std::to_string(n);
  std::string attrs = ta && tb ? " {ta=true, tb=true}" : ta ? " {ta=true}" : tb ? " {tb=true}" : "";
  return product_text({"", ta ? "[" + ks + "," + m + "]" : "[" + m + "," + ks + "]",
                       tb ? "[" + ns + "," + ks + "]" : "[" + ks + "," + ns + "]", attrs,
                       "[" + m + "," + ns + "]"});
}

const char* const kTargets[] = {"test-avx2", "test-avx512"};

/// Builds the one cluster of `text` by rule and compares; then under random legal schedules.
void check_graph(const std::string& text, const RunSizes& sizes, int schedules) {
  SCOPED_TRACE(text);
  TestGraph test(text, sizes);
  for (const char* name : kTargets) {
    SCOPED_TRACE(name);
    Target target;
    ASSERT_TRUE(frozen_target(name, target));
    Schedule schedule = schedule_contract(test.graph(), test.cluster(), target, sizes.capacity);
    auto problem = check_contract_schedule(test.graph(), test.cluster(), schedule, target);
    ASSERT_FALSE(problem) << *problem << print_schedule(schedule, ClusterClass::Contract);
    test.expect_exact(schedule, target);
    std::mt19937 random(static_cast<unsigned>(text.size()));
    for (int tried = 0, built = 0; built < schedules && tried < 1000; ++tried) {
      Schedule other = schedule;
      other.mr = 1 + static_cast<int64_t>(random() % 7);
      other.nv = 1 + static_cast<int64_t>(random() % 3);
      other.mc = other.mr * (1 + static_cast<int64_t>(random() % 9));
      other.nc = other.nv * target.lanes * (1 + static_cast<int64_t>(random() % 4));
      other.kc =
          random() % 2 ? int64_t{1} << (random() % 11) : 1 + static_cast<int64_t>(random() % 99);
      other.pack_left = random() % 2;
      other.pack_right = random() % 2;
      other.block_epilogue = schedule.block_epilogue || random() % 2;
      if (check_contract_schedule(test.graph(), test.cluster(), other, target)) continue;
      ++built;
      test.expect_exact(other, target);
    }
  }
}

TEST(Contract, EveryLayoutAtSizesAroundTheTile) {
  const int64_t sizes[] = {1, 2, 5, 7, 9, 10, 15, 16, 17, 31, 33, 65};
  std::mt19937 random(3);
  for (int layout = 0; layout < 4; ++layout) {
    for (int64_t size : sizes) {
      int64_t n = sizes[random() % std::size(sizes)];
      int64_t k = sizes[random() % std::size(sizes)];
      check_graph(layout_text(std::to_string(size), n, k, layout & 1, layout & 2), {1, 1}, 3);
      check_graph(layout_text(std::to_string(n), size, k, layout & 1, layout & 2), {1, 1}, 1);
    }
  }
}

TEST(Contract, LongInnerDimensionsAreCarriedAndChunked) {
  for (int64_t k : {1023, 1024, 1025, 2047, 2049, 3000}) {
    for (int layout = 0; layout < 4; ++layout) {
      check_graph(layout_text("7", 10, k, layout & 1, layout & 2), {1, 1}, 2);
    }
  }
  check_graph(layout_text("3", 1025, 5, false, false), {1, 1}, 1);
  check_graph(layout_text("1023", 3, 5, true, true), {1, 1}, 1);
}

TEST(Contract, FewColumnsMayTurnTheLanes) {
  Target target;
  ASSERT_TRUE(frozen_target("test-avx512", target));
  auto swapped = [&](const std::string& rows, int64_t columns, int64_t inner, bool transposed) {
    TestGraph test(layout_text(rows, columns, inner, transposed, false), {1, 70});
    return schedule_contract(test.graph(), test.cluster(), target, 70).swapped;
  };
  EXPECT_TRUE(swapped("70", 10, 200, true));
  EXPECT_FALSE(swapped("70", 10, 200, false));  // rows of the left operand are no neighbours
  EXPECT_FALSE(swapped("70", 16, 200, true));   // no lane is idle
  EXPECT_FALSE(swapped("70", 10, 20, true));    // too short a sum to pay for the turn
  EXPECT_FALSE(swapped("20", 10, 200, true));
  for (const char* rows : {"70", "batch"}) {
    for (int64_t columns : {2, 10, 18}) {
      check_graph(layout_text(rows, columns, 200, true, false), {67, 70}, 4);
    }
  }
  check_graph(layout_text("70", 10, 1100, true, false), {1, 1}, 4);
}

Schedule schedule_of(const char* cpu, const char* rows, int64_t columns, int64_t inner,
                     bool transposed) {
  Target target;
  EXPECT_TRUE(frozen_target(cpu, target));
  TestGraph test(layout_text(rows, columns, inner, transposed, false), {1, 1});
  return schedule_contract(test.graph(), test.cluster(), target, 1);
}

TEST(Contract, LongSumsDownColumnsGoInBlocksThatTheL1CacheKeeps) {
  Schedule down = schedule_of("test-avx512", "256", 1024, 300, true);
  EXPECT_EQ(down.kc, 256);  // lines: 16 of the 48 KiB, and a whole number of times in a chunk
  EXPECT_EQ(down.mc, 64);
  EXPECT_EQ(down.nc, 128);
  EXPECT_FALSE(down.pack_right);  // 1.2 MB, which another layout packs
  EXPECT_TRUE(schedule_of("test-avx512", "256", 1024, 300, false).pack_right);
  EXPECT_LT(schedule_of("test-avx512", "256", 1024, 256, true).mc, 64);  // one block: cut for threads
  EXPECT_EQ(schedule_of("test-avx2", "256", 1024, 300, true).kc, 300);
  check_graph(layout_text("9", 40, 300, true, false), {1, 1}, 1);
}

TEST(Contract, LongSumsDownColumnsThatManyRowsUseArePacked) {
  Schedule packed = schedule_of("test-avx512", "512", 1024, 300, true);
  EXPECT_TRUE(packed.pack_right);
  EXPECT_EQ(packed.kc, 300);
}

TEST(Contract, LongSumsDownColumnsGoInBlocksThatTheL2CacheKeeps) {
  EXPECT_EQ(schedule_of("test-avx2", "256", 16, 600, false).kc, 600);
  EXPECT_EQ(schedule_of("test-avx2", "256", 16, 600, true).kc, 256);
  EXPECT_EQ(schedule_of("test-avx2", "1024", 16, 600, true).kc, 128);  // lines a page apart
  EXPECT_EQ(schedule_of("test-avx2", "1040", 16, 600, true).kc, 256);
  check_graph(layout_text("40", 9, 600, true, false), {1, 1}, 1);
}

TEST(Contract, RowsOfTheBatchMayBeFewerThanPlanned) {
  for (int64_t n : {1, 2, 7, 31, 32}) {
    check_graph(layout_text("batch", 33, 17, false, false), {n, 32}, 2);
    check_graph(layout_text("3*batch", 10, 700, false, true), {n, 32}, 2);
  }
}

TEST(Contract, TheInnerDimensionMayBeTheBatch) {
  for (int64_t n : {1, 7, 600, 1024, 1500}) {
    check_graph(product_text({"", "[batch,9]", "[batch,17]", " {ta=true}", "[9,17]"}), {n, 1500},
                3);
  }
  // A plan for one chunk needs no totals.
  check_graph(product_text({"", "[batch,9]", "[batch,17]", " {ta=true}", "[9,17]"}), {100, 1024},
              3);
}

TEST(Contract, ColumnsMayBeTheBatch) {
  check_graph(product_text({"", "[9,5]", "[batch,5]", " {tb=true}", "[9,batch]"}), {7, 32}, 3);
}

TEST(Contract, ProductsInARow) {
  check_graph(product_text({"", "[batch,3,5,7]", "[batch,3,7,9]", "", "[batch,3,5,9]"}), {2, 4}, 3);
  check_graph(product_text({"", "[batch,5,7]", "[7,9]", "", "[batch,5,9]"}), {3, 4}, 2);
  check_graph(product_text({"", "[3,1,5,7]", "[4,7,9]", "", "[3,4,5,9]"}), {1, 1}, 2);
  check_graph(product_text({"", "[3,5,7]", "[3,9,7]", " {tb=true}", "[3,5,9]"}), {1, 1}, 2);
}

TEST(Contract, OperandsMayBeViews) {
  check_graph(R"(graph @heads {
  %q = input "q" : f32[batch,6,2,5]
  %k = input "k" : f32[batch,6,2,5]
  %0 = transpose %q {perm=[0,2,1,3]} : f32[batch,2,6,5]
  %1 = transpose %k {perm=[0,2,3,1]} : f32[batch,2,5,6]
  %2 = matmul %0, %1 : f32[batch,2,6,6]
  %3 = mul %2, 0.25 : f32[batch,2,6,6]
  return %3
}
)",
              {2, 3}, 4);
  check_graph(R"(graph @slice {
  %x = input "x" : f32[batch,20]
  %w = param "w" : f32[9,7]
  %0 = slice %x {start=[0,3], step=[1,2]} : f32[batch,7]
  %1 = transpose %w {perm=[1,0]} : f32[7,9]
  %2 = matmul %0, %1 : f32[batch,9]
  return %2
}
)",
              {2, 3}, 4);
}

TEST(Contract, EpiloguesRunOncePerElementAfterTheWholeSum) {
  for (int64_t k : {20, 1500}) {
    std::string ks = std::to_string(k);
    check_graph("graph @dense {\n  %x = input \"x\" : f32[batch," + ks +
                    "]\n  %w = param \"w\" : f32[" + ks + R"(,33]
  %b = param "b" : f32[33]
  %r = input "r" : f32[batch,33]
  %0 = matmul %x, %w : f32[batch,33]
  %1 = add %0, %b : f32[batch,33]
  %2 = maximum %1, 0.0 : f32[batch,33]
  %3 = add %2, %r : f32[batch,33]
  return %2, %3
}
)",
                {7, 8}, 4);
    check_graph("graph @gelu {\n  %x = input \"x\" : f32[batch," + ks +
                    "]\n  %w = param \"w\" : f32[" + ks + R"(,33]
  %0 = matmul %x, %w : f32[batch,33]
  %1 = tanh %0 : f32[batch,33]
  %2 = div %1, %0 : f32[batch,33]
  return %0, %2
}
)",
                {7, 8}, 4);
  }
}

TEST(Contract, OperandsAreNeverOverwritten) {
  Target target;
  ASSERT_TRUE(frozen_target("test-avx2", target));
  TestGraph test(R"(graph @residual {
  %x = input "x" : f32[batch,33]
  %w = param "w" : f32[33,33]
  %r = input "r" : f32[batch,33]
  %0 = matmul %x, %w : f32[batch,33]
  %1 = add %0, %r : f32[batch,33]
  %2 = add %1, %x : f32[batch,33]
  return %1, %2
}
)",
                 {7, 8});
  const Schedule schedule = schedule_contract(test.graph(), test.cluster(), target, 8);
  const std::string text = test.kernel_text(schedule, target);
  EXPECT_EQ(text.find("share x"), std::string::npos) << text;
  EXPECT_EQ(text.find(", x"), std::string::npos) << text;
  test.expect_exact(schedule, target);
}

TEST(Contract, OptimizerUpdatesAreStoredInPlace) {
  for (int64_t capacity : {32, 2000}) {
    check_graph(R"(graph @sgd {
  %x = input "x" : f32[batch,20]
  %dy = input "dy" : f32[batch,9]
  %w = param "w" : f32[20,9]
  %rate = input "rate" : f32[]
  %0 = matmul %x, %dy {ta=true} : f32[20,9]
  %1 = neg %rate : f32[]
  %2 = fma %1, %0, %w : f32[20,9]
  return update "w" %2
}
)",
                {capacity - 3, capacity}, 4);
    check_graph(R"(graph @adam {
  %x = input "x" : f32[batch,20]
  %dy = input "dy" : f32[batch,9]
  %w = param "w" : f32[20,9]
  %m = state "m" : f32[20,9]
  %v = state "v" : f32[20,9]
  %rate = input "rate" : f32[]
  %0 = matmul %x, %dy {ta=true} : f32[20,9]
  %1 = mul %0, 0.1 : f32[20,9]
  %2 = fma %m, 0.9, %1 : f32[20,9]
  %3 = mul %0, %0 : f32[20,9]
  %4 = mul %3, 0.001 : f32[20,9]
  %5 = fma %v, 0.999, %4 : f32[20,9]
  %6 = abs %5 : f32[20,9]
  %7 = sqrt %6 : f32[20,9]
  %8 = add %7, 1e-08 : f32[20,9]
  %9 = div %2, %8 : f32[20,9]
  %10 = fma %rate, %9, %w : f32[20,9]
  return update "w" %10, update "m" %2, update "v" %5
}
)",
                {capacity - 3, capacity}, 4);
  }
}

TEST(Contract, SchedulesFollowTheRules) {
  Target target;
  ASSERT_TRUE(frozen_target("test-avx2", target));
  auto schedule = [&](const std::string& text, int64_t capacity) {
    TestGraph test(text, {1, capacity});
    return schedule_contract(test.graph(), test.cluster(), target, capacity);
  };
  // A transposed right operand is packed, a small plain one is not.
  EXPECT_TRUE(schedule(layout_text("batch", 256, 64, false, true), 32).pack_right);
  EXPECT_FALSE(schedule(layout_text("batch", 256, 784, false, false), 32).pack_right);
  // Rows that collide in the cache are packed where enough rows pay for it.
  EXPECT_TRUE(schedule(layout_text("batch", 1024, 512, false, false), 128).pack_right);
  EXPECT_FALSE(schedule(layout_text("1024", 512, 512, true, false), 1).pack_left);
  // K fits one block, or is cut so that chunks are whole blocks.
  EXPECT_EQ(schedule(layout_text("batch", 256, 640, false, false), 32).kc, 640);
  EXPECT_EQ(schedule(layout_text("batch", 256, 784, false, false), 32).kc, 512);
  // A large product is cut into items for many threads, a tiny one is one item.
  Schedule large = schedule(layout_text("batch", 512, 512, false, false), 1024);
  EXPECT_GE((1024 + large.mc - 1) / large.mc * ((512 + large.nc - 1) / large.nc), 8);
  Schedule tiny = schedule(layout_text("batch", 10, 32, false, false), 32);
  EXPECT_GE(tiny.mc, 32);
  EXPECT_GE(tiny.nc, 10);
  // A single row needs a wide tile, the usual product the usual one.
  EXPECT_EQ(schedule(layout_text("1", 768, 768, false, false), 1).mr, 1);
  EXPECT_EQ(large.mr, 4);
  EXPECT_EQ(large.nv, 3);
}

TEST(Contract, SchedulesOfWideRegistersFollowTheRules) {
  Target target;
  ASSERT_TRUE(frozen_target("test-avx512", target));
  auto schedule = [&](int64_t columns, int64_t inner, int64_t rows) {
    TestGraph test(layout_text("batch", columns, inner, false, false), {1, rows});
    return schedule_contract(test.graph(), test.cluster(), target, rows);
  };
  // What the L2 cache holds is read where it lies, all columns by each tile of rows; what is larger
  // is packed in blocks that leave room in it.
  Schedule small = schedule(512, 512, 512);
  EXPECT_FALSE(small.pack_right);
  EXPECT_GE(small.nc, 512);
  // Sixteen items, and more where they would be long: threads wait for the last one.
  EXPECT_EQ(small.mc, 512 / 16);
  EXPECT_EQ(schedule(512, 512, 2048).mc, 2048 / 64);
  // Some microseconds are enough for several threads.
  EXPECT_EQ(schedule(10, 256, 128).mc, 128 / 4);
  Schedule large = schedule(1024, 1024, 1024);
  EXPECT_TRUE(large.pack_right);
  EXPECT_LE(large.nc * large.kc * 4, target.l2_bytes / 2);
  EXPECT_FALSE(schedule(1024, 1024, 32).pack_right);
  EXPECT_EQ(large.mr, 8);
  EXPECT_EQ(large.nv, 2);
  // Sums over the batch go through blocks that leave its columns in the L1 cache.
  TestGraph sum(product_text({"", "[batch,256]", "[batch,512]", " {ta=true}", "[256,512]"}), {1, 1024});
  EXPECT_EQ(schedule_contract(sum.graph(), sum.cluster(), target, 1024).kc, 256);
}

TEST(Contract, TilesFitTheSizes) {
  Target target;
  ASSERT_TRUE(frozen_target("test-avx512", target));
  // The usual tile, but where another wastes clearly fewer rows.
  EXPECT_EQ(choose_tile(512, 512, 512, target).mr, 8);
  EXPECT_EQ(choose_tile(12, 512, 512, target).mr, 12);
  // The last columns take the vectors that they need: a third would cost nothing.
  double whole = tile_cycles({8, 2}, 64, 64, 64, target);
  EXPECT_LT(whole, tile_cycles({8, 2}, 64, 65, 64, target));
  EXPECT_LT(tile_cycles({8, 2}, 64, 80, 64, target), tile_cycles({8, 2}, 64, 96, 64, target));
  // Half the arithmetic takes longer; a tile that streams too many columns from the L2 as well.
  Target half = target;
  half.fma_per_cycle = 1;
  EXPECT_GT(tile_cycles({8, 2}, 64, 64, 64, half), whole);
  EXPECT_GT(tile_cycles({2, 8}, 64, 128, 784, target), tile_cycles({8, 2}, 64, 128, 784, target));
}

}  // namespace
}  // namespace gradus::kernel
