// Each function stands in one module, and the modules weigh about the same.
#include "codegen/kernel_functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "kernel_check.h"
#include "support/check.h"

namespace gradus::codegen {
namespace {

/// Fills `stores` rows of eight: more stores, more code.
kernel::Kernel kernel_with(int stores) {
  std::string text =
      "kernel @fill pointwise {block=8 unroll=1}:\n  y: out f32[8]\n  lanes c 0..8\n";
  for (int i = 0; i < stores; ++i) text += fmt::format("    store y[c], {}.0\n", i);
  return kernel_of(text);
}

class Dealt : public testing::Test {
 protected:
  /// One program with a kernel for each number of stores.
  std::vector<Unit> units_of(const std::vector<int>& stores) {
    for (int count : stores) programs_.push_back(program_of(kernel_with(count), 1));
    std::vector<Unit> units;
    for (const plan::Program& program : programs_) {
      units.push_back({&program, &plan_, fmt::format("step{}", units.size())});
    }
    return units;
  }
  static size_t weight(const std::vector<const KernelFunctions::Function*>& module) {
    size_t sum = 0;
    for (const auto* function : module) sum += function->weight;
    return sum;
  }

  std::vector<plan::Program> programs_;
  plan::Plan plan_;
};

TEST_F(Dealt, EachFunctionStandsInOneModule) {
  KernelFunctions functions(units_of({3, 1, 4, 1, 5, 9, 2, 6}));
  EXPECT_EQ(functions.all().size(), 7U) << "two of the kernels are equal";
  for (size_t modules : {1, 2, 3, 7}) {
    Partition dealt = partition(functions, modules);
    EXPECT_EQ(dealt.size(), modules);
    std::multiset<std::string> symbols;
    for (const auto& module : dealt) {
      EXPECT_FALSE(module.empty());
      for (const auto* function : module) symbols.insert(function->symbol);
    }
    EXPECT_EQ(symbols.size(), 7U);
    EXPECT_EQ(std::set<std::string>(symbols.begin(), symbols.end()).size(), 7U);
  }
}

TEST_F(Dealt, ModulesWeighAboutTheSame) {
  KernelFunctions functions(units_of({1, 2, 3, 4, 5, 6, 7, 8}));
  Partition dealt = partition(functions, 3);
  size_t all = 0, largest = 0;
  for (const auto& module : dealt) {
    all += weight(module);
    largest = std::max(largest, weight(module));
  }
  EXPECT_LE(static_cast<double>(largest), 1.1 * static_cast<double>(all) / 3);
}

TEST_F(Dealt, ThereAreNoMoreModulesThanFunctions) {
  EXPECT_EQ(partition(KernelFunctions(units_of({2, 1})), 8).size(), 2U);
  EXPECT_EQ(partition(KernelFunctions({}), 8).size(), 1U);
}

/// The second kernel is heavier than the third: each has a thread of its own, and both fail.
TEST_F(Dealt, AFailureOnAThreadIsTheCallers) {
  std::vector<Unit> units = units_of({1, 3, 2});
  for (size_t broken : {1, 2}) {
    kernel::Kernel& kernel = programs_[broken].kernels[plan::KernelId(0)];
    kernel.slots[kernel::SlotId(0)].strides.push_back(1);
  }
  EXPECT_THROW(compile_jit(units, detect_host(), {.threads = 3}), InternalError);
}

}  // namespace
}  // namespace gradus::codegen
