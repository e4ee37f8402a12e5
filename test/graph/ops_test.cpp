// The operator table: each row has the rules of its class, every shape rule answers hostile sizes
// with a problem and never overflows, random bits are those of the published algorithm.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "graph/builder.h"
#include "graph/op.h"
#include "scalar/scalar_concrete.h"

namespace gradus {
namespace {

using Ints = std::vector<int64_t>;

TensorType type(const std::string& text) { return *type_from_string(text); }
constexpr int64_t kHuge = int64_t{1} << 62;

TEST(OpTable, rows_have_the_rules_of_their_class) {
  std::set<std::string_view> names;
  std::set<OpKind> kinds;
  for (const OpDef* row : all_ops()) {
    SCOPED_TRACE(row->name);
    EXPECT_TRUE(names.insert(row->name).second);
    EXPECT_TRUE(kinds.insert(row->kind).second);
    EXPECT_EQ(op_from_name(row->name), row->kind);
    EXPECT_EQ(&op_def(row->kind), row);
    EXPECT_NE(row->shape, nullptr);
    EXPECT_FALSE(row->doc.empty());
    EXPECT_EQ(row->cls == OpClass::Leaf, row->arity == 0);
    EXPECT_EQ(row->cls == OpClass::Pointwise, row->scalar != nullptr);
    EXPECT_EQ(row->cls == OpClass::Reduce, row->combine != nullptr);
    EXPECT_EQ(row->cls == OpClass::Contract, row->contract != nullptr);
    bool by_rule = row->differentiable == Differentiable::Yes && row->cls != OpClass::Derivative;
    EXPECT_EQ(by_rule, row->vjp != nullptr);
    EXPECT_TRUE(row->vjp || row->saves == Saves::Nothing);
    EXPECT_TRUE(!row->commutative || row->arity == 2);
  }
  EXPECT_FALSE(op_from_name("relu"));
}

TEST(OpTable, classes_are_those_of_the_list) {
#define OP(name, cls_name) EXPECT_EQ(op_def(OpKind::name).cls, OpClass::cls_name) << #name;
#include "graph/ops.def"
#undef OP
}

TEST(OpTable, a_row_can_be_replaced_and_put_back) {
  OpDef wrong = op_def(OpKind::Tanh);
  wrong.doc = "wrong";
  const OpDef* right = replace_op_def_for_test(OpKind::Tanh, &wrong);
  EXPECT_EQ(op_def(OpKind::Tanh).doc, "wrong");
  EXPECT_EQ(replace_op_def_for_test(OpKind::Tanh, right), &wrong);
  EXPECT_EQ(&op_def(OpKind::Tanh), right);
}

/// Text of the result type, or the problem.
std::string infer(OpKind op, std::vector<std::string> operands, const Attrs& attrs = {},
                  const char* given = nullptr) {
  std::vector<TensorType> types;
  for (const std::string& text : operands) types.push_back(type(text));
  TensorType result;
  if (given) result = type(given);
  ShapeResult answer = op_def(op).shape(types, attrs, given ? &result : nullptr);
  if (auto* problem = std::get_if<ShapeProblem>(&answer)) return problem->message;
  return to_string(std::get<TensorType>(answer));
}

Attrs dims(Ints list, bool keep = false) {
  return {{AttrName::Dims, std::move(list)}, {AttrName::Keep, keep}};
}
Attrs flags(bool ta, bool tb) { return {{AttrName::Ta, ta}, {AttrName::Tb, tb}}; }
Attrs slice(Ints start, Ints step) { return {{AttrName::Start, start}, {AttrName::Step, step}}; }
Attrs pad(Ints low, Ints high) { return {{AttrName::Low, low}, {AttrName::High, high}}; }
Attrs axis(int64_t at) { return {{AttrName::Axis, at}}; }

/// The rule answers with a problem whose message holds `part`.
void expect_problem(const std::string& answer, const std::string& part) {
  EXPECT_FALSE(type_from_string(answer)) << "accepted as " << answer;
  EXPECT_NE(answer.find(part), std::string::npos) << answer;
}

TEST(ShapeRule, pointwise) {
  EXPECT_EQ(infer(OpKind::Add, {"f32[batch,1]", "f32[4]"}), "f32[batch,4]");
  EXPECT_EQ(infer(OpKind::Less, {"f32[3]", "f32[]"}), "bool[3]");
  EXPECT_EQ(infer(OpKind::Select, {"bool[3,1]", "i32[4]", "i32[]"}), "i32[3,4]");
  EXPECT_EQ(infer(OpKind::UnitFloat, {"i32[3]"}), "f32[3]");
  EXPECT_EQ(infer(OpKind::Convert, {"i32[3]"}, {}, "f64[3]"), "f64[3]");
  expect_problem(infer(OpKind::Add, {"f32[3]", "f32[4]"}), "shapes [3] and [4]");
  expect_problem(infer(OpKind::Add, {"f32[3]", "f64[3]"}), "element types differ: f32 and f64");
  expect_problem(infer(OpKind::Add, {"bool[3]", "bool[3]"}), "bool[3]");
  expect_problem(infer(OpKind::Div, {"i32[3]", "i32[3]"}), "expected float");
  expect_problem(infer(OpKind::IntDiv, {"f32[3]", "f32[3]"}), "expected int");
  expect_problem(infer(OpKind::Exp, {"i32[3]"}), "expected float");
  expect_problem(infer(OpKind::Not, {"i32[3]"}), "expected bool");
  expect_problem(infer(OpKind::Select, {"f32[3]", "f32[3]", "f32[3]"}), "expected bool");
  expect_problem(infer(OpKind::Select, {"bool[3]", "f32[3]", "i32[3]"}), "f32 and i32");
  expect_problem(infer(OpKind::Convert, {"i32[3]"}, {}, "f64[4]"), "keeps the shape");
  expect_problem(infer(OpKind::Add, {"f32[batch,1]", "f32[1,batch]"}), "`batch` stands once");
  expect_problem(infer(OpKind::Add, {"f32[4611686018427387904,1]", "f32[2]"}), "2^62");
}

TEST(ShapeRule, leaves) {
  Attrs name{{AttrName::Name, std::string("x")}};
  Attrs half{{AttrName::Value, 0.5}};
  Attrs three{{AttrName::Values, std::vector<double>{1, 2, 3}}};
  EXPECT_EQ(infer(OpKind::Input, {}, name, "f32[batch,2]"), "f32[batch,2]");
  EXPECT_EQ(infer(OpKind::BatchSize, {}), "f32[]");
  EXPECT_EQ(infer(OpKind::StepNumber, {}), "f64[]");
  EXPECT_EQ(infer(OpKind::Constant, {}, half, "f32[batch]"), "f32[batch]");
  EXPECT_EQ(infer(OpKind::Constant, {}, three, "i32[3]"), "i32[3]");
  expect_problem(infer(OpKind::Constant, {}, half, "i32[]"), "0.5 is no value of type i32");
  expect_problem(infer(OpKind::Constant, {}, three, "bool[3]"), "2 is no value of type bool");
  expect_problem(infer(OpKind::Constant, {}, three, "f32[4]"), "has 3 values");
  expect_problem(infer(OpKind::Constant, {}, three, "f32[batch]"), "has 3 values");
  expect_problem(infer(OpKind::Constant, {}, {}, "f32[]"), "either");
  expect_problem(infer(OpKind::Iota, {}, axis(2), "i32[3,4]"), "axis 2");
  expect_problem(infer(OpKind::Iota, {}, axis(-1), "i32[3,4]"), "axis -1");
  expect_problem(infer(OpKind::Iota, {}, axis(0), "f32[3]"), "i32");
  expect_problem(infer(OpKind::RandomBits, {}, {{AttrName::Stream, int64_t{0}}}, "f32[3]"), "i32");
  expect_problem(infer(OpKind::Input, {}, name), "has to be given");
}

TEST(ShapeRule, sizes_that_no_text_can_say_are_refused) {
  for (Dim bad : {Dim::fixed(0), Dim::fixed(-1), Dim::fixed(INT64_MAX), Dim::fixed(INT64_MIN),
                  Dim::batches(0), Dim::batches(INT64_MAX)}) {
    TensorType given{DType::F32, {bad, Dim::fixed(2)}};
    ShapeResult answer = op_def(OpKind::Seed).shape({}, {}, &given);
    EXPECT_TRUE(std::holds_alternative<ShapeProblem>(answer)) << to_string(given);
    std::vector<TensorType> x{type("f32[2]")};
    EXPECT_TRUE(
        std::holds_alternative<ShapeProblem>(op_def(OpKind::Broadcast).shape(x, {}, &given)));
    EXPECT_TRUE(std::holds_alternative<ShapeProblem>(op_def(OpKind::Reshape).shape(x, {}, &given)));
  }
}

TEST(ShapeRule, reduce) {
  EXPECT_EQ(infer(OpKind::Sum, {"f32[batch,3,4]"}, dims({0, 2})), "f32[3]");
  EXPECT_EQ(infer(OpKind::Max, {"f32[batch,3]"}, dims({1}, true)), "f32[batch,1]");
  EXPECT_EQ(infer(OpKind::Argmax, {"f32[batch,3]"}, dims({1})), "i32[batch]");
  Attrs partial{{AttrName::Dims, Ints{0}}, {AttrName::Chunk, int64_t{2}}};
  EXPECT_EQ(infer(OpKind::PartialSum, {"f32[batch,3]"}, partial, "f32[5,3]"), "f32[5,3]");
  expect_problem(infer(OpKind::PartialSum, {"f32[batch,3]"}, partial, "f32[5,4]"), "[chunks,rest]");
  for (Ints bad : {Ints{}, Ints{2}, Ints{-1}, Ints{1, 0}, Ints{0, 0}, Ints{INT64_MAX}}) {
    expect_problem(infer(OpKind::Sum, {"f32[3,4]"}, dims(bad)), "reduce");
  }
  expect_problem(infer(OpKind::Sum, {"bool[3]"}, dims({0})), "converted");
  expect_problem(infer(OpKind::Argmax, {"f32[3,4]"}, dims({0, 1})), "one dimension");
  expect_problem(infer(OpKind::Argmax, {"f32[batch]"}, dims({0})), "along `batch`");
  Attrs order = dims({0});
  order.set(AttrName::Order, std::string("any"));
  expect_problem(infer(OpKind::Sum, {"f32[3]"}, order), "lanes or chain");
}

TEST(ShapeRule, matmul) {
  EXPECT_EQ(infer(OpKind::Matmul, {"f32[batch,784]", "f32[784,10]"}), "f32[batch,10]");
  EXPECT_EQ(infer(OpKind::Matmul, {"f32[batch,3]", "f32[batch,2]"}, flags(true, false)),
            "f32[3,2]");
  EXPECT_EQ(infer(OpKind::Matmul, {"f32[64*batch,8]", "f32[5,8]"}, flags(false, true)),
            "f32[64*batch,5]");
  EXPECT_EQ(infer(OpKind::Matmul, {"f32[2,1,3,4]", "f32[5,4,6]"}), "f32[2,5,3,6]");
  EXPECT_EQ(infer(OpKind::Matmul, {"f32[32,784]", "f32[512,10]"}),
            "inner dimensions of `matmul` differ: 784 and 512");
  expect_problem(infer(OpKind::Matmul, {"f32[3]", "f32[3,4]"}), "f32[3]");
  expect_problem(infer(OpKind::Matmul, {"i32[2,3]", "i32[3,4]"}), "expected a float");
  expect_problem(infer(OpKind::Matmul, {"f32[2,3]", "f64[3,4]"}), "element types");
  expect_problem(infer(OpKind::Matmul, {"f32[2,3,4]", "f32[3,4,5]"}), "leading dimensions");
  expect_problem(infer(OpKind::Matmul, {"f32[batch,3]", "f32[3,batch]"}), "`batch` stands once");
  expect_problem(infer(OpKind::Matmul, {"f32[3000000000,1]", "f32[1,3000000000]"}), "2^62");
}

TEST(ShapeRule, layout) {
  EXPECT_EQ(infer(OpKind::Reshape, {"f32[batch,6]"}, {}, "f32[2*batch,3]"), "f32[2*batch,3]");
  EXPECT_EQ(infer(OpKind::Transpose, {"f32[2,3,4]"}, {{AttrName::Perm, Ints{2, 0, 1}}}),
            "f32[4,2,3]");
  EXPECT_EQ(infer(OpKind::Slice, {"f32[7]"}, slice({6}, {-2}), "f32[4]"), "f32[4]");
  EXPECT_EQ(infer(OpKind::Pad, {"f32[batch,3]"}, pad({0, 1}, {0, 2})), "f32[batch,6]");
  EXPECT_EQ(infer(OpKind::Concat, {"f32[2,3]", "f32[2,4]", "f32[2,1]"}, axis(1)), "f32[2,8]");
  expect_problem(infer(OpKind::Reshape, {"f32[6]"}, {}, "f32[7]"), "number of elements");
  expect_problem(infer(OpKind::Reshape, {"f32[6]"}, {}, "i32[6]"), "does not reshape");
  expect_problem(infer(OpKind::Broadcast, {"f32[3]"}, {}, "f32[3,2]"), "does not broadcast");
  for (Ints perm : {Ints{0}, Ints{0, 0}, Ints{0, 2}, Ints{-1, 0}, Ints{0, 1, 2}}) {
    expect_problem(infer(OpKind::Transpose, {"f32[2,3]"}, {{AttrName::Perm, perm}}), "once");
  }
}

TEST(ShapeRule, slice_and_pad_bounds) {
  struct Case {
    int64_t start, step;
    const char* to;
  };
  for (const Case& c : {Case{0, 1, "f32[8]"}, Case{-1, 1, "f32[3]"}, Case{7, 1, "f32[1]"},
                        Case{0, 0, "f32[2]"}, Case{0, 4, "f32[3]"}, Case{1, -1, "f32[3]"},
                        Case{0, INT64_MAX, "f32[3]"}, Case{6, INT64_MIN, "f32[1]"},
                        Case{0, INT64_MIN, "f32[2]"}, Case{INT64_MAX, INT64_MAX, "f32[2]"}}) {
    expect_problem(infer(OpKind::Slice, {"f32[7]"}, slice({c.start}, {c.step}), c.to), "bounds");
  }
  expect_problem(infer(OpKind::Slice, {"f32[7]"}, slice({0, 0}, {1, 1}), "f32[7]"), "bounds");
  expect_problem(infer(OpKind::Slice, {"f32[batch]"}, slice({1}, {1}), "f32[batch]"), "bounds");
  expect_problem(infer(OpKind::Slice, {"f32[batch]"}, slice({0}, {1}), "f32[3]"), "bounds");
  expect_problem(infer(OpKind::Pad, {"f32[3]"}, pad({-1}, {0})), "pad");
  expect_problem(infer(OpKind::Pad, {"f32[3]"}, pad({INT64_MAX}, {INT64_MAX})), "pad");
  expect_problem(infer(OpKind::Pad, {"f32[3]"}, pad({kHuge}, {0})), "2^62");
  expect_problem(infer(OpKind::Pad, {"f32[batch]"}, pad({1}, {0})), "pad");
  expect_problem(infer(OpKind::Pad, {"f32[3]"}, pad({}, {})), "pad");
}

TEST(ShapeRule, concat_needs_equal_rest_and_fixed_parts) {
  expect_problem(infer(OpKind::Concat, {"f32[2,3]", "f32[3,3]"}, axis(1)), "agree but for axis 1");
  expect_problem(infer(OpKind::Concat, {"f32[2,3]", "f64[2,3]"}, axis(1)), "agree");
  expect_problem(infer(OpKind::Concat, {"f32[2,3]", "f32[2]"}, axis(0)), "agree");
  expect_problem(infer(OpKind::Concat, {"f32[2,3]", "f32[batch,3]"}, axis(0)), "agree");
  expect_problem(infer(OpKind::Concat, {"f32[batch,3]", "f32[2,3]"}, axis(0)), "batch");
  expect_problem(infer(OpKind::Concat, {"f32[2]", "f32[2]"}, axis(1)), "does not exist");
  expect_problem(infer(OpKind::Concat, {"f32[2]", "f32[2]"}, axis(-1)), "does not exist");
  expect_problem(infer(OpKind::Concat, {}, axis(0)), "nothing");
  std::string huge = "f32[4611686018427387904]";
  expect_problem(infer(OpKind::Concat, {huge, huge}, axis(0)), "agree");
  expect_problem(infer(OpKind::Concat, {huge, "f32[1]"}, axis(0)), "2^62");
}

TEST(ShapeRule, indexed) {
  EXPECT_EQ(infer(OpKind::Gather, {"f32[9,3]", "i32[batch,2]"}), "f32[batch,2,3]");
  EXPECT_EQ(infer(OpKind::ScatterAdd, {"i64[batch,2]", "f32[batch,2,3]"}, {}, "f32[9,3]"),
            "f32[9,3]");
  EXPECT_EQ(infer(OpKind::TakeAlong, {"f32[batch,4]", "i32[batch]"}, axis(1)), "f32[batch]");
  EXPECT_EQ(infer(OpKind::PutAlong, {"i32[batch]", "f32[batch]"}, axis(1), "f32[batch,4]"),
            "f32[batch,4]");
  EXPECT_EQ(infer(OpKind::CumulativeSum, {"f32[batch,4]"}, axis(1)), "f32[batch,4]");
  expect_problem(infer(OpKind::Gather, {"f32[]", "i32[2]"}), "first axis");
  expect_problem(infer(OpKind::Gather, {"f32[batch,3]", "i32[2]"}), "first axis");
  expect_problem(infer(OpKind::Gather, {"f32[9,3]", "f32[2]"}), "expected int");
  expect_problem(infer(OpKind::Gather, {"f32[9,batch]", "i32[batch]"}), "`batch` stands once");
  expect_problem(infer(OpKind::ScatterAdd, {"i32[2]", "f32[2,3]"}, {}, "f32[9,4]"), "scatter_add");
  expect_problem(infer(OpKind::ScatterAdd, {"i32[2]", "f32[2]"}, {}, "f32[]"), "scatter_add");
  expect_problem(infer(OpKind::TakeAlong, {"f32[3,4]", "i32[4]"}, axis(1)), "other sizes");
  expect_problem(infer(OpKind::TakeAlong, {"f32[batch,4]", "i32[4]"}, axis(0)), "indexed");
  expect_problem(infer(OpKind::TakeAlong, {"f32[3]", "i32[]"}, axis(1)), "indexed");
  expect_problem(infer(OpKind::PutAlong, {"i32[3]", "f32[3]"}, axis(2), "f32[3,4]"), "put_along");
  expect_problem(infer(OpKind::CumulativeSum, {"f32[batch]"}, axis(0)), "running sum");
  expect_problem(infer(OpKind::CumulativeSum, {"i32[3]"}, axis(0)), "running sum");
}

TEST(ShapeRule, derivative) {
  EXPECT_EQ(infer(OpKind::Gradient, {"f32[]", "f32[3]", "f32[]"}), "f32[3]");
  EXPECT_EQ(infer(OpKind::CustomVjp, {"f32[2]", "f32[2]", "f32[3]", "f32[3]"}), "f32[2]");
  expect_problem(infer(OpKind::Gradient, {"f32[2]", "f32[3]", "f32[]"}), "seed");
  expect_problem(infer(OpKind::Gradient, {"f32[]", "i32[3]", "f32[]"}), "i32[3]");
  for (std::vector<std::string> bad : {std::vector<std::string>{},
                                       {"f32[2]"},
                                       {"f32[2]", "f32[3]"},
                                       {"f32[2]", "f32[2]", "f32[3]"},
                                       {"f32[2]", "f32[2]", "f32[3]", "f32[4]"}}) {
    expect_problem(infer(OpKind::CustomVjp, bad), "custom_vjp");
  }
}

TEST(Contract, dimensions_of_matmul) {
  std::vector<TensorType> types{type("f32[7,2,3,4]"), type("f32[5,4]")};
  ContractDims d = op_def(OpKind::Matmul).contract(types, flags(false, true));
  EXPECT_EQ(d.batch, (std::vector<size_t>{0, 1}));
  EXPECT_EQ((std::vector<size_t>{d.row, d.column}), (std::vector<size_t>{2, 3}));
  EXPECT_EQ((std::vector<size_t>{d.left_row, d.left_inner}), (std::vector<size_t>{2, 3}));
  EXPECT_EQ((std::vector<size_t>{d.right_inner, d.right_column}), (std::vector<size_t>{1, 0}));
}

TEST(Matmul, gradient_of_a_shared_matrix_is_one_product) {
  Graph graph;
  GraphBuilder g(graph);
  TensorType x_type = type("f32[batch,64,8]"), w_type = type("f32[8,5]");
  NodeId x = g.make(OpKind::Input, {}, {{AttrName::Name, std::string("x")}}, &x_type);
  NodeId w = g.make(OpKind::Param, {}, {{AttrName::Name, std::string("w")}}, &w_type);
  NodeId y = g.matmul(x, w);
  NodeId c = g.zeros(g.type(y));
  std::vector<NodeId> operands{x, w};
  bool wanted[2] = {false, true};
  Attrs none;
  Cotangents out = op_def(OpKind::Matmul).vjp(g, {operands, y, c, none, wanted});
  EXPECT_FALSE(out[0].valid());
  const Node& product = graph[out[1]];
  EXPECT_EQ(product.op, OpKind::Matmul);
  EXPECT_TRUE(product.attrs.flag(AttrName::Ta));
  EXPECT_EQ(to_string(g.type(product.operands[0])), "f32[64*batch,8]");
  EXPECT_EQ(to_string(g.type(out[1])), "f32[8,5]");
}

// Known answers of Threefry-2x32 with 20 rounds, as published with Random123.
TEST(RandomBits, known_answers) {
  struct Case {
    uint32_t counter[2], key[2], first;
  };
  for (const Case& c : {Case{{0, 0}, {0, 0}, 0x6b200159},
                        Case{{0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}, 0x1cb996fc},
                        Case{{0x243f6a88, 0x85a308d3}, {0x13198a2e, 0x03707344}, 0xc4923a9c}}) {
    ConcreteBuilder<float> b;
    b.reset(1);
    Scalar bits = random_bits_scalar(b, b.bits(c.key[0]), b.bits(c.key[1]), b.bits(c.counter[0]),
                                     b.bits(c.counter[1]));
    EXPECT_EQ(static_cast<uint32_t>(*b.lanes<int32_t>(bits)), c.first);
  }
}

TEST(UnitFloat, is_the_upper_24_bits_below_one) {
  ConcreteBuilder<float> b;
  b.reset(1);
  for (auto [bits, expected] : {std::pair<uint32_t, float>{0, 0.0F},
                                {0xff, 0.0F},
                                {0x100, 0x1p-24F},
                                {0x80000000, 0.5F},
                                {0xffffffff, 1 - 0x1p-24F}}) {
    Scalar x = b.bits(bits);
    Scalar unit = op_def(OpKind::UnitFloat).scalar(b, {&x, 1}, DType::F32);
    EXPECT_EQ(*b.lanes<float>(unit), expected);
  }
}

TEST(Builder, shorthands) {
  Graph graph;
  GraphBuilder g(graph);
  TensorType x_type = type("f32[batch,3]");
  NodeId x = g.make(OpKind::Input, {}, {{AttrName::Name, std::string("x")}}, &x_type);
  EXPECT_EQ(g.reshape(x, x_type.shape), x);
  EXPECT_EQ(g.transpose(x, {0, 1}), x);
  EXPECT_EQ(g.convert(x, DType::F32), x);
  EXPECT_THROW(g.transpose(x, {0}), InternalError);
  EXPECT_THROW(g.make(OpKind::Add, {x}), InternalError);
  EXPECT_EQ(to_string(g.type(g.unbroadcast(x, type("f32[3]").shape))), "f32[3]");
  EXPECT_EQ(to_string(g.type(g.unbroadcast(x, type("f32[1,1]").shape))), "f32[1,1]");
  EXPECT_EQ(to_string(g.type(g.unbroadcast(x, {}))), "f32[]");
  EXPECT_EQ(graph[g.count(x, {1})].attrs.get<double>(AttrName::Value), 3);
  EXPECT_EQ(graph[g.count(x, {0})].op, OpKind::BatchSize);
  EXPECT_EQ(graph[g.count(x, {0, 1})].op, OpKind::Mul);
}

TEST(Builder, constants_hold_values_of_their_type) {
  Graph graph;
  GraphBuilder g(graph);
  auto value = [&](NodeId id) { return graph[id].attrs.get<double>(AttrName::Value); };
  EXPECT_EQ(value(g.constant({DType::F32, {}}, 0.1)), static_cast<double>(0.1F));
  EXPECT_EQ(value(g.constant({DType::F64, {}}, 0.1)), 0.1);
  EXPECT_FALSE(std::signbit(value(g.constant({DType::I32, {}}, -0.0))));
  EXPECT_TRUE(std::signbit(value(g.constant({DType::F32, {}}, -0.0))));
}

}  // namespace
}  // namespace gradus
