// Samples of every operator: operand types, attributes and values off the kinks, for the gradient
// check, the evaluators, kernels and generated code. A row of the table without a sample here fails
// the tests that loop over the table.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "eval/eval.h"
#include "graph/builder.h"

namespace gradus::test {

/// One operand and where its random values come from.
struct SampleOperand {
  TensorType type;
  double low = -2, high = 2;  // floats: from this range
  double away = 0;            // floats: no value nearer to 0 than this
  bool distinct = false;      // floats: no two values of one operand within 0.01
  int64_t limit = 4;          // integers: 0 <= value < limit, or -limit < value where `negative`
  bool negative = false;
};

struct OpSample {
  OpKind op = OpKind::Neg;
  std::string what;  // "[3,4] and [4]": which case it is
  std::vector<SampleOperand> operands;
  Attrs attrs;
  std::optional<TensorType> given;
  int64_t n = 3;  // rows of the batch
};

/// All cases of the operator, floats of type `real`. Empty for leaves and derivative nodes.
std::vector<OpSample> samples_of(OpKind op, DType real);

/// A graph whose first nodes are the operands (inputs "x0", "x1", ...), whose last is the operator,
/// returned.
inline Graph sample_graph(const OpSample& sample) {
  Graph graph;
  graph.name = "sample";
  GraphBuilder builder(graph);
  std::vector<NodeId> operands;
  for (size_t i = 0; i < sample.operands.size(); ++i) {
    Attrs name{{AttrName::Name, "x" + std::to_string(i)}};
    operands.push_back(builder.make(OpKind::Input, {}, name, &sample.operands[i].type));
  }
  const TensorType* given = sample.given ? &*sample.given : nullptr;
  NodeId result = builder.make(sample.op, operands, sample.attrs, given);
  graph.results.push_back({ResultKind::Value, "", result});
  return graph;
}

inline double sample_float(const SampleOperand& operand, std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(operand.low, operand.high);
  double value = uniform(random);
  while (std::abs(value) < operand.away) value = uniform(random);
  return value;
}

template <typename T>
Array<T> sample_array(const SampleOperand& operand, int64_t n, std::mt19937_64& random) {
  Array<T> array;
  array.dtype = operand.type.dtype;
  for (const Dim& dim : operand.type.shape) array.sizes.push_back(dim.at(n));
  for (int64_t i = 0; i < array.count(); ++i) {
    if (is_float(operand.type.dtype)) {
      double value = sample_float(operand, random);
      for (size_t k = 0; operand.distinct && k < array.floats.size();) {
        bool near = std::abs(static_cast<double>(array.floats[k]) - value) < 0.01;
        if (near) value = sample_float(operand, random);
        k = near ? 0 : k + 1;
      }
      array.floats.push_back(static_cast<T>(value));
    } else {
      int64_t limit = operand.type.dtype == DType::Bool ? 2 : operand.limit;
      int64_t low = operand.negative ? 1 - limit : 0;
      array.integers.push_back(std::uniform_int_distribution<int64_t>(low, limit - 1)(random));
    }
  }
  return array;
}

/// Values for the inputs of `sample_graph`; T is double or float.
template <typename T>
Environment<T> sample_values(const OpSample& sample, uint64_t seed) {
  std::mt19937_64 random(seed);
  Environment<T> values;
  for (size_t i = 0; i < sample.operands.size(); ++i) {
    values["x" + std::to_string(i)] = sample_array<T>(sample.operands[i], sample.n, random);
  }
  return values;
}

// ---- the table of samples ----

class SampleMaker {
 public:
  explicit SampleMaker(DType real) : real_(real) {}

  std::vector<OpSample> of(OpKind op) {
    samples_.clear();
    op_ = op;
    switch (op_def(op).cls) {
      case OpClass::Pointwise:
        pointwise();
        break;
      case OpClass::Reduce:
        reduce();
        break;
      case OpClass::Contract:
        contract();
        break;
      case OpClass::Layout:
        layout();
        break;
      case OpClass::Indexed:
        indexed();
        break;
      case OpClass::Leaf:
      case OpClass::Derivative:
        break;
    }
    return samples_;
  }

 private:
  static constexpr double kAway = 0.1;

  static Shape shape(const std::string& text) { return type_from_string("f32" + text)->shape; }
  TensorType real(const std::string& text) const { return {real_, shape(text)}; }
  SampleOperand floats(const std::string& text, double low = -2, double high = 2) const {
    return {real(text), low, high, kAway};
  }
  SampleOperand distinct(const std::string& text) const {
    return {.type = real(text), .low = -2, .high = 2, .away = 0, .distinct = true};
  }
  static SampleOperand integers(const std::string& text, int64_t limit, bool negative = false) {
    return {.type = {DType::I32, shape(text)}, .limit = limit, .negative = negative};
  }
  static SampleOperand bools(const std::string& text) {
    return {.type = {DType::Bool, shape(text)}};
  }

  void add(const std::string& what, std::vector<SampleOperand> operands, Attrs attrs = {},
           std::optional<TensorType> given = std::nullopt) {
    samples_.push_back({op_, what, std::move(operands), std::move(attrs), std::move(given)});
  }

  void pointwise() {
    switch (op_) {
      case OpKind::Not:
        return add("", {bools("[3,4]")});
      case OpKind::And:
      case OpKind::Or:
        return add("", {bools("[3,4]"), bools("[4]")});
      case OpKind::UnitFloat:
        return add("", {integers("[3,4]", 1 << 30, true)}, {},
                   TensorType{DType::F32, shape("[3,4]")});
      case OpKind::IntDiv:
      case OpKind::Mod:
        return add("", {integers("[3,4]", 100, true), integers("[4]", 9, true)});
      case OpKind::Convert:
        return convert();
      case OpKind::Select:
        add("all of one shape", {bools("[3,4]"), floats("[3,4]"), floats("[3,4]")});
        add("a mask of rows", {bools("[batch,1]"), floats("[batch,4]"), floats("[]")});
        return;
      case OpKind::Fma:
        add("all of one shape", {floats("[3,4]"), floats("[3,4]"), floats("[3,4]")});
        add("broadcast", {floats("[batch,4]"), floats("[]"), floats("[4]")});
        return;
      default:
        break;
    }
    if (op_def(op_).arity == 1) unary();
    if (op_def(op_).arity == 2) binary();
  }

  void unary() {
    double low = -2;
    if (op_ == OpKind::Sqrt || op_ == OpKind::Log) low = 0.3;
    if (op_ == OpKind::Log1p) low = -0.6;
    for (const char* text : {"[]", "[3,4]", "[batch,5]"}) add(text, {floats(text, low)});
  }

  void binary() {
    double low = op_ == OpKind::Pow ? 0.3 : -2;
    auto left = [&](const char* text) { return floats(text, low); };
    auto right = [&](const char* text) { return floats(text, -1.93); };
    add("[3,4] and [3,4]", {left("[3,4]"), right("[3,4]")});
    add("[3,4] and [4]", {left("[3,4]"), right("[4]")});
    add("[3,1] and [1,4]", {left("[3,1]"), right("[1,4]")});
    add("[batch,4] and [4]", {left("[batch,4]"), right("[4]")});
    add("[] and [batch,2]", {left("[]"), right("[batch,2]")});
  }

  void convert() {
    DType other = real_ == DType::F64 ? DType::F32 : DType::F64;
    add("float to float", {floats("[3,4]")}, {}, TensorType{other, shape("[3,4]")});
    add("int to float", {integers("[3,4]", 50, true)}, {}, real("[3,4]"));
    add("bool to float", {bools("[3,4]")}, {}, real("[3,4]"));
    add("float to int", {floats("[3,4]", -50, 50)}, {}, TensorType{DType::I32, shape("[3,4]")});
  }

  static Attrs dims(std::vector<int64_t> which, bool keep = false) {
    Attrs attrs{{AttrName::Dims, std::move(which)}};
    if (keep) attrs.set(AttrName::Keep, true);
    return attrs;
  }

  void reduce() {
    if (op_ == OpKind::PartialSum) {
      Attrs attrs = dims({0});
      attrs.set(AttrName::Chunk, int64_t{2});
      return add("chunks of 2 rows", {floats("[batch,4]")}, attrs, real("[2,4]"));
    }
    add("rows", {distinct("[3,4]")}, dims({1}));
    add("columns, kept", {distinct("[3,4]")}, dims({0}, true));
    add("middle", {distinct("[2,3,4]")}, dims({1}));
    add("rows of a batch", {distinct("[batch,5]")}, dims({1}, true));
    if (op_ == OpKind::Argmax) return;
    add("everything", {distinct("[3,4]")}, dims({0, 1}));
    add("first and last", {distinct("[2,3,2]")}, dims({0, 2}));
    add("the batch", {distinct("[batch,3,2]")}, dims({0, 1}));
  }

  static Attrs flags(bool ta, bool tb) { return {{AttrName::Ta, ta}, {AttrName::Tb, tb}}; }

  void contract() {
    add("NN", {floats("[3,4]"), floats("[4,2]")}, flags(false, false));
    add("TN", {floats("[4,3]"), floats("[4,2]")}, flags(true, false));
    add("NT", {floats("[3,4]"), floats("[2,4]")}, flags(false, true));
    add("TT", {floats("[4,3]"), floats("[2,4]")}, flags(true, true));
    add("rows of a batch", {floats("[batch,4]"), floats("[4,2]")}, flags(false, false));
    add("over the batch", {floats("[batch,3]"), floats("[batch,2]")}, flags(true, false));
    add("one matrix for all", {floats("[2,3,4]"), floats("[4,2]")}, flags(false, false));
    add("one matrix for all, NT", {floats("[batch,3,4]"), floats("[2,4]")}, flags(false, true));
    add("one matrix for all, TN", {floats("[2,4,3]"), floats("[4,2]")}, flags(true, false));
    add("one left matrix", {floats("[3,4]"), floats("[2,4,2]")}, flags(false, false));
    add("batched, NT", {floats("[batch,2,3,4]"), floats("[batch,2,2,4]")}, flags(false, true));
    add("broadcast", {floats("[2,1,3,4]"), floats("[3,4,2]")}, flags(false, false));
  }

  static Attrs slice(std::vector<int64_t> start, std::vector<int64_t> step) {
    return {{AttrName::Start, std::move(start)}, {AttrName::Step, std::move(step)}};
  }

  void layout() {
    using Ints = std::vector<int64_t>;
    switch (op_) {
      case OpKind::Reshape:
        add("", {floats("[3,4]")}, {}, real("[2,6]"));
        add("rows of a batch", {floats("[batch,3,4]")}, {}, real("[3*batch,4]"));
        return;
      case OpKind::Transpose:
        add("", {floats("[3,4]")}, {{AttrName::Perm, Ints{1, 0}}});
        add("three", {floats("[batch,3,4]")}, {{AttrName::Perm, Ints{2, 0, 1}}});
        return;
      case OpKind::Broadcast:
        add("rows", {floats("[4]")}, {}, real("[batch,4]"));
        add("columns", {floats("[3,1]")}, {}, real("[2,3,4]"));
        add("a scalar", {floats("[]")}, {}, real("[3,2]"));
        return;
      case OpKind::Slice:
        add("a part", {floats("[batch,5]")}, slice({0, 1}, {1, 1}), real("[batch,3]"));
        add("by steps", {floats("[7,3]")}, slice({1, 0}, {2, 1}), real("[3,3]"));
        add("backward", {floats("[7]")}, slice({6}, {-2}), real("[3]"));
        add("one", {floats("[5]")}, slice({3}, {2}), real("[1]"));
        return;
      case OpKind::Pad:
        return add("", {floats("[batch,3]")},
                   {{AttrName::Low, Ints{0, 1}}, {AttrName::High, Ints{0, 2}}});
      case OpKind::Concat:
        add("rows", {floats("[2,3]"), floats("[1,3]")}, {{AttrName::Axis, int64_t{0}}});
        add("columns", {floats("[batch,3]"), floats("[batch,1]"), floats("[batch,2]")},
            {{AttrName::Axis, int64_t{1}}});
        return;
      default:
        return;
    }
  }

  void indexed() {
    Attrs axis0{{AttrName::Axis, int64_t{0}}}, axis1{{AttrName::Axis, int64_t{1}}};
    switch (op_) {
      case OpKind::Gather:
        add("rows of a table", {floats("[4,3]"), integers("[batch,2]", 4)});
        add("elements", {floats("[4]"), integers("[5]", 4)});
        return;
      case OpKind::ScatterAdd:
        add("rows of a table", {integers("[batch,2]", 4), floats("[batch,2,3]")}, {},
            real("[4,3]"));
        add("elements", {integers("[5]", 4), floats("[5]")}, {}, real("[4]"));
        return;
      case OpKind::TakeAlong:
        add("per row", {floats("[batch,4]"), integers("[batch]", 4)}, axis1);
        add("per column", {floats("[4,3]"), integers("[3]", 4)}, axis0);
        return;
      case OpKind::PutAlong:
        add("per row", {integers("[batch]", 4), floats("[batch]")}, axis1, real("[batch,4]"));
        add("per column", {integers("[3]", 4), floats("[3]")}, axis0, real("[4,3]"));
        return;
      case OpKind::CumulativeSum: {
        Attrs exclusive = axis0;
        exclusive.set(AttrName::Exclusive, true);
        add("", {floats("[batch,4]")}, axis1);
        add("exclusive", {floats("[4,3]")}, exclusive);
        return;
      }
      default:
        return;
    }
  }

  DType real_;
  OpKind op_ = OpKind::Neg;
  std::vector<OpSample> samples_;
};

inline std::vector<OpSample> samples_of(OpKind op, DType real) { return SampleMaker(real).of(op); }

}  // namespace gradus::test
