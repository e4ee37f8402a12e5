// The evaluators against hand-made numbers and against the orders of sums written a second time.
#include "eval/eval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>

#include "graph/builder.h"
#include "graph/sum_order.h"
#include "graph/text.h"
#include "support/check.h"

namespace gradus {
namespace {

using Doubles = std::vector<double>;
using Ints = std::vector<int64_t>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The graph of `lines`, each a node; the last value is returned.
Graph read(const std::string& lines) {
  SourceMap sources;
  DiagEngine diags(sources);
  const int32_t file = sources.add("test.gir", "graph @f {\n" + lines + "\n}\n");
  auto graphs = read_graphs(sources, file, diags);
  EXPECT_TRUE(graphs.has_value()) << diags.render(false);
  return std::move(graphs.value().at(0));
}

template <typename T>
Array<T> floats(Ints sizes, std::vector<T> values, DType dtype = DType::F32) {
  return {.dtype = dtype, .sizes = std::move(sizes), .floats = std::move(values), .integers = {}};
}
template <typename T = double>
Array<T> ints(Ints sizes, Ints values, DType dtype = DType::I32) {
  return {.dtype = dtype, .sizes = std::move(sizes), .floats = {}, .integers = std::move(values)};
}

Array<double> run(const std::string& lines, const Environment<double>& leaves,
                  const EvalContext& context = {}) {
  const Graph graph = read(lines);
  return eval<double>(graph, leaves, context)[graph.results.back().value];
}
Array<float> run_exact(const std::string& lines, const Environment<float>& leaves,
                       const EvalContext& context = {}) {
  const Graph graph = read(lines);
  return eval_exact(graph, leaves, context)[graph.results.back().value];
}
Doubles counting(size_t count) {
  Doubles values(count);
  std::iota(values.begin(), values.end(), 0.0);
  return values;
}

/// NaN equals NaN, +0 does not equal -0.
template <typename T>
void expect_same(const std::vector<T>& got, const std::vector<T>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(got[i])) << i;
    } else {
      EXPECT_EQ(got[i], expected[i]) << i;
      EXPECT_EQ(std::signbit(got[i]), std::signbit(expected[i])) << i;
    }
  }
}

TEST(Eval, pointwise_operands_broadcast) {
  const auto y = run(R"(
    %a = input "a" : f32[2,1,2]
    %b = input "b" : f32[3,1]
    %0 = sub %a, %b : f32[2,3,2]
    return %0)",
                     {{"a", floats<double>({2, 1, 2}, {1, 2, 3, 4})},
                      {"b", floats<double>({3, 1}, {10, 20, 30})}});
  EXPECT_EQ(y.sizes, (Ints{2, 3, 2}));
  EXPECT_EQ(y.floats, (Doubles{-9, -8, -19, -18, -29, -28, -7, -6, -17, -16, -27, -26}));
}

TEST(Eval, pointwise_runs_over_more_than_one_block) {
  const size_t count = 1000;
  const auto y = run(R"(
    %a = input "a" : f32[1000]
    %0 = less %a, 500.0 : bool[1000]
    %1 = select %0, %a, -1.0 : f32[1000]
    return %1)",
                     {{"a", floats<double>({1000}, counting(count))}});
  for (size_t i = 0; i < count; ++i)
    EXPECT_EQ(y.floats[i], i < 500 ? static_cast<double>(i) : -1.0);
}

TEST(Eval, f32_nodes_are_computed_in_double_and_rounded_in_exact) {
  const std::string graph = R"(
    %a = input "a" : f32[1]
    %0 = add %a, 0.1 : f32[1]
    return %0)";
  const double tenth = 0.1f;
  EXPECT_EQ(run(graph, {{"a", floats<double>({1}, {1.0})}}).floats[0], 1.0 + tenth);
  EXPECT_EQ(run_exact(graph, {{"a", floats<float>({1}, {1.0f})}}).floats[0], 1.0f + 0.1f);
}

TEST(Eval, leaves_know_their_position_and_the_step) {
  const EvalContext context{.n = 3, .capacity = 4, .step = 7, .steps = 9, .epoch = 2};
  EXPECT_EQ(run("%0 = iota {axis=0} : i32[batch,2]\n return %0", {}, context).integers,
            (Ints{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(run("%0 = batch_size : f32[]\n return %0", {}, context).floats, Doubles{3});
  EXPECT_EQ(run("%0 = step_number : f64[]\n return %0", {}, context).floats, Doubles{7});
  EXPECT_EQ(run("%0 = step_count : f64[]\n return %0", {}, context).floats, Doubles{9});
  EXPECT_EQ(run("%0 = epoch_number : f64[]\n return %0", {}, context).floats, Doubles{2});
}

TEST(Eval, constants_are_splat_or_dense) {
  Graph graph;
  GraphBuilder g(graph);
  const NodeId splat = g.constant({DType::I32, {Dim::fixed(2)}}, 5);
  const NodeId dense = g.dense_constant({DType::F32, {Dim::fixed(3)}}, {0.1, -0.0, 2});
  const auto values = eval<double>(graph, {}, {});
  EXPECT_EQ(values[splat].integers, (Ints{5, 5}));
  expect_same(values[dense].floats, {double{0.1f}, -0.0, 2});
  expect_same(eval_exact(graph, {}, {})[dense].floats, {0.1f, -0.0f, 2.0f});
}

TEST(Eval, random_bits_are_those_of_the_published_algorithm) {
  // Threefry-2x32-20 of key (0, 0), counter (0, 0): the first known answer of its authors.
  const EvalContext zero{.step = 0, .seed = 0};
  const auto bits = run("%0 = random_bits {stream=0} : i32[2]\n return %0", {}, zero);
  EXPECT_EQ(static_cast<uint32_t>(bits.integers[0]), 0x6b200159u);
  EXPECT_NE(bits.integers[1], bits.integers[0]);
  const auto exact = run_exact("%0 = random_bits {stream=0} : i32[2]\n return %0", {}, zero);
  EXPECT_EQ(exact.integers, bits.integers);
}

TEST(Eval, sums_over_any_dimensions) {
  const Environment<double> x = {{"x", floats<double>({2, 3, 2}, counting(12))}};
  EXPECT_EQ(run("%x = input \"x\" : f32[2,3,2]\n %0 = sum %x {dims=[0,2]} : f32[3]\n return %0", x)
                .floats,
            (Doubles{0 + 1 + 6 + 7, 2 + 3 + 8 + 9, 4 + 5 + 10 + 11}));
  const auto kept = run(
      "%x = input \"x\" : f32[2,3,2]\n %0 = sum %x {dims=[1], keep=true} : f32[2,1,2]\n return %0",
      x);
  EXPECT_EQ(kept.sizes, (Ints{2, 1, 2}));
  EXPECT_EQ(kept.floats, (Doubles{6, 9, 24, 27}));
}

TEST(Eval, integer_sums_wrap) {
  const auto y = run("%x = input \"x\" : i32[2]\n %0 = sum %x {dims=[0]} : i32[]\n return %0",
                     {{"x", ints({2}, {2147483647, 1})}});
  EXPECT_EQ(y.integers, Ints{-2147483648});
}

TEST(Eval, extrema_keep_nan_wherever_it_stands) {
  const Environment<double> x = {
      {"x", floats<double>({4, 3}, {1, 5, 2, kNan, 1, 2, 1, kNan, 2, 1, 2, kNan})}};
  expect_same(
      run("%x = input \"x\" : f32[4,3]\n %0 = max %x {dims=[1]} : f32[4]\n return %0", x).floats,
      {5, kNan, kNan, kNan});
  expect_same(
      run("%x = input \"x\" : f32[4,3]\n %0 = min %x {dims=[1]} : f32[4]\n return %0", x).floats,
      {1, kNan, kNan, kNan});
}

TEST(Eval, argmax_takes_the_first_of_equals_and_nan_as_largest) {
  const auto y =
      run("%x = input \"x\" : f32[4,4]\n %0 = argmax %x {dims=[1]} : i32[4]\n return %0",
          {{"x", floats<double>({4, 4}, {1, 3, 3, 2, 1, kNan, kInfinity, kNan, -kInfinity,
                                         -kInfinity, -9, -9, 0, -0.0, 0, -1})}});
  EXPECT_EQ(y.integers, (Ints{1, 1, 2, 0}));
}

TEST(Eval, tied_maxima_share_the_derivative) {
  const Graph graph =
      read("%x = input \"x\" : f32[3]\n %0 = max %x {dims=[0]} : f32[]\n return %0");
  const auto value = eval<Dual>(graph, {{"x", floats<Dual>({3}, {{2, 1}, {2, 0}, {1, 5}})}}, {});
  EXPECT_EQ(value[graph.results[0].value].floats[0].tangent, 0.5);
}

/// Products of random matrices against the sum over k written out by index.
void expect_matmul(const std::string& left, const std::string& right, const std::string& result,
                   bool ta, bool tb) {
  SCOPED_TRACE(left + " " + right);
  const auto sizes = [](const std::string& type) {
    Ints out;
    const TensorType read_type = *type_from_string(type);
    for (const Dim& dim : read_type.shape) out.push_back(dim.value);
    return out;
  };
  const Ints a = sizes(left), b = sizes(right), c = sizes(result);
  const auto make = [](const Ints& of, double scale) {
    size_t count = 1;
    for (int64_t size : of) count *= static_cast<size_t>(size);
    Doubles values = counting(count);
    for (double& value : values) value = std::fmod(value * scale, 7.0) - 3;
    return floats<double>(of, values);
  };
  const Array<double> x = make(a, 3), y = make(b, 5);
  const auto got = run("%a = input \"a\" : " + left + "\n %b = input \"b\" : " + right +
                           "\n %0 = matmul %a, %b {ta=" + (ta ? "true" : "false") +
                           ", tb=" + (tb ? "true" : "false") + "} : " + result + "\n return %0",
                       {{"a", x}, {"b", y}});
  const int64_t rows = c[c.size() - 2], columns = c.back();
  const int64_t inner = ta ? a[a.size() - 2] : a.back();
  const auto batch_of = [&](const Ints& of, int64_t which) {
    return of.size() == 2 || of[0] == 1 ? int64_t{0} : which;
  };
  for (int64_t at = 0; at < got.count(); ++at) {
    const int64_t j = at % columns, i = at / columns % rows, p = at / columns / rows;
    double total = 0;
    for (int64_t k = 0; k < inner; ++k) {
      const int64_t left_at = ta ? k * rows + i : i * inner + k;
      const int64_t right_at = tb ? j * inner + k : k * columns + j;
      total += x.floats[static_cast<size_t>(batch_of(a, p) * rows * inner + left_at)] *
               y.floats[static_cast<size_t>(batch_of(b, p) * inner * columns + right_at)];
    }
    EXPECT_EQ(got.floats[static_cast<size_t>(at)], total) << at;
  }
}

TEST(Eval, matmul_in_all_forms) {
  expect_matmul("f32[3,4]", "f32[4,5]", "f32[3,5]", false, false);
  expect_matmul("f32[4,3]", "f32[4,5]", "f32[3,5]", true, false);
  expect_matmul("f32[3,4]", "f32[5,4]", "f32[3,5]", false, true);
  expect_matmul("f32[4,3]", "f32[5,4]", "f32[3,5]", true, true);
  expect_matmul("f32[2,3,4]", "f32[2,4,5]", "f32[2,3,5]", false, false);
  expect_matmul("f32[2,3,4]", "f32[4,5]", "f32[2,3,5]", false, false);
  expect_matmul("f32[1,3,4]", "f32[2,5,4]", "f32[2,3,5]", false, true);
  // Whole tiles, and several with a rest.
  expect_matmul("f32[8,3]", "f32[3,4]", "f32[8,4]", false, false);
  for (bool ta : {false, true}) {
    for (bool tb : {false, true}) {
      expect_matmul(ta ? "f32[7,9]" : "f32[9,7]", tb ? "f32[10,7]" : "f32[7,10]", "f32[9,10]", ta, tb);
    }
  }
}

TEST(Eval, layout_moves_elements) {
  const std::string x = "%x = input \"x\" : f32[2,3]\n";
  const Environment<double> leaves = {{"x", floats<double>({2, 3}, {1, 2, 3, 4, 5, 6})}};
  const auto value = [&](const std::string& node) {
    return run(x + node + "\n return %0", leaves).floats;
  };
  EXPECT_EQ(value("%0 = transpose %x {perm=[1,0]} : f32[3,2]"), (Doubles{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(value("%0 = reshape %x : f32[3,2]"), (Doubles{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(value("%0 = broadcast %x : f32[2,2,3]"), (Doubles{1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(value("%0 = slice %x {start=[1,2], step=[-1,-2]} : f32[2,2]"), (Doubles{6, 4, 3, 1}));
  EXPECT_EQ(value("%0 = pad %x {low=[0,1], high=[1,0]} : f32[3,4]"),
            (Doubles{0, 1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0}));
  EXPECT_EQ(value("%0 = concat %x, %x {axis=1} : f32[2,6]"),
            (Doubles{1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6}));
}

TEST(Eval, indexed_operators_follow_their_indices) {
  const Environment<double> leaves = {{"x", floats<double>({3, 2}, {1, 2, 3, 4, 5, 6})},
                                      {"i", ints({3}, {2, 0, 2})},
                                      {"j", ints({3}, {1, 0, 1})}};
  const auto value = [&](const std::string& node) {
    return run("%x = input \"x\" : f32[3,2]\n %i = input \"i\" : i32[3]\n %j = input \"j\" : "
               "i32[3]\n" +
                   node + "\n return %0",
               leaves)
        .floats;
  };
  EXPECT_EQ(value("%0 = gather %x, %i : f32[3,2]"), (Doubles{5, 6, 1, 2, 5, 6}));
  EXPECT_EQ(value("%0 = scatter_add %i, %x : f32[4,2]"), (Doubles{3, 4, 0, 0, 6, 8, 0, 0}));
  EXPECT_EQ(value("%1 = take_along %x, %j {axis=1} : f32[3]\n %0 = neg %1 : f32[3]"),
            (Doubles{-2, -3, -6}));
  EXPECT_EQ(
      value("%1 = take_along %x, %j {axis=1} : f32[3]\n %0 = put_along %j, %1 {axis=1} : f32[3,2]"),
      (Doubles{0, 2, 3, 0, 0, 6}));
  EXPECT_EQ(value("%0 = cumulative_sum %x {axis=0} : f32[3,2]"), (Doubles{1, 2, 4, 6, 9, 12}));
  EXPECT_EQ(value("%0 = cumulative_sum %x {axis=0, exclusive=true} : f32[3,2]"),
            (Doubles{0, 0, 1, 2, 4, 6}));
}

TEST(Eval, an_index_outside_its_axis_throws) {
  for (int64_t index : {-1, 3}) {
    const Environment<double> leaves = {{"x", floats<double>({3, 1}, {1, 2, 3})},
                                        {"i", ints({1}, {index})}};
    EXPECT_THROW(run("%x = input \"x\" : f32[3,1]\n %i = input \"i\" : i32[1]\n %0 = gather %x, %i "
                     ": f32[1,1]\n return %0",
                     leaves),
                 std::out_of_range);
    EXPECT_THROW(run("%x = input \"x\" : f32[3,1]\n %i = input \"i\" : i32[1]\n %0 = take_along "
                     "%x, %i {axis=0} : f32[1]\n return %0",
                     leaves),
                 std::out_of_range);
  }
}

TEST(Eval, nodes_without_a_value_are_refused) {
  EXPECT_THROW(run("%x = input \"x\" : f32[]\n return %x", {}), InternalError);
  EXPECT_THROW(run("%x = input \"x\" : f32[2]\n return %x", {{"x", floats<double>({1}, {1})}}),
               InternalError);
}

TEST(Eval, tangents_are_directional_derivatives) {
  const Graph graph = read(R"(
    %x = input "x" : f32[6]
    %0 = tanh %x : f32[6]
    %1 = exp %0 : f32[6]
    %2 = erf %x : f32[6]
    %3 = sigmoid %2 : f32[6]
    %4 = div %1, %3 : f32[6]
    %5 = log %4 : f32[6]
    %6 = abs %5 : f32[6]
    %7 = sqrt %6 : f32[6]
    %8 = sin %7 : f32[6]
    %9 = pow %7, %8 : f32[6]
    %10 = log1p %9 : f32[6]
    %11 = cos %10 : f32[6]
    %12 = mul %11, %x : f32[6]
    %13 = cumulative_sum %12 {axis=0} : f32[6]
    return %13)");
  const Doubles x = {0.3, -0.7, 1.1, 0.9, -1.6, 2.0}, direction = {1, -2, 0.5, 3, 1, -1};
  std::vector<Dual> duals;
  Doubles ahead, behind;
  const double h = 1e-6;
  for (size_t i = 0; i < x.size(); ++i) {
    duals.push_back({x[i], direction[i]});
    ahead.push_back(x[i] + h * direction[i]);
    behind.push_back(x[i] - h * direction[i]);
  }
  const NodeId result = graph.results[0].value;
  const auto dual = eval<Dual>(graph, {{"x", floats<Dual>({6}, duals)}}, {})[result];
  const auto up = eval<double>(graph, {{"x", floats<double>({6}, ahead)}}, {})[result];
  const auto down = eval<double>(graph, {{"x", floats<double>({6}, behind)}}, {})[result];
  const auto plain = eval<double>(graph, {{"x", floats<double>({6}, x)}}, {})[result];
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(dual.floats[i].value, plain.floats[i]);
    EXPECT_NEAR(dual.floats[i].tangent, (up.floats[i] - down.floats[i]) / (2 * h), 1e-7) << i;
  }
}

// The orders of sums, written a second time: by recursion and with explicit lists.

std::vector<float> random_floats(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> value(-1, 1);
  std::vector<float> values(count);
  for (float& v : values) v = value(random) * (random() % 4 == 0 ? 1000.0f : 1.0f);
  return values;
}

float tree(const std::vector<float>& lanes) {
  if (lanes.size() == 1) return lanes[0];
  std::vector<float> half;
  for (size_t l = 0; l < lanes.size() / 2; ++l)
    half.push_back(lanes[l] + lanes[l + lanes.size() / 2]);
  return tree(half);
}

float lanes_again(const std::vector<float>& x) {
  if (x.size() > 16384) {
    std::vector<float> totals;
    for (size_t at = 0; at < x.size(); at += 4096) {
      totals.push_back(
          lanes_again({x.begin() + static_cast<std::ptrdiff_t>(at),
                       x.begin() + static_cast<std::ptrdiff_t>(std::min(at + 4096, x.size()))}));
    }
    return lanes_again(totals);
  }
  std::vector<float> lanes;
  for (size_t l = 0; l < 32; ++l) {
    float total = -0.0f;
    for (size_t i = l; i < x.size(); i += 32) total += x[i];
    lanes.push_back(total);
  }
  return tree(lanes);
}

TEST(Eval, a_moved_parameter_changes_what_depends_on_it) {
  const Graph graph = read(R"(%x = input "x" : f32[2]
    %w = param "w" : f32[2]
    %b = param "b" : f32[2]
    %0 = exp %b : f32[2]
    %1 = mul %x, %w : f32[2]
    %2 = add %1, %0 : f32[2]
    %3 = sum %2 {dims=[0]} : f32[]
    return %3, %0)");
  Environment<double> leaves{{"x", floats<double>({2}, {2, 3})},
                             {"w", floats<double>({2}, {0.5, -1})},
                             {"b", floats<double>({2}, {0.25, 0})}};
  const auto base = eval<double>(graph, leaves, {});
  const Array<double> moved = floats<double>({2}, {0.75, 7});
  const NodeId total = graph.results[0].value, beside = graph.results[1].value;
  EXPECT_EQ(eval_moved(graph, base, {{"w", moved}}, beside, {}).floats, base[beside].floats);
  const double found = eval_moved(graph, base, {{"w", moved}}, total, {}).floats[0];
  leaves["w"] = moved;
  EXPECT_EQ(found, eval<double>(graph, leaves, {})[total].floats[0]);
  EXPECT_NE(found, base[total].floats[0]);
  leaves["b"] = floats<double>({2}, {-1, 0.5});
  const double both = eval_moved(graph, base, {{"w", moved}, {"b", leaves["b"]}}, total, {}).floats[0];
  EXPECT_EQ(both, eval<double>(graph, leaves, {})[total].floats[0]);
  EXPECT_NE(both, found);
}

TEST(EvalExact, sums_in_lanes) {
  for (size_t count : {1, 2, 5, 31, 32, 33, 1000, 4097, 16384, 16385, 20001}) {
    const std::vector<float> x = random_floats(count, static_cast<uint32_t>(count));
    const std::string size = std::to_string(count);
    const auto y = run_exact("%x = input \"x\" : f32[" + size +
                                 "]\n %0 = sum %x {dims=[0], order=lanes} : f32[]\n return %0",
                             {{"x", floats<float>({static_cast<int64_t>(count)}, x)}});
    EXPECT_EQ(y.floats[0], lanes_again(x)) << count;
  }
}

TEST(EvalExact, sums_in_a_chain_with_the_outermost_slowest) {
  const std::vector<float> x = random_floats(60, 1);
  const auto y = run_exact(
      "%x = input \"x\" : f32[batch,4,5]\n %0 = sum %x {dims=[0,2], order=chain} : f32[4]\n "
      "return %0",
      {{"x", floats<float>({3, 4, 5}, x)}}, {.n = 3});
  for (size_t j = 0; j < 4; ++j) {
    float total = -0.0f;
    for (size_t i = 0; i < 3; ++i) {
      for (size_t k = 0; k < 5; ++k) total += x[i * 20 + j * 5 + k];
    }
    EXPECT_EQ(y.floats[j], total);
  }
}

TEST(EvalExact, sums_of_negative_zeros_stay_negative) {
  for (const char* order : {"lanes", "chain"}) {
    const auto y =
        run_exact(std::string("%x = input \"x\" : f32[2]\n %0 = sum %x {dims=[0], order=") + order +
                      "} : f32[]\n return %0",
                  {{"x", floats<float>({2}, {-0.0f, -0.0f})}});
    EXPECT_TRUE(std::signbit(y.floats[0]));
  }
}

TEST(EvalExact, a_float_sum_needs_its_order) {
  EXPECT_THROW(run_exact("%x = input \"x\" : f32[2]\n %0 = sum %x {dims=[0]} : f32[]\n return %0",
                         {{"x", floats<float>({2}, {1, 2})}}),
               InternalError);
}

TEST(EvalExact, partial_sums_end_with_the_rows) {
  const std::vector<float> x = random_floats(14, 2);
  const auto y = run_exact(
      "%x = input \"x\" : f32[batch,2]\n %0 = partial_sum %x {dims=[0], chunk=3} : f32[4,2]\n "
      "return %0",
      {{"x", floats<float>({7, 2}, x)}}, {.n = 7, .capacity = 12});
  for (size_t j = 0; j < 2; ++j) {
    EXPECT_EQ(y.floats[j], (x[j] + x[2 + j]) + x[4 + j]);
    EXPECT_EQ(y.floats[2 + j], (x[6 + j] + x[8 + j]) + x[10 + j]);
    EXPECT_EQ(y.floats[4 + j], x[12 + j]);
    EXPECT_TRUE(y.floats[6 + j] == 0 && std::signbit(y.floats[6 + j]));
  }
}

TEST(EvalExact, products_are_chains_in_chunks_of_1024) {
  const size_t inner = 2500;
  const std::vector<float> a = random_floats(inner, 4), b = random_floats(inner, 5);
  for (bool fused : {true, false}) {
    std::vector<float> chunks;
    for (size_t k = 0; k < inner; ++k) {
      if (k % 1024 == 0) chunks.push_back(0.0f);
      const float product = a[k] * b[k];
      chunks.back() = fused ? std::fma(a[k], b[k], chunks.back()) : product + chunks.back();
    }
    const auto y = run_exact(
        "%a = input \"a\" : f32[1,2500]\n %b = input \"b\" : f32[2500,1]\n %0 = matmul %a, %b : "
        "f32[1,1]\n return %0",
        {{"a", floats<float>({1, 2500}, a)}, {"b", floats<float>({2500, 1}, b)}},
        {.fused_multiply_add = fused});
    EXPECT_EQ(y.floats[0], (chunks[0] + chunks[1]) + chunks[2]);
  }
}

TEST(EvalExact, scattered_rows_add_in_ascending_order) {
  // 1e8 + 1 loses the 1 in f32; only the order of the sources decides what is left.
  const auto y = run_exact(
      "%i = input \"i\" : i32[4]\n %x = input \"x\" : f32[4,1]\n %0 = scatter_add %i, %x : "
      "f32[2,1]\n return %0",
      {{"i", ints<float>({4}, {1, 1, 1, 0})},
       {"x", floats<float>({4, 1}, {1e8f, 1.0f, -1e8f, -0.0f})}});
  expect_same(y.floats, {0.0f, 0.0f});
}

TEST(EvalExact, cumulative_sums_are_a_chain) {
  const std::vector<float> x = random_floats(50, 6);
  const auto y = run_exact(
      "%x = input \"x\" : f32[50]\n %0 = cumulative_sum %x {axis=0} : f32[50]\n return %0",
      {{"x", floats<float>({50}, x)}});
  float total = 0;
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y.floats[i], total += x[i]);
}

TEST(EvalExact, f64_scalars_keep_their_digits) {
  // 1 - 0.999^step in f64, rounded to f32 at the end: in f32 it would be off by thousands of ulp.
  const auto y = run_exact(R"(
    %0 = step_number : f64[]
    %1 = constant {value=0.999} : f64[]
    %2 = pow %1, %0 : f64[]
    %3 = constant {value=1.0} : f64[]
    %4 = sub %3, %2 : f64[]
    %5 = convert %4 : f32[]
    return %5)",
                           {}, {.step = 3});
  EXPECT_EQ(y.floats[0], static_cast<float>(1 - std::pow(0.999, 3)));
}

TEST(EvalExact, math_is_the_same_in_every_lane) {
  const std::vector<float> x = random_floats(300, 7);
  const std::string nodes =
      "]\n %0 = sigmoid %x : f32[batch]\n %1 = exp %0 : f32[batch]\n return %1";
  const auto all = run_exact("%x = input \"x\" : f32[batch" + nodes,
                             {{"x", floats<float>({300}, x)}}, {.n = 300});
  for (size_t i = 0; i < x.size(); ++i) {
    const auto one =
        run_exact("%x = input \"x\" : f32[batch" + nodes, {{"x", floats<float>({1}, {x[i]})}});
    EXPECT_EQ(one.floats[0], all.floats[i]);
  }
}

TEST(SumOrder, totals_of_many_chunks_are_chunked_again) {
  // 16385 chunks, so that their totals need chunks too; ones add exactly.
  const int64_t count = (kSumUnchunked + 1) * kSumChunk;
  EXPECT_EQ(sum_lanes<double>(count, [](int64_t) { return 1.0; }), static_cast<double>(count));
}

}  // namespace
}  // namespace gradus
