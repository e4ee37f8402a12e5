// Register tiles: every layout, sizes around the tile, blocks of K and chunks of its sum, packs,
// epilogues, fewer rows than the capacity. Compiled code gives the interpreter's bits.
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
      other.strip = schedule.strip || random() % 2;
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

}  // namespace
}  // namespace gradus::codegen
