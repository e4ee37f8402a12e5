// Every operator of the table on every dtype it takes, in vectors and as scalars; guarded, gathered
// and scattered accesses; facts of the step; f64.
#include <fmt/format.h>

#include "graph/op.h"
#include "kernel_check.h"

namespace gradus::codegen {
namespace {

/// `op` on columns of `from`, its result of dtype `to`, in a lanes loop and outside of one.
std::string pointwise(const std::string& op, int arity, const std::string& from,
                      const std::string& to, const std::string& condition) {
  std::string text = fmt::format(
      "kernel @k pointwise {{unroll=1}}:\n  p: in bool[90]\n  x: in {0}[90]\n  y: in {0}[90]\n"
      "  z: in {0}[90]\n  r: out {1}[90]\n  t: out {1}[90]\n",
      from, to);
  std::string operands = condition.empty() ? "" : "%p";
  const char* names[] = {"%x", "%y", "%z"};
  for (int i = 0; i < arity; ++i)
    operands += (operands.empty() ? "" : ", ") + std::string(names[i]);
  for (bool lanes : {true, false}) {
    text += lanes ? "  lanes c 0..90\n" : "  seq c 0..90\n";
    std::string mark = lanes ? "" : "s";
    auto named = [&](std::string s) {
      if (lanes) return s;
      std::string out;
      for (char c : s) {
        out += c;
        if (c == 'x' || c == 'y' || c == 'z' || c == 'p') out += "s";
      }
      return out;
    };
    text += fmt::format(
        "    %p{0} = load p[c] : bool\n    %x{0} = load x[c] : {1}\n"
        "    %y{0} = load y[c] : {1}\n    %z{0} = load z[c] : {1}\n",
        mark, from);
    text += fmt::format("    %r{} = {} {} : {}\n    store {}[c], %r{}\n", mark, op, named(operands),
                        to, lanes ? "r" : "t", mark);
  }
  return text;
}

/// The result dtype by the row's shape rule; nothing where the row does not take `from`.
std::optional<DType> result_dtype(const OpDef& def, DType from) {
  if (def.kind == OpKind::Convert) return std::nullopt;
  std::vector<TensorType> types(static_cast<size_t>(def.arity), TensorType{from, {}});
  if (def.kind == OpKind::Select) types[0].dtype = DType::Bool;
  ShapeResult result = def.shape(types, {}, nullptr);
  if (auto* type = std::get_if<TensorType>(&result)) return type->dtype;
  return std::nullopt;
}

TEST(Statements, EveryPointwiseOperatorOnEveryDtype) {
  int covered = 0;
  std::vector<Target> targets = test_targets();
  for (const OpDef* def : all_ops()) {
    if (def->cls != OpClass::Pointwise) continue;
    for (DType from : {DType::F32, DType::F64, DType::I32, DType::I64, DType::Bool}) {
      std::optional<DType> to = result_dtype(*def, from);
      if (!to) continue;
      bool select = def->kind == OpKind::Select;
      std::string text =
          pointwise(std::string(def->name), def->arity - (select ? 1 : 0),
                    std::string(dtype_name(from)), std::string(dtype_name(*to)), select ? "p" : "");
      kernel::Kernel kernel = kernel_of(text);
      for (const Target& target : targets) {
        if (from == DType::F64 && !target.fma) continue;
        EXPECT_EQ(compare(kernel, target, {.specials = true, .limit = 7}), "")
            << "on " << target.cpu << "\n"
            << text;
      }
      ++covered;
    }
  }
  EXPECT_GT(covered, 60);
}

TEST(Statements, ConversionsBetweenAllDtypes) {
  const char* names[] = {"f32", "f64", "i32", "i64", "bool"};
  for (const char* from : names) {
    for (const char* to : names) {
      expect_equal(pointwise("convert", 1, from, to, ""), {.specials = true, .limit = 100});
    }
  }
}

TEST(Statements, GuardedGatheredAndScatteredAccesses) {
  expect_equal(R"(kernel @k rows:
  table: in f32[40,9]
  at: in i32[n]
  column: in i32[n,13]
  on: in bool[n,13]
  y: out f32[n,9]
  z: out f32[n,13]
  t: out f32[13,n]
  w: out f32[n]
  m: out bool[n,13]
  par r 0..n
    %0 = load at[r] : i32
    %1 = less %0, 3 : bool
    lanes c 0..9
      %2 = load table[%0,c] where %1 else -7.5 : f32
      store y[r,c], %2
    lanes c 0..13
      %3 = load column[r,c] : i32
      %4 = load on[r,c] : bool
      %5 = load table[r,%3] where %4 else 2.0 : f32
      %6 = load table[c+r,2] : f32
      %7 = add %5, %6 : f32
      store z[r,c], %7
      store t[c,r], %7
      %10 = index c*3+r : i32
      %11 = less %10, 20 : bool
      %12 = load on[r,c] where %11 else 1 : bool
      store m[r,c], %12
    if %1
      %8 = load table[%0,1] where %1 else 0.5 : f32
      store w[r], %8
)",
               {.n = 11, .limit = 5});
}

TEST(Statements, FactsOfTheStep) {
  expect_equal(R"(kernel @facts scalar:
  y: out f32[4]
  bits: out i32[37]
  %0 = batch_size : f32
  store y[0], %0
  %1 = step_number : f32
  store y[1], %1
  %2 = step_count : f32
  store y[2], %2
  %3 = epoch_number : f32
  store y[3], %3
  lanes c 0..37
    %4 = index c : i32
    %5 = random_bits %4 {stream=3} : i32
    store bits[c], %5
)",
               {.n = 7});
}

TEST(Statements, ItemsOfSeveralAxes) {
  expect_equal(R"(kernel @k rows:
  x: in f32[n*2,3,11]
  y: out f32[n*2,3,11]
  par a 0..n*2
    par b 0..3
      par c0 0..11 step 4
        lanes c c0..c0+4 max 11
          %0 = load x[a,b,c] : f32
          %1 = add %0, 1.0 : f32
          store y[a,b,c], %1
)",
               {.n = 3});
}

}  // namespace
}  // namespace gradus::codegen
