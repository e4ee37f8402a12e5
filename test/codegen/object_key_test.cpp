// Whatever changes the object changes its key.
#include "codegen/object_key.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>

#include "kernel_check.h"

namespace gradus::codegen {
namespace {

const char* const kProduct =
    R"(kernel @product contract {mr=2 nv=1 mc=4 nc=16 kc=8 pack=none epilogue=tile}:
  cost fma=1000 simple=10 divide=1 transcendental=2 bytes=300 items=3
  x: in f32[n,16]
  w: in f32[16,16]
  y: out f32[n,16]
  par i0 0..n step 4
    tile i i0..i0+4 max n step 2, j 0..16 step 8
      micro %0 = sum k 0..16: x[i,k] * w[k,j]
      at last
        %1 = add %0, 0.5 : f32
        store y[i,j], %1
)";

/// All that one object is made from.
struct Made {
  plan::Program program = program_of(kernel_of(kProduct), 8);
  plan::Plan plan;
  Target target;
  std::string symbol = "step";
  std::string compiler = "gradus 1 LLVM 2";

  Made() {
    frozen_target("test-avx2", target);
    for (plan::Buffer& buffer : program.buffers)
      buffer.type = {DType::F32, {Dim::batches(), Dim::fixed(16)}};
    program.buffers[plan::BufferId(1)].kind = plan::BufferKind::Arena;
    plan.placements.push_back({plan::BufferId(1), {0, 1}, 64, 1024});
    program.checks.push_back({plan::BufferId(0), 5});
    program.computed_checks.push_back({plan::BufferId(1), 2});
  }
  std::vector<Unit> units() const { return {{&program, &plan, symbol}}; }
  std::string key() const { return object_key(units(), target, compiler); }
  kernel::Kernel& kernel() { return program.kernels[plan::KernelId(0)]; }
  kernel::Slot& slot(size_t i) { return kernel().slots[kernel::SlotId(i)]; }
  kernel::Tile& tile() {
    auto& loop = std::get<kernel::Loop>(kernel().body[0].body);
    return std::get<kernel::Tile>(loop.body[0].body);
  }
  kernel::Let& let() { return std::get<kernel::Let>(tile().epilogue[0].body); }
};

struct Change {
  const char* what;
  std::function<void(Made&)> apply;
};

const Change kChanges[] = {
    {"compiler", [](Made& m) { m.compiler = "gradus 2 LLVM 2"; }},
    {"LLVM", [](Made& m) { m.compiler = "gradus 1 LLVM 3"; }},
    {"symbol", [](Made& m) { m.symbol = "step2"; }},
    {"cpu", [](Made& m) { m.target.cpu = "znver4"; }},
    {"features", [](Made& m) { m.target.features = "-avx512f"; }},
    {"triple", [](Made& m) { m.target.triple = "aarch64-linux-gnu"; }},
    {"lanes", [](Made& m) { m.target.lanes = 16; }},
    {"registers", [](Made& m) { m.target.registers = 32; }},
    {"fma", [](Made& m) { m.target.fma = !m.target.fma; }},
    {"masks", [](Made& m) { m.target.cheap_masks = !m.target.cheap_masks; }},
    {"first cache", [](Made& m) { ++m.target.l1_bytes; }},
    {"clock", [](Made& m) { m.target.gigahertz += 1e-9; }},
    {"multiply-adds a cycle", [](Made& m) { m.target.fma_per_cycle += 1; }},
    {"capacity", [](Made& m) { ++m.program.capacity; }},
    {"scratch", [](Made& m) { m.program.worker_bytes += 64; }},
    {"arena block", [](Made& m) { ++m.program.arena_block; }},
    {"worker block", [](Made& m) { ++m.program.worker_block; }},
    {"buffer's block", [](Made& m) { m.program.buffers[plan::BufferId(0)].block = 7; }},
    {"buffer's kind",
     [](Made& m) { m.program.buffers[plan::BufferId(1)].kind = plan::BufferKind::State; }},
    {"buffer's dtype",
     [](Made& m) { m.program.buffers[plan::BufferId(0)].type.dtype = DType::I64; }},
    {"buffer's shape",
     [](Made& m) { m.program.buffers[plan::BufferId(0)].type.shape[1] = Dim::fixed(17); }},
    {"offset", [](Made& m) { m.plan.placements[0].offset = 128; }},
    {"limit of a check", [](Made& m) { m.program.checks[0].limit = 6; }},
    {"input of a check", [](Made& m) { m.program.checks[0].input = plan::BufferId(2); }},
    {"no check", [](Made& m) { m.program.checks.clear(); }},
    {"value of a check after the launches",
     [](Made& m) { m.program.computed_checks[0].first = plan::BufferId(2); }},
    {"answer of a check after the launches",
     [](Made& m) { m.program.computed_checks[0].number = 3; }},
    {"no check after the launches", [](Made& m) { m.program.computed_checks.clear(); }},
    {"one launch more", [](Made& m) { m.program.launches.push_back(m.program.launches[0]); }},
    {"buffers of a launch",
     [](Made& m) {
       std::swap(m.program.launches[0].buffers[0], m.program.launches[0].buffers[1]);
     }},
    {"kernel's name", [](Made& m) { m.kernel().name = "other"; }},
    {"cost, multiply-adds", [](Made& m) { m.kernel().cost.fma *= 1e9; }},
    {"cost, simple", [](Made& m) { m.kernel().cost.simple += 1; }},
    {"cost, divisions", [](Made& m) { m.kernel().cost.divide += 1; }},
    {"cost, transcendental", [](Made& m) { m.kernel().cost.transcendental += 1; }},
    {"cost, bytes", [](Made& m) { m.kernel().cost.bytes += 1; }},
    {"schedule", [](Made& m) { m.kernel().schedule.mr = 3; }},
    {"stride", [](Made& m) { m.slot(0).strides[0] = 32; }},
    {"slot's offset", [](Made& m) { m.slot(0).offset = 4; }},
    {"slot's dtype", [](Made& m) { m.slot(0).dtype = DType::Bool; }},
    {"order of a sum", [](Made& m) { std::swap(m.tile().micro.left, m.tile().micro.right); }},
    {"end of a loop", [](Made& m) { m.tile().micro.k_to.value.constant = 15; }},
    {"rows of a tile", [](Made& m) { m.tile().i_step = 4; }},
    {"operation", [](Made& m) { m.let().op = OpKind::Mul; }},
    {"operands' order", [](Made& m) { std::swap(m.let().operands[0], m.let().operands[1]); }},
    {"constant", [](Made& m) { m.let().operands[1].constant = 0.25; }},
    {"constant by one bit",
     [](Made& m) { m.let().operands[1].constant = std::nextafterf(0.5F, 1.0F); }},
    {"constant zero", [](Made& m) { m.let().operands[1].constant = 0.0; }},
    {"constant minus zero", [](Made& m) { m.let().operands[1].constant = -0.0; }},
    {"constant infinity", [](Made& m) { m.let().operands[1].constant = INFINITY; }},
    {"constant NaN", [](Made& m) { m.let().operands[1].constant = NAN; }},
};

TEST(ObjectKey, EveryIngredientCounts) {
  std::set<std::string> keys = {Made().key()};
  for (const Change& change : kChanges) {
    Made made;
    change.apply(made);
    EXPECT_TRUE(keys.insert(made.key()).second) << change.what << " is not in the key";
  }
}

TEST(ObjectKey, UnitsAndTheirOrderCount) {
  Made made;
  Unit a{&made.program, &made.plan, "a"}, b{&made.program, &made.plan, "b"};
  std::set<std::string> keys;
  const std::vector<Unit> lists[] = {{}, {a}, {b}, {a, b}, {b, a}, {a, a}};
  for (const std::vector<Unit>& units : lists) keys.insert(object_key(units, made.target));
  EXPECT_EQ(keys.size(), std::size(lists));
}

TEST(ObjectKey, IsTheSameForWhatTheObjectDoesNotHold) {
  const std::string key = Made().key();
  EXPECT_EQ(key, Made().key());
  EXPECT_EQ(key.size(), 64U);
  Made made;
  made.program.launches[0].name = "another title";
  made.program.buffers[plan::BufferId(0)].name = "another name";
  made.kernel().nodes.push_back(NodeId(3));
  EXPECT_EQ(key, made.key());
  EXPECT_EQ(print_llvm(Made().units(), Made().target), print_llvm(made.units(), made.target));
}

/// The build id as section headers tell it, from the file of this program.
std::string build_id_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  size_t at = bytes.find(std::string("\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0", 16));
  std::string digits;
  for (size_t i = 0; at != std::string::npos && i < 20; ++i) {
    char text[3];
    std::snprintf(text, sizeof(text), "%02x", static_cast<unsigned char>(bytes[at + 16 + i]));
    digits += text;
  }
  return digits;
}

TEST(ObjectKey, TheCompilerIsThisProgramAndItsLlvm) {
  const std::string build_id = build_id_of_file("/proc/self/exe");
  ASSERT_EQ(build_id.size(), 40U);
  EXPECT_EQ(compiler_identity().rfind("gradus " + build_id + " LLVM 19.", 0), 0U)
      << compiler_identity();
  EXPECT_GT(compiler_identity().size(), build_id.size() + 30) << compiler_identity();
  EXPECT_EQ(compiler_identity().find(build_id), compiler_identity().rfind(build_id));
}

}  // namespace
}  // namespace gradus::codegen
