// Kernel text: print -> read -> print is identical for every statement; what does not read is told
// with its place; nothing crashes.
#include <gtest/gtest.h>

#include <random>

#include "kernel/text.h"

namespace gradus::kernel {
namespace {

struct ReadResult {
  std::optional<std::vector<Kernel>> kernels;
  std::string messages;
};

ReadResult read(const std::string& text) {
  SourceMap sources;
  int32_t file = sources.add("t.kernel", text);
  DiagEngine diags(sources);
  ReadResult result;
  result.kernels = read_kernels(sources, file, diags);
  result.messages = diags.render(false);
  return result;
}

const char* const kEverything =
    R"(kernel @all_of_it contract {mr=6 nv=2 mc=96 nc=128 kc=512 pack=both epilogue=block}:
  cost fma=1000000 simple=2.5 divide=0 transcendental=0 bytes=1e+20 items=12
  nodes [3,4,9]
  x: in f32[n*64,784]
  w.t: in f32[784,256] strides [1,784] offset 4
  label: in i32[n] node 7
  flag: in bool[n]
  y: out f32[n*64,256] may share x, w.t node 12
  loss: out f32[] result 2
  m: inout f32[784,256]
  lp: worker f32[16,512,6] at 0
  wp: worker f32[4,512,32] at 196736
  part: worker f32[96,128] at 458944
  total: worker f32[96,128] at 508160
  par b 0..n
    par i0 0..n*64 step 96
      %0 = load label[b] : i32
      %1 = load flag[b] : bool
      %2 = batch_size : f32
      if %1
        lanes c 0..256 step 2
          store y[i0,c], 1.5
      seq k0 0..784 step 512
        pack wp = w.t[k,j] k k0..k0+512 max 784, j 0..128 panels 32
        pack lp = x[i,k] k k0..k0+512 max 784, i i0..i0+96 max n*64 panels 6
        tile i i0..i0+96 max n*64 step 6, j 0..128 step 32
          micro %3 = sum k k0..k0+512 max 784: lp[k-k0,i-i0] * wp[k-k0,j] carry part[i-i0,j] totals total[i-i0,j] chunk 1024 first k0==0 last 784
          at last
            %4 = mul %3, -inf : f32
            %5 = fma %4, %3, 1e-45 : f32
            store y[i,j], %5
      seq r i0..ceil(i0*2+n*3-5 / 4) max n*64
        lanes c 0..256 held -> %6 = sum : f32, %7 = argmax : i32
          %8 = index c+r*3-1 : i32
          %9 = less %8, -4 : bool
          %10 = load x[r,c] where %9 else 0.5 : f32
          %11 = random_bits %8 {stream=3} : i32
          fold %6, %10
          fold %7, %10
        lanes c 0..256
          %12 = and %9, true : bool
          %13 = select %12, %10, %6 : f32
          store m[c+%0,r], %13
)";

TEST(KernelText, EveryStatementReadsBack) {
  ReadResult first = read(kEverything);
  ASSERT_TRUE(first.kernels) << first.messages;
  ASSERT_EQ(first.kernels->size(), 1U);
  EXPECT_EQ(print_kernel(first.kernels->front()), kEverything);
}

TEST(KernelText, EqualNamesAreMadeDifferent) {
  Kernel kernel;
  kernel.name = "odd name";
  for (int i = 0; i < 2; ++i) {
    Slot slot;
    slot.name = "a b";
    slot.dir = i == 0 ? SlotDir::In : SlotDir::Out;
    slot.extents = {Dim::batches(), Dim::fixed(4)};
    slot.strides = {4, 1};
    kernel.slots.push_back(slot);
  }
  AxisId r = kernel.axes.push_back({"n"});
  AxisId c = kernel.axes.push_back({"n"});
  ValueId v(kernel.values.size() + 3);
  kernel.values.resize(4, DType::F32);
  Loop inner{LoopKind::Lanes, c, Affine::of(0), {Affine::of(4), 1, {}}, 1, false, false, {}, {}};
  std::vector<Index> at = {{Affine::of(r), {}}, {Affine::of(c), {}}};
  inner.body = {{Load{v, {SlotId(0), at}, {}, 0}}, {Store{{SlotId(1), at}, {v, 0, DType::F32}}}};
  Loop outer{
      LoopKind::Par, r, Affine::of(0), {Affine::of(Dim::batches()), 1, {}}, 1, false, false, {}, {}};
  outer.body = {{inner}};
  kernel.body = {{outer}};
  std::string text = print_kernel(kernel);
  EXPECT_NE(text.find("  a_b: in"), std::string::npos) << text;
  EXPECT_NE(text.find("  a_b_2: out"), std::string::npos) << text;
  EXPECT_NE(text.find("par _n 0..n\n    lanes _n_2 0..4\n      %0 = load a_b[_n,_n_2] : f32"),
            std::string::npos)
      << text;
  ReadResult again = read(text);
  ASSERT_TRUE(again.kernels) << again.messages;
  EXPECT_EQ(print_kernel(again.kernels->front()), text);
}

TEST(KernelText, TermsPrintInTheOrderOfTheTextWhateverTheIds) {
  std::string text =
      "kernel @k pointwise {block=4096 unroll=4}:\n"
      "  cost fma=0 simple=0 divide=0 transcendental=0 bytes=0 items=1\n"
      "  y: out i32[8,8]\n"
      "  par zz 0..8\n"
      "    lanes aa 0..8\n"
      "      %0 = index zz*8+aa : i32\n"
      "      store y[zz,aa], %0\n";
  ReadResult first = read(text);
  ASSERT_TRUE(first.kernels) << first.messages;
  Kernel kernel = first.kernels->front();
  // The same kernel with the axes listed the other way round.
  std::swap(kernel.axes[AxisId(0)], kernel.axes[AxisId(1)]);
  auto swap_axis = [](AxisId id) { return AxisId(1 - id.index()); };
  auto swap_terms = [&](Affine& affine) {
    for (Affine::Term& term : affine.terms) term.axis = swap_axis(term.axis);
    if (affine.terms.size() == 2) std::swap(affine.terms[0], affine.terms[1]);
  };
  Loop& outer = std::get<Loop>(kernel.body[0].body);
  Loop& inner = std::get<Loop>(outer.body[0].body);
  outer.axis = swap_axis(outer.axis);
  inner.axis = swap_axis(inner.axis);
  swap_terms(std::get<IndexOf>(inner.body[0].body).affine);
  for (Index& index : std::get<Store>(inner.body[1].body).to.indices) swap_terms(index.affine);
  EXPECT_EQ(print_kernel(kernel), text);
}

TEST(KernelText, SharingIgnoresNamesAndOrigin) {
  std::string text = kEverything;
  Kernel one = read(text).kernels->front();
  Kernel two = one;
  two.name = "other";
  two.cost.fma = 1;
  two.nodes.clear();
  two.slots[SlotId(0)].name = "input";
  two.slots[SlotId(4)].value = NodeId(99);
  two.slots[SlotId(5)].result = 1;
  two.axes[AxisId(0)].name = "other_axis";
  EXPECT_EQ(sharing_key(one), sharing_key(two));
  two.slots[SlotId(0)].strides[0] += 1;
  EXPECT_NE(sharing_key(one), sharing_key(two));
}

TEST(KernelText, ScratchOfAWorkerReachesOverItsSlots) {
  Kernel kernel = read(kEverything).kernels->front();
  EXPECT_EQ(kernel.worker_bytes, 508160 + 96 * 128 * 4 + 64);
}

/// A kernel around one changed part; the message must name the place and what was expected.
struct BadText {
  const char* name;
  const char* text;
  const char* message;
};

class KernelErrors : public testing::TestWithParam<BadText> {};

TEST_P(KernelErrors, AreToldWithTheirPlace) {
  ReadResult result = read(GetParam().text);
  EXPECT_FALSE(result.kernels);
  EXPECT_NE(result.messages.find(GetParam().message), std::string::npos) << result.messages;
}

#define HEAD "kernel @k rows:\n  x: in f32[n,8]\n  y: out f32[n]\n"
const BadText kBadTexts[] = {
    {"NoName", "kernel rows:\n", "t.kernel:1:8: error: found `rows`, expected the kernel's name"},
    {"UnknownClass", "kernel @k row:\n",
     "t.kernel:1:11: error: found `row`, expected the kernel's class"},
    {"OddIndent", "kernel @k rows:\n   x: in f32[n]\n", "t.kernel:2:1: error: found 3 spaces"},
    {"Character", "kernel @k rows:\n  x: in f32[n]$\n", "t.kernel:2:15: error: a character"},
    {"Huge", "kernel @k rows:\n  x: in f32[99999999999999999999]\n",
     "t.kernel:2:13: error: found 999"},
    {"TooLarge", "kernel @k rows:\n  x: in f32[1000000000000,1000000000000]\n",
     "2:3: error: the slot is too large"},
    {"SlotTwice", "kernel @k rows:\n  x: in f32[n]\n  x: in f32[n]\n",
     "3:3: error: `x` is declared twice"},
    {"UnknownShare", "kernel @k rows:\n  x: out f32[n] may share y\n",
     "2:27: error: found `y`, expected the name of a slot"},
    {"UnknownSlot", HEAD "  par r 0..n\n    %0 = load z[r] : f32\n",
     "5:15: error: found `z`, expected the name of a slot"},
    {"UnknownAxis", HEAD "  par r 0..n\n    %0 = load x[r,c] : f32\n",
     "5:19: error: found `c`, expected the name of an axis"},
    {"UnknownOp", HEAD "  par r 0..n\n    %0 = frob 1.0 : f32\n",
     "5:10: error: found `frob`, expected an operation"},
    {"Undefined", HEAD "  par r 0..n\n    store y[r], %1\n", "5:17: error: `%1` is not defined"},
    {"Itself", HEAD "  par r 0..n\n    %1 = neg %1 : f32\n", "5:14: error: `%1` is not defined"},
    {"Twice", HEAD "  par r 0..n\n    %1 = neg 1.0 : f32\n    %1 = neg 1.0 : f32\n",
     "6:5: error: `%1` is defined twice"},
    {"Deeper", HEAD "  par r 0..n\n        store y[r], 1.0\n",
     "5:9: error: found 8 spaces before this, expected 4"},
    {"NoMicro", HEAD "  tile i 0..n step 6, j 0..8 step 8\n",
     "a `tile` is followed by its `micro`"},
    {"Arity", HEAD "  par r 0..n\n    %0 = add 1.0 : f32\n", "`add` takes 2 operands, found 1"},
    {"Type", HEAD "  par r 0..n\n    %0 = add 1.0, 2.0 : i32\n", "`add`"},
    {"Indices", HEAD "  par r 0..n\n    %0 = load x[r] : f32\n",
     "slot `x` is read or written with 1 indices, it has 2"},
    {"WrittenInput", HEAD "  par r 0..n\n    lanes c 0..8\n      store x[r,c], 1.0\n",
     "slot `x` is written but declared `in`"},
    {"StoreAcross", HEAD "  par r 0..n\n    lanes c 0..8\n      store y[r], 1.0\n",
     "a store that does not follow the lanes"},
    {"StoreType", HEAD "  par r 0..n\n    store y[r], 1\n",
     "a store of another type than its slot's"},
    {"FoldOutside", HEAD "  par r 0..n\n    %0 = neg 1.0 : f32\n    fold %0, 1.0\n",
     "a fold outside `lanes`"},
    {"FoldUndeclared",
     HEAD "  par r 0..n\n    lanes c 0..8\n      %0 = neg 1.0 : f32\n      fold %0, 1.0\n",
     "does not declare"},
    {"ParInSeq", HEAD "  seq r 0..n\n    par c 0..8\n", "a `par` loop inside another kind of loop"},
    {"ParAfter", HEAD "  par r 0..n\n    par c 0..8\n    par d 0..8\n", "not perfectly nested"},
    {"LoopInLanes", HEAD "  par r 0..n\n    lanes c 0..8\n      seq d 0..8\n",
     "a loop inside `lanes`"},
    {"SameAxis", HEAD "  par r 0..n\n    seq r 0..8\n", "axis `r` stands in two loops at once"},
    {"Escapes",
     HEAD "  par r 0..n\n    lanes c 0..8\n      %0 = load x[r,c] : f32\n    store y[r], %0\n",
     "a value is used where it is not defined"},
    {"OtherRange",
     HEAD "  par r 0..n\n    lanes c 0..8 held\n      %0 = load x[r,c] : f32\n    lanes c 0..4\n   "
          "   %1 = neg %0 : f32\n",
     "a value is used where it is not defined"},
    {"Divisor", HEAD "  par r 0..ceil(n / 0)\n", "found `0`, expected a divisor of at least 1"},
};
#undef HEAD

INSTANTIATE_TEST_SUITE_P(, KernelErrors, testing::ValuesIn(kBadTexts),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(KernelText, HostileTextIsRefusedWithoutHarm) {
  std::string deep = "kernel @k rows:\n";
  for (int i = 1; i < 5000; ++i) {
    deep += std::string(static_cast<size_t>(2 * i), ' ') + "seq a" + std::to_string(i) + " 0..n\n";
  }
  EXPECT_NE(read(deep).messages.find("nested too deep"), std::string::npos);

  // Cut anywhere, or with a byte changed: an answer, whatever it is.
  std::string text = kEverything;
  for (size_t size = 0; size < text.size(); size += 7) read(text.substr(0, size));
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string changed = text;
    for (int edit = 0; edit < 2; ++edit) {
      size_t at = random() % changed.size();
      switch (random() % 3) {
        case 0:
          changed[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          changed.erase(at, 1 + random() % 5);
          break;
        default:
          changed.insert(at, changed.substr(random() % changed.size(), random() % 9));
      }
    }
    ReadResult result = read(changed);
    EXPECT_EQ(result.kernels.has_value(), result.messages.empty());
    if (!result.kernels) continue;
    for (const Kernel& kernel : *result.kernels) {
      std::string printed = print_kernel(kernel);
      ReadResult again = read(printed);
      ASSERT_TRUE(again.kernels) << printed << again.messages;
      EXPECT_EQ(print_kernel(again.kernels->front()), printed);
    }
  }
}

}  // namespace
}  // namespace gradus::kernel
