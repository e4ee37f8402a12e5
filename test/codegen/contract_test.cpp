// Register tiles: every layout, sizes around the tile, blocks of K and chunks of its sum, packs,
// epilogues, fewer rows than the capacity. Compiled code gives the interpreter's bits.
#include <map>
#include <sstream>

#include "contract_build.h"

namespace gradus::codegen {
namespace {

/// By rule and under a few random legal schedules, on each vector extension.
void check_product(const std::string& text, int64_t n, int64_t capacity, int schedules) {
  SCOPED_TRACE(text);
  Product product(text);
  std::mt19937 random(static_cast<unsigned>(text.size()));
  for (const Target& target : test_targets()) {
    SCOPED_TRACE(target.cpu);
    kernel::Schedule schedule = product.schedule(target, capacity);
    kernel::Kernel kernel = product.build(schedule, target, capacity);
    EXPECT_EQ(compare(kernel, target, {.n = n, .capacity = capacity}), "")
        << kernel::print_kernel(kernel);
    for (int tried = 0, built = 0; built < schedules && tried < 1000; ++tried) {
      kernel::Schedule other = schedule;
      other.mr = 1 + static_cast<int64_t>(random() % 7);
      other.nv = 1 + static_cast<int64_t>(random() % 3);
      other.mc = other.mr * (1 + static_cast<int64_t>(random() % 9));
      other.nc = other.nv * target.lanes * (1 + static_cast<int64_t>(random() % 4));
      other.kc =
          random() % 2 ? int64_t{1} << (random() % 11) : 1 + static_cast<int64_t>(random() % 99);
      other.pack_left = random() % 2;
      other.pack_right = random() % 2;
      other.block_epilogue = schedule.block_epilogue || random() % 2;
      if (!product.legal(other, target)) continue;
      ++built;
      kernel = product.build(other, target, capacity);
      EXPECT_EQ(compare(kernel, target, {.n = n, .capacity = capacity}), "")
          << kernel::print_kernel(kernel);
    }
  }
}

TEST(Contract, EveryLayoutAtSizesAroundTheTile) {
  const int64_t sizes[] = {1, 2, 5, 7, 9, 10, 15, 16, 17, 31, 33, 65};
  std::mt19937 random(5);
  for (int layout = 0; layout < 4; ++layout) {
    for (int64_t size : sizes) {
      int64_t n = sizes[random() % std::size(sizes)];
      int64_t k = sizes[random() % std::size(sizes)];
      bool ta = (layout & 1) != 0, tb = (layout & 2) != 0;
      check_product(product_text(std::to_string(size), n, k, ta, tb), 1, 1, 1);
      check_product(product_text(std::to_string(n), size, k, ta, tb), 1, 1, 0);
    }
  }
}

TEST(Contract, FewerRowsThanTheCapacity) {
  for (int64_t n : {1, 2, 7, 31, 32}) {
    check_product(product_text("batch", 33, 20, false, false), n, 32, 1);
    check_product(product_text("3*batch", 10, 20, false, true), n, 32, 1);
  }
}

TEST(Contract, BlocksOfTheInnerAxisAndChunksOfItsSum) {
  for (int64_t k : {1023, 1024, 1025, 2500}) {
    check_product(product_text("7", 18, k, false, false), 1, 1, 2);
    check_product(product_text("9", 5, k, true, true), 1, 1, 2);
  }
  // A gradient of weights: the inner axis is the batch.
  const std::string text = R"(graph @dw {
  %x = input "x" : f32[batch,13]
  %dz = input "dz" : f32[batch,18]
  %w = param "w" : f32[13,18]
  %0 = matmul %x, %dz {ta=true} : f32[13,18]
  %1 = mul %0, 0.01 : f32[13,18]
  %2 = sub %w, %1 : f32[13,18]
  return update "w" %2
}
)";
  for (int64_t n : {1, 700, 1024, 1300}) check_product(text, n, 1300, 2);
}

TEST(Contract, EpiloguesOnTheTile) {
  const std::string epilogue = R"(  %c = param "c" : f32[33]
  %r = input "r" : f32[batch,1]
  %q = input "q" : f32[batch,33]
  %1 = add %0, %c : f32[batch,33]
  %2 = mul %1, %r : f32[batch,33]
  %3 = less_equal %2, 0.0 : bool[batch,33]
  %4 = select %3, 0.0, %2 : f32[batch,33]
  %5 = add %4, %q : f32[batch,33]
  return output "mask" %3, output "sum" %5
)";
  for (int64_t n : {1, 5, 13, 24}) {
    check_product(product_text("batch", 33, 40, false, false, epilogue), n, 24, 2);
  }
}

TEST(Contract, FewColumnsMayTurnTheLanes) {
  const std::string epilogue = R"(  %w = param "w" : f32[70,10]
  %1 = mul %0, -0.5 : f32[70,10]
  %2 = add %w, %1 : f32[70,10]
  return update "w" %2
)";
  check_product(product_text("70", 10, 200, true, false, epilogue), 1, 1, 3);
  check_product(product_text("70", 10, 1100, true, false), 1, 1, 2);
}

TEST(Contract, ManyMatricesAtOnce) {
  const std::string text = R"(graph @scores {
  %q = input "q" : f32[batch,4,9,5]
  %k = input "k" : f32[batch,4,11,5]
  %0 = matmul %q, %k {tb=true} : f32[batch,4,9,11]
  %1 = mul %0, 0.5 : f32[batch,4,9,11]
  return %1
}
)";
  check_product(text, 3, 4, 2);
}

/// The lines of the innermost loop with the most multiply-adds.
std::vector<std::string> hottest_loop(const std::string& text) {
  std::vector<std::string> lines, best;
  size_t most = 0;
  std::map<std::string, size_t> labels;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
    size_t colon = line.find(':');
    if (line.rfind(".LBB", 0) == 0) labels[line.substr(0, colon)] = lines.size() - 1;
    size_t jump = line.find("\tj");
    size_t target = line.find(".LBB");
    if (jump == std::string::npos || target == std::string::npos || target == 0) continue;
    auto label = labels.find(line.substr(target));
    if (label == labels.end()) continue;
    std::vector<std::string> body(lines.begin() + static_cast<std::ptrdiff_t>(label->second),
                                  lines.end());
    size_t products = 0;
    bool inner = true;
    for (size_t i = 0; i < body.size(); ++i) {
      products += body[i].find("vfmadd") != std::string::npos;
      inner &= i == 0 || i + 1 == body.size() || body[i].find("\tj") == std::string::npos;
    }
    if (inner && products > most) best = body, most = products;
  }
  return best;
}

TEST(Contract, TheInnerLoopStoresNothing) {
  struct Tile {
    const char* cpu;
    int64_t mr, nv;
  };
  const Tile tiles[] = {{"x86-64-v4", 8, 2}, {"x86-64-v4", 12, 2}, {"x86-64-v4", 8, 3},
                        {"x86-64-v4", 6, 4}, {"x86-64-v4", 4, 6},  {"x86-64-v3", 6, 2},
                        {"x86-64-v3", 4, 3}, {"x86-64-v3", 3, 3}};
  for (const Tile& tile : tiles) {
    Target target = *named_target(tile.cpu);
    Product product(product_text("batch", 192, 64, false, false));
    kernel::Schedule schedule = product.schedule(target, 96);
    schedule.mr = schedule.mc = tile.mr;
    schedule.nv = tile.nv;
    schedule.nc = tile.nv * target.lanes;
    ASSERT_TRUE(product.legal(schedule, target));
    plan::Program program = program_of(product.build(schedule, target, 96), 96);
    plan::Plan plan;
    std::vector<std::string> loop = hottest_loop(print_asm({{&program, &plan, "step"}}, target));
    size_t products = 0;
    for (const std::string& line : loop) {
      products += line.find("vfmadd") != std::string::npos;
      // In AT&T syntax the last operand is written: memory there is a store.
      bool store = line.find("mov") != std::string::npos && line.back() == ')';
      EXPECT_FALSE(store) << tile.cpu << " " << tile.mr << "x" << tile.nv << ": " << line;
    }
    EXPECT_EQ(products, static_cast<size_t>(tile.mr * tile.nv)) << tile.cpu;
  }
}

int count_lines(const std::vector<std::string>& lines, const std::string& word) {
  int count = 0;
  for (const std::string& line : lines) count += line.find(word) != std::string::npos;
  return count;
}

std::string assembly(const std::string& text, const Target& target) {
  Product product(text);
  plan::Program program = program_of(product.build(product.schedule(target, 1), target, 1), 1);
  plan::Plan plan;
  return print_asm({{&program, &plan, "step"}}, target);
}

/// Prefetches in the loop over k of a product of 192 rows: all of them, or those with `name`.
int prefetches(const std::string& name, const std::string& text, const Target& target) {
  return count_lines(hottest_loop(assembly(text, target)), name);
}

TEST(Contract, OperandsReadByColumnsAreFetchedAhead) {
  auto count = [](int64_t columns, bool transposed, const std::string& cpu) {
    const std::string text = product_text("192", columns, 64, transposed, false);
    return prefetches("prefetch", text, *named_target(cpu));
  };
  // A line of the left operand, and both of the right one's where its rows go on beyond the tile.
  EXPECT_EQ(count(64, true, "x86-64-v4"), 3);
  EXPECT_EQ(count(32, true, "x86-64-v4"), 1);
  EXPECT_EQ(count(64, false, "x86-64-v4"), 0);
  EXPECT_EQ(count(64, true, "x86-64-v3"), 1);
}

TEST(Contract, LongSumsDownColumnsFromFarAreFetchedFarAheadToo) {
  Target target = *named_target("x86-64-v4");
  const std::string text = product_text("192", 64, 2048, true, false);
  EXPECT_EQ(prefetches("prefetcht0", text, target), 3);
  EXPECT_EQ(prefetches("prefetcht1", text, target), 3);
  target.l2_bytes = 8 << 20;  // holds all
  EXPECT_EQ(prefetches("prefetcht0", text, target), 3);
  EXPECT_EQ(prefetches("prefetcht1", text, target), 0);
}

TEST(Contract, RowsOfTheNextTilesAreFetchedMeanwhile) {
  Target target = *named_target("x86-64-v4");
  auto count = [&](int64_t columns) {
    return prefetches("prefetcht1", product_text("4096", columns, 64, false, false), target);
  };
  // Tiles are 8 rows of 32 columns: so many tiles share the next 8 rows. Few of them do not take it
  // all, as each row is one more instruction in every step.
  EXPECT_EQ(count(512), 1);
  EXPECT_EQ(count(128), 2);
  EXPECT_EQ(count(96), 3);
  EXPECT_EQ(count(32), 4);
  target.l2_bytes = 32 << 20;
  EXPECT_EQ(count(128), 0);
}

TEST(Contract, WhatIsAskedForBeyondTheOperandsDoesNoHarm) {
  for (const std::string& text :
       {product_text("batch", 40, 70, false, false), product_text("37", 50, 1100, true, false)}) {
    for (Target target : test_targets()) {
      target.l2_bytes = 4096;  // all is far
      Product product(text);
      kernel::Kernel kernel = product.build(product.schedule(target, 21), target, 21);
      EXPECT_EQ(compare(kernel, target, {.n = 19, .capacity = 21}), "") << target.cpu << text;
    }
  }
}

TEST(Contract, WhatTheEpilogueReadsAndWritesIsFetchedBeforeTheSums) {
  const std::string epilogue = R"(  %c = param "c" : f32[64]
  %q = param "q" : f32[192,64]
  %1 = add %0, %c : f32[192,64]
  %2 = mul %1, %q : f32[192,64]
  return %2
)";
  const std::string text = product_text("192", 64, 64, false, false, epilogue);
  auto count = [&](const Target& target) {
    std::istringstream lines(assembly(text, target));
    std::vector<std::string> all;
    for (std::string line; std::getline(lines, line);) all.push_back(line);
    return count_lines(all, "prefetch") - count_lines(all, "prefetcht1");
  };
  // The rows and vectors of one tile of `q`, none of `c`; none in the loop over k.
  Target target = *named_target("x86-64-v4");
  EXPECT_EQ(count(target), 16);
  EXPECT_EQ(prefetches("prefetch", text, target), 0);
  target.l2_bytes = 128 << 10;  // the result is far as well
  EXPECT_EQ(count(target), 32);
}

}  // namespace
}  // namespace gradus::codegen
