// Values of every operator against numbers from outside: the evaluator of meaning, the evaluator of
// bits, the constant folder and compiled code. Generated from the operator table: a row that
// computes and has no values fails, and so does a row without its text in test/ops/<name>.gir.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "codegen/codegen.h"
#include "ops/value_cases.h"
#include "opt/fold_constants.h"
#include "opt/split_reductions.h"
#include "pipeline/compile.h"
#include "pipeline/step_runner.h"

namespace gradus {
namespace {

using test::ValueCase;
using test::Values;

constexpr int64_t kLeastValues = 12;
const std::string kFolder = std::string(GRADUS_SOURCE_DIR) + "/test/ops";

bool computes(const OpDef& row) {
  return row.cls != OpClass::Leaf && row.cls != OpClass::Derivative;
}

std::vector<ValueCase> cases_of(const OpDef& row) {
  return test::CaseReader(row).read(kFolder + "/values");
}

/// The distance of neighbours of the element type at x, no less than that of denormals.
double spacing(double x, DType dtype) {
  bool narrow = dtype == DType::F32;
  int exponent = x == 0 ? -2000 : std::ilogb(x);
  return std::ldexp(1.0, std::max(exponent, narrow ? -126 : -1022) - (narrow ? 23 : 52));
}

bool same_bits(double x, double y) {
  if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
  return x == y && std::signbit(x) == std::signbit(y);
}

/// Whether an element of `dtype` is near enough to the real `want`.
bool is_near(const ValueCase& value, size_t i, double got, double want, DType dtype) {
  bool narrow = dtype == DType::F32;
  double rounded = narrow ? static_cast<double>(static_cast<float>(want)) : want;
  if (!std::isfinite(rounded) || want == 0 || (value.ulps == 0 && value.scale.empty()))
    return same_bits(got, rounded) || (value.signless && got == rounded);
  if (!value.scale.empty())
    return std::abs(got - want) <= value.scale[i] * (narrow ? 0x1p-24 : 0x1p-53);
  // `want` itself is rounded to double.
  return std::abs(got - want) <= (value.ulps + (narrow ? 0.0 : 0.5)) * spacing(want, dtype);
}

std::string place_of(const ValueCase& value, size_t i, double got, double want) {
  std::string text = fmt::format("{}, element {}: found {}, expected {}", value.what, i, got, want);
  for (const Values& x : value.operands) {
    if (x.sizes != value.exact.sizes && x.sizes != value.meaning.sizes) continue;
    text += is_float(x.dtype) ? fmt::format("; operand {}", x.floats[i])
                              : fmt::format("; operand {}", x.integers[i]);
  }
  return text;
}

enum class Against { Meaning, Exact };

/// Each element of `got`, held in `dtype`, against the file's.
void expect_values(const ValueCase& value, const Values& got, DType dtype, Against against) {
  bool bits = against == Against::Exact && value.has_exact;
  const Values& want = bits ? value.exact : value.meaning;
  ASSERT_EQ(got.sizes, want.sizes) << value.what;
  EXPECT_EQ(got.integers, want.integers) << value.what;
  ASSERT_EQ(got.floats.size(), want.floats.size()) << value.what;
  for (size_t i = 0; i < got.floats.size(); ++i) {
    double x = got.floats[i], y = want.floats[i];
    bool fits =
        bits ? same_bits(x, y) || (value.signless && x == y) : is_near(value, i, x, y, dtype);
    EXPECT_TRUE(fits) << place_of(value, i, x, y);
  }
}

void expect_same_bits(const ValueCase& value, const Values& got, const Values& want) {
  EXPECT_EQ(got.integers, want.integers) << value.what;
  ASSERT_EQ(got.floats.size(), want.floats.size()) << value.what;
  for (size_t i = 0; i < got.floats.size(); ++i)
    EXPECT_TRUE(same_bits(got.floats[i], want.floats[i]))
        << place_of(value, i, got.floats[i], want.floats[i]);
}

template <typename To, typename From>
Array<To> with_floats(const Array<From>& from) {
  Array<To> to{from.dtype, from.sizes, {}, from.integers};
  for (From value : from.floats) to.floats.push_back(static_cast<To>(value));
  return to;
}

/// As the evaluator of bits gives them: f64 rounded to f32.
Values narrowed(const Values& values) { return with_floats<double>(with_floats<float>(values)); }

template <typename T>
Environment<T> leaves_of(const ValueCase& value) {
  Environment<T> leaves;
  for (size_t i = 0; i < value.operands.size(); ++i)
    leaves[test::operand_name(0, i)] = with_floats<T>(value.operands[i]);
  return leaves;
}

Graph with_inputs(const OpDef& row, const ValueCase& value) {
  Graph graph;
  test::add_with_inputs(graph, row, value, 0);
  return graph;
}

EvalContext context_of(const Target& target) {
  EvalContext context;
  context.fused_multiply_add = target.fma;
  return context;
}

const Target& host() {
  static const Target target = codegen::detect_host();
  return target;
}

/// By the evaluator of bits. It takes and gives floats: f64 operands come as constants, and results
/// of type f64 are rounded.
Values exact_values(const OpDef& row, const ValueCase& value) {
  bool narrow = true;
  for (const TensorType& type : value.types) narrow = narrow && type.dtype != DType::F64;
  Graph graph = narrow ? with_inputs(row, value) : test::with_constants(row, value);
  opt::split_reductions(graph, 1);
  Environment<float> leaves = narrow ? leaves_of<float>(value) : Environment<float>{};
  return with_floats<double>(eval_exact(graph, leaves, context_of(host()))[graph.results[0].value]);
}

/// What the constant folder leaves; nothing where it is not one constant.
std::optional<Values> folded_values(const OpDef& row, const ValueCase& value) {
  Graph graph = test::with_constants(row, value);
  opt::fold_constants(graph);
  const Node* node = &graph[graph.results[0].value];
  if (node->op == OpKind::Broadcast) node = &graph[node->operands[0]];
  if (node->op != OpKind::Constant) return std::nullopt;
  Values out{value.result.dtype, {}, {}, {}};
  int64_t count = 1;
  for (const Dim& dim : value.result.shape) out.sizes.push_back(dim.value), count *= dim.value;
  auto elements = node->attrs.get_or<std::vector<double>>(AttrName::Values, {});
  if (elements.empty())
    elements.assign(static_cast<size_t>(count), node->attrs.get<double>(AttrName::Value));
  for (double element : elements) {
    if (is_float(out.dtype)) {
      out.floats.push_back(element);
    } else {
      out.integers.push_back(static_cast<int64_t>(element));
    }
  }
  return out;
}

bool folds(const OpDef& row, const ValueCase& value) {
  return row.cls == OpClass::Pointwise && row.kind != OpKind::StopGradient &&
         test::fits_constants(value) && test::fits_constant(value.exact);
}

/// Products are generated for f32 alone; f64 ones are for the evaluators, in checks of gradients.
bool compiles(const OpDef& row, const ValueCase& value) {
  return row.cls != OpClass::Contract || value.result.dtype == DType::F32;
}

template <typename T, typename Element>
void copy_in(const std::vector<Element>& from, std::span<std::byte> to) {
  for (size_t i = 0; i < from.size(); ++i) {
    T element = static_cast<T>(from[i]);
    std::memcpy(to.data() + i * sizeof(T), &element, sizeof(T));
  }
}

void write_bytes(const Values& x, std::span<std::byte> to) {
  switch (x.dtype) {
    case DType::Bool:
      return copy_in<uint8_t>(x.integers, to);
    case DType::I32:
      return copy_in<int32_t>(x.integers, to);
    case DType::I64:
      return copy_in<int64_t>(x.integers, to);
    case DType::F32:
      return copy_in<float>(x.floats, to);
    case DType::F64:
      return copy_in<double>(x.floats, to);
  }
}

template <typename T, typename Element>
void copy_out(std::span<const std::byte> from, int64_t count, std::vector<Element>& to) {
  for (int64_t i = 0; i < count; ++i) {
    T element;
    std::memcpy(&element, from.data() + static_cast<size_t>(i) * sizeof(T), sizeof(T));
    to.push_back(static_cast<Element>(element));
  }
}

Values read_bytes(const TensorType& type, std::span<const std::byte> from) {
  Values out{type.dtype, {}, {}, {}};
  for (const Dim& dim : type.shape) out.sizes.push_back(dim.value);
  switch (type.dtype) {
    case DType::Bool:
      copy_out<uint8_t>(from, out.count(), out.integers);
      break;
    case DType::I32:
      copy_out<int32_t>(from, out.count(), out.integers);
      break;
    case DType::I64:
      copy_out<int64_t>(from, out.count(), out.integers);
      break;
    case DType::F32:
      copy_out<float>(from, out.count(), out.floats);
      break;
    case DType::F64:
      copy_out<double>(from, out.count(), out.floats);
      break;
  }
  return out;
}

/// All cases as one compiled step.
std::vector<Values> compiled_values(const OpDef& row, const std::vector<ValueCase>& cases) {
  Graph graph;
  graph.name = row.name;
  for (size_t k = 0; k < cases.size(); ++k) test::add_with_inputs(graph, row, cases[k], k);
  SourceMap sources;
  DiagEngine diags(sources);
  pipeline::CompileOptions options;
  options.capacity = 1;
  options.verify_roundtrip = true;
  auto compiled = pipeline::compile_graph(graph, host(), options, diags);
  GRADUS_CHECK(compiled, diags.render(false));
  auto jit = codegen::compile_jit({{&compiled->program, &compiled->plan, "step"}}, host());
  pipeline::VariableStore variables;
  pipeline::StepRunner runner(compiled->program, compiled->plan, jit->find("step"), variables, {});
  for (size_t k = 0; k < cases.size(); ++k) {
    for (size_t i = 0; i < cases[k].operands.size(); ++i) {
      std::string name = test::operand_name(k, i);
      if (runner.has_input(name)) write_bytes(cases[k].operands[i], runner.input(name));
    }
  }
  GRADUS_CHECK(runner.run({}) == 0, "the step ends well");
  std::vector<Values> out;
  for (size_t k = 0; k < cases.size(); ++k)
    out.push_back(read_bytes(cases[k].result, runner.output(test::case_name(k))));
  return out;
}

class RowValues : public testing::TestWithParam<const OpDef*> {
 protected:
  const OpDef& row_ = *GetParam();
  std::vector<ValueCase> cases_ = cases_of(row_);
};

TEST_P(RowValues, AreEnough) {
  int64_t count = 0;
  for (const ValueCase& value : cases_) count += value.meaning.count();
  EXPECT_GE(count, kLeastValues) << "test/ops/values/" << row_.name << ".json";
}

TEST_P(RowValues, MeaningAgrees) {
  for (const ValueCase& value : cases_) {
    Graph graph = with_inputs(row_, value);
    auto values = eval<double>(graph, leaves_of<double>(value), {});
    expect_values(value, values[graph.results[0].value], DType::F64, Against::Meaning);
  }
}

TEST_P(RowValues, BitsAgree) {
  for (const ValueCase& value : cases_) {
    ValueCase rounded = value;
    if (value.result.dtype == DType::F64) {
      // Narrowed on the way out: no further from the number than one more rounding.
      for (double& x : rounded.exact.floats) x = static_cast<double>(static_cast<float>(x));
      rounded.ulps = std::min(value.ulps, 1.0);
    }
    expect_values(rounded, exact_values(row_, value), DType::F32, Against::Exact);
  }
}

TEST_P(RowValues, FoldedConstantsAgree) {
  for (const ValueCase& value : cases_) {
    if (!test::fits_constants(value)) continue;
    auto folded = folded_values(row_, value);
    if (row_.kind == OpKind::Broadcast) continue;  // of a constant: how one is written
    EXPECT_EQ(folded.has_value(), folds(row_, value)) << value.what;
    if (!folded) continue;
    expect_values(value, *folded, value.result.dtype, Against::Exact);
    expect_same_bits(value, narrowed(*folded), exact_values(row_, value));
  }
}

TEST_P(RowValues, CompiledCodeAgrees) {
  std::erase_if(cases_, [&](const ValueCase& value) { return !compiles(row_, value); });
  if (cases_.empty()) return;
  std::vector<Values> compiled = compiled_values(row_, cases_);
  for (size_t k = 0; k < cases_.size(); ++k) {
    const ValueCase& value = cases_[k];
    expect_values(value, compiled[k], value.result.dtype, Against::Exact);
    expect_same_bits(value, narrowed(compiled[k]), exact_values(row_, value));
    if (folds(row_, value)) expect_same_bits(value, compiled[k], *folded_values(row_, value));
  }
}

std::vector<const OpDef*> computing_rows() {
  std::vector<const OpDef*> rows;
  for (const OpDef* row : all_ops()) {
    if (computes(*row)) rows.push_back(row);
  }
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Ops, RowValues, testing::ValuesIn(computing_rows()),
                         [](const auto& row) { return std::string(row.param->name); });

TEST(Nearness, CountsUnitsInTheLastPlace) {
  ValueCase value;
  value.ulps = 4;
  const auto f32 = [&](double got, double want) {
    return is_near(value, 0, got, want, DType::F32);
  };
  EXPECT_TRUE(f32(1 + 0x4p-23, 1) && f32(1 - 0x4p-23, 1));
  EXPECT_FALSE(f32(1 + 0x5p-23, 1) || f32(1 - 0x5p-23, 1));
  EXPECT_TRUE(is_near(value, 0, 1 + 0x4p-52, 1, DType::F64));
  EXPECT_FALSE(is_near(value, 0, 1 + 0x5p-52, 1, DType::F64));
  EXPECT_TRUE(f32(INFINITY, 1e40) && f32(NAN, NAN) && f32(-0.0, -0.0));
  EXPECT_FALSE(f32(0x1.fffffep127, 1e40) || f32(0, NAN) || f32(NAN, 0) || f32(0.0, -0.0));
  EXPECT_TRUE(f32(0x4p-149, 1e-50));
  EXPECT_FALSE(f32(0x5p-149, 1e-50));
  value.ulps = 0;
  EXPECT_TRUE(f32(0.1f, 0.1f));
  EXPECT_FALSE(f32(std::nextafter(0.1f, 1.0f), 0.1f));
}

TEST(Nearness, FindsAWrongRow) {
  OpDef wrong = op_def(OpKind::Tanh);
  wrong.scalar = op_def(OpKind::Sin).scalar;
  const OpDef* row = replace_op_def_for_test(OpKind::Tanh, &wrong);
  size_t misses = 0;
  for (const ValueCase& value : cases_of(wrong)) {
    if (value.result.dtype != DType::F32) continue;
    Values got = exact_values(wrong, value);
    for (size_t i = 0; i < got.floats.size(); ++i)
      misses += !is_near(value, i, got.floats[i], value.meaning.floats[i], DType::F32);
  }
  replace_op_def_for_test(OpKind::Tanh, row);
  EXPECT_GT(misses, 20u);
}

TEST(RowFiles, EveryRowHasItsText) {
  for (const OpDef* row : all_ops())
    EXPECT_TRUE(std::filesystem::exists(fmt::format("{}/{}.gir", kFolder, row->name)))
        << "test/ops/" << row->name << ".gir shows the operator's text and derivative";
}

TEST(RowFiles, EveryFileIsOfARow) {
  for (const std::string& folder : {kFolder, kFolder + "/values"}) {
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      std::filesystem::path path = file.path();
      if (path.extension() != ".gir" && path.extension() != ".json") continue;
      EXPECT_TRUE(op_from_name(path.stem().string())) << path;
    }
  }
}

}  // namespace
}  // namespace gradus
