// The step function: checks, launches, threads, the trace; objects that refer to nothing; targets.
#include <elf.h>
#include <fmt/format.h>

#include "kernel_check.h"

namespace gradus::codegen {
namespace {

const char* const kScale = R"(kernel @scale rows:
  cost fma=0 simple=1000000 divide=0 transcendental=0 bytes=100000 items=8
  x: in f32[n,20]
  y: out f32[n,20]
  tmp: worker f32[20] at 0
  par r 0..n
    lanes c 0..20
      %0 = load x[r,c] : f32
      %1 = exp %0 : f32
      store tmp[c], %1
    lanes c 0..20
      %2 = load tmp[c] : f32
      %3 = mul %2, 2.0 : f32
      store y[r,c], %3
)";

struct Frame {
  explicit Frame(const plan::Program& program, int64_t rows) {
    for (const plan::Buffer& buffer : program.buffers) {
      (void)buffer;
      memory.emplace_back(20 * 64, 0.25F);
    }
    memory.emplace_back(4096, 0.0F);
    for (auto& block : memory) blocks.push_back(block.data());
    frame.blocks = blocks.data();
    frame.rows = rows;
    frame.workers = 1;
  }
  std::vector<std::vector<float>> memory;
  std::vector<void*> blocks;
  gradus_frame frame = {};
};

TEST(Program, RowsOutsideTheCapacityAreRefused) {
  plan::Program program = program_of(kernel_of(kScale), 8);
  plan::Plan plan;
  auto jit = compile_jit({{&program, &plan, "step"}}, detect_host());
  for (int64_t rows : {int64_t{-1}, int64_t{0}, int64_t{9}, INT64_MIN, INT64_MAX}) {
    Frame data(program, rows);
    EXPECT_EQ(jit->find("step")(&data.frame), GRADUS_BAD_ROWS);
    EXPECT_EQ(data.memory[1][0], 0.25F);
  }
  for (int64_t rows : {1, 8}) {
    Frame data(program, rows);
    EXPECT_EQ(jit->find("step")(&data.frame), GRADUS_OK);
  }
}

TEST(Program, IndicesOutsideTheirAxisAreRefused) {
  plan::Program program = program_of(kernel_of(R"(kernel @take rows:
  table: in f32[5]
  at: in i32[n,2]
  y: out f32[n,2]
  par r 0..n
    lanes c 0..2
      %0 = load at[r,c] : i32
      %1 = load table[%0] : f32
      store y[r,c], %1
)"),
                                     4);
  program.buffers[plan::BufferId(1)].type = {DType::I32, {Dim::batches(), Dim::fixed(2)}};
  program.checks.push_back({plan::BufferId(1), 5});
  plan::Plan plan;
  auto jit = compile_jit({{&program, &plan, "step"}}, detect_host());
  struct Case {
    int32_t index;
    size_t place;
    int32_t status;
  };
  // Three rows: places 0 to 5 count, what lies behind does not.
  const Case cases[] = {
      {4, 5, GRADUS_OK}, {5, 5, GRADUS_BAD_INDEX}, {-1, 0, GRADUS_BAD_INDEX}, {5, 6, GRADUS_OK}};
  for (const Case& one : cases) {
    Frame data(program, 3);
    std::vector<int32_t> indices(8, 1);
    indices[one.place] = one.index;
    data.blocks[1] = indices.data();
    EXPECT_EQ(jit->find("step")(&data.frame), one.status) << one.index << " at " << one.place;
    EXPECT_EQ(data.memory[2][0] == 0.25F && one.status == GRADUS_OK, one.status == GRADUS_OK);
  }
}

struct Pool {
  int calls = 0;
  int64_t items = 0;
};

/// Ranges in descending order, each by another worker.
void backwards(void* pool, gradus_body body, const void* args, int64_t items) {
  auto* log = static_cast<Pool*>(pool);
  ++log->calls;
  log->items = items;
  for (int64_t end = items; end > 0; end -= 3) {
    body(args, std::max<int64_t>(end - 3, 0), end, static_cast<int32_t>(end % 3));
  }
}

TEST(Program, ThreadsTakeRangesOfItems) {
  plan::Program program = program_of(kernel_of(kScale), 8);
  plan::Plan plan;
  auto jit = compile_jit({{&program, &plan, "step"}}, detect_host());
  Frame serial(program, 8), threaded(program, 8);
  jit->find("step")(&serial.frame);
  Pool pool;
  threaded.frame.workers = 3;
  threaded.frame.pool = &pool;
  threaded.frame.parallel_for = backwards;
  EXPECT_EQ(jit->find("step")(&threaded.frame), GRADUS_OK);
  EXPECT_EQ(pool.calls, 1);
  EXPECT_EQ(pool.items, 8);
  EXPECT_EQ(serial.memory[1], threaded.memory[1]);
  threaded.frame.rows = 1;  // a single item is not worth a call
  jit->find("step")(&threaded.frame);
  EXPECT_EQ(pool.calls, 1);
}

void note(void* context, int32_t launch, int32_t end) {
  static_cast<std::vector<int>*>(context)->push_back(launch * 10 + end);
}

TEST(Program, TheTraceHearsOfEveryLaunch) {
  plan::Program program = program_of(kernel_of(kScale), 8);
  program.launches.push_back(program.launches[0]);
  plan::Plan plan;
  auto jit = compile_jit({{&program, &plan, "a"}, {&program, &plan, "b"}}, detect_host());
  Frame data(program, 2);
  std::vector<int> heard;
  data.frame.trace = note;
  data.frame.trace_context = &heard;
  jit->find("b")(&data.frame);
  EXPECT_EQ(heard, (std::vector<int>{0, 1, 10, 11}));
}

size_t count_kernels(const std::vector<Unit>& units) {
  std::string text = print_llvm(units, detect_host());
  size_t count = 0;
  for (size_t at = 0; (at = text.find("define internal void @kernel", at)) != std::string::npos;
       ++at) {
    ++count;
  }
  return count;
}

TEST(Program, EqualKernelsAreOneFunction) {
  plan::Program program = program_of(kernel_of(kScale), 8);
  program.launches.push_back(program.launches[0]);
  plan::Plan plan;
  EXPECT_EQ(count_kernels({{&program, &plan, "a"}, {&program, &plan, "b"}}), 1U);
}

/// An initialiser: uniform between `low` and `low + range`.
kernel::Kernel uniform(int64_t count, int64_t stream, const char* range, const char* low) {
  return kernel_of(fmt::format(R"(kernel @uniform pointwise {{block=16 unroll=4}}:
  w: out f32[{0}]
  par i0 0..{0} step 16
    lanes i i0..i0+16 max {0}
      %0 = index i : i32
      %1 = random_bits %0 {{stream={1}}} : i32
      %2 = unit_float %1 : f32
      %3 = fma %2, {2}, {3} : f32
      store w[i], %3
)",
                               count, stream, range, low));
}

TEST(Program, InitialisersOfAllSizesAreOneFunction) {
  kernel::Kernel kernels[] = {uniform(20, 5, "0.5", "-0.25"), uniform(33, 1 << 30, "3.0", "1.0")};
  plan::Program a = program_of(kernels[0], 1), b = program_of(kernels[1], 1);
  plan::Plan plan;
  std::vector<Unit> units = {{&a, &plan, "a"}, {&b, &plan, "b"}};
  EXPECT_EQ(count_kernels(units), 1U);
  auto jit = compile_jit(units, detect_host());
  for (const Unit& unit : units) {
    const kernel::Kernel& kernel = unit.program->kernels[plan::KernelId(0)];
    Frame data(*unit.program, 1);
    std::vector<float> expected = data.memory[0];
    kernel::RunContext context;
    context.step = data.frame.step;
    context.fused_multiply_add = detect_host().fma;
    kernel::run_kernel(kernel, {{expected.data(), expected.size() * sizeof(float)}}, context);
    EXPECT_EQ(jit->find(unit.symbol)(&data.frame), GRADUS_OK);
    EXPECT_EQ(data.memory[0], expected);
    EXPECT_NE(expected[0], 0.25F);
  }
}

/// Doubles `size` elements in blocks of 64, the end of a block being cut by `cap`.
std::string code_of_blocks(int64_t size, const std::string& cap) {
  plan::Program program =
      program_of(kernel_of(fmt::format(R"(kernel @blocks pointwise {{block=64 unroll=4}}:
  x: in f32[{0}]
  y: out f32[{0}]
  par j0 0..{0} step 64
    lanes c j0..j0+64{1}
      %0 = load x[c] : f32
      %1 = add %0, %0 : f32
      store y[c], %1
)",
                                       size, cap)),
                 1);
  plan::Plan plan;
  return print_llvm({{&program, &plan, "step"}}, detect_host());
}

TEST(Program, ACapThatIsNeverReachedLeavesNoCode) {
  EXPECT_EQ(code_of_blocks(192, " max 192"), code_of_blocks(192, ""));
  EXPECT_NE(code_of_blocks(190, " max 190"), code_of_blocks(190, ""));
}

template <typename T>
T read_at(const std::vector<char>& bytes, size_t place) {
  T value;
  std::memcpy(&value, bytes.data() + place, sizeof value);
  return value;
}

/// Global symbols of an ELF object, and whether they are defined in it.
std::vector<std::pair<std::string, bool>> global_symbols(const std::vector<char>& object) {
  std::vector<std::pair<std::string, bool>> out;
  auto header = read_at<Elf64_Ehdr>(object, 0);
  for (size_t i = 0; i < header.e_shnum; ++i) {
    auto section = read_at<Elf64_Shdr>(object, header.e_shoff + i * sizeof(Elf64_Shdr));
    if (section.sh_type != SHT_SYMTAB) continue;
    auto names = read_at<Elf64_Shdr>(object, header.e_shoff + section.sh_link * sizeof(Elf64_Shdr));
    for (size_t at = 0; at < section.sh_size; at += sizeof(Elf64_Sym)) {
      auto symbol = read_at<Elf64_Sym>(object, section.sh_offset + at);
      if (ELF64_ST_BIND(symbol.st_info) == STB_LOCAL) continue;
      out.emplace_back(object.data() + names.sh_offset + symbol.st_name,
                       symbol.st_shndx != SHN_UNDEF);
    }
  }
  return out;
}

TEST(Program, ObjectsReferToNothing) {
  plan::Program program = program_of(kernel_of(kScale), 8);
  plan::Plan plan;
  for (const Target& target : test_targets()) {
    std::vector<char> object = compile_object({{&program, &plan, "step"}}, target);
    EXPECT_EQ(object, compile_object({{&program, &plan, "step"}}, target)) << "not the same twice";
    std::vector<std::string> defined;
    for (const auto& [name, is_defined] : global_symbols(object)) {
      EXPECT_TRUE(is_defined) << name;
      if (is_defined) defined.push_back(name);
    }
    EXPECT_EQ(defined, std::vector<std::string>{"step"});
  }
}

TEST(Targets, NamesAndNumbers) {
  EXPECT_EQ(named_target("x86-64-v2")->lanes, 4);
  EXPECT_FALSE(named_target("x86-64-v2")->fma);
  EXPECT_EQ(named_target("x86-64-v3")->lanes, 8);
  EXPECT_TRUE(named_target("x86-64-v3")->fma);
  EXPECT_EQ(named_target("x86-64-v4")->lanes, 16);
  EXPECT_TRUE(named_target("x86-64-v4")->cheap_masks);
  EXPECT_EQ(named_target("test-avx512")->lanes, 16);
  EXPECT_FALSE(named_target("nonsense"));
  Target host = detect_host();
  EXPECT_GE(host.l1_bytes, 16 << 10);
  EXPECT_GE(host.l2_bytes, host.l1_bytes);
  EXPECT_EQ(detect_host().features, host.features);
}

}  // namespace
}  // namespace gradus::codegen
