// The operator table: one row says every fact about an operator; passes ask rows, never kinds.
//
// To add an operator: a line in ops.def, its row in ops/<class>.cpp, a test in test/ops/.
// Rows are found by `op_def(kind)`; loops over `all_ops()` drive printer, reader, verifier,
// `gradus ops`, the gradient check and the coverage of tests.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph/attrs.h"
#include "scalar/scalar.h"
#include "support/id.h"
#include "tensor/type.h"

namespace gradus {

using NodeId = Id<struct NodeTag>;

enum class OpKind : uint8_t {
#define OP(name, cls) name,
#include "graph/ops.def"
#undef OP
};

/// Leaf: no operands. Pointwise: result element i from operand elements i, operands broadcast as in
/// NumPy. Reduce: fewer dimensions out. Contract: a sum over shared dimensions. Layout: moves data.
/// Indexed: addresses come from data. Derivative: gone after `differentiate`.
enum class OpClass : uint8_t { Leaf, Pointwise, Reduce, Contract, Layout, Indexed, Derivative };

/// Why operands do not fit: `operand` is the one to point at, or -1.
struct ShapeProblem {
  std::string message;
  int operand = -1;
};
/// What `shape` answers. Operators whose result is not fixed by operands and attributes (leaves,
/// reshape, broadcast, convert) take it from `given` and check it.
using ShapeResult = std::variant<TensorType, ShapeProblem>;
using ShapeRule = ShapeResult (*)(std::span<const TensorType> operands, const Attrs& attrs,
                                  const TensorType* given);

class GraphBuilder;

struct VjpArgs {
  std::span<const NodeId> operands;
  NodeId result;
  NodeId cotangent;              // same type as the result
  const Attrs& attrs;
  /// Which operands need a cotangent; a rule may skip the others.
  std::span<const bool> wanted;
};
/// A cotangent per operand; an invalid id where none flows (integer operands, unwanted ones). For
/// Pointwise rows it may still have the result's shape: the reverse walk sums it back (unbroadcast).
using Cotangents = std::vector<NodeId>;
using VjpRule = Cotangents (*)(GraphBuilder& g, const VjpArgs& args);

/// Which values `vjp` reads; the reverse walk asserts it.
enum class Saves : uint8_t { Nothing = 0, Operands = 1, Result = 2, Both = 3 };

/// Row's answer to "may a derivative pass?"
enum class Differentiable : uint8_t {
  Yes,    // by `vjp`
  No,     // an error on the way from the loss to a parameter
  Stops,  // ends the path in silence, by definition: comparisons, stop_gradient
};

using ScalarArgs = std::span<const Scalar>;
/// Pointwise: the value of one element. `attrs` and `type` (of the result) serve convert.
using ScalarRule = Scalar (*)(ScalarBuilder& b, ScalarArgs x, DType result);

struct AttrSpec {
  AttrName name;
  std::optional<AttrValue> default_value = std::nullopt;  // default; none: must be given
};

/// What a contraction's dimensions mean, in terms of its operands.
struct ContractDims {
  std::vector<size_t> batch;            // result dimensions that both operands share
  size_t row = 0, column = 0;           // result dimensions
  size_t left_row = 0, left_inner = 0;  // dimensions of the left operand
  size_t right_inner = 0, right_column = 0;
};
using ContractRule = ContractDims (*)(std::span<const TensorType> operands, const Attrs& attrs);

/// What one element costs, in vector instructions; for schedules and the cost model.
enum class CostClass : uint8_t {
  Moves,           // none: the element is another node's
  Simple,          // one
  Several,         // a few of the simple ones
  Divide,          // a division or a square root
  Transcendental,  // some twenty: a polynomial, a division, rounds of a generator
};
constexpr bool is_expensive(CostClass cost) { return cost >= CostClass::Divide; }

/// How a row uses numbers that the data give.
enum class Indexing : uint8_t {
  None,
  Gathers,   // reads operand 0 where operand 1 says
  Scatters,  // adds operand 1 to the result where operand 0 says
  Places,    // the result is operand 1 where its own index along `axis` is operand 0, else 0
};

/// Leaves that are one number of the step.
enum class StepFact : uint8_t { None, Rows, Step, Steps, Epoch };

struct OpDef {
  OpKind kind = OpKind::Input;
  std::string_view name = {};
  int arity = 0;                         // -1: any number
  OpClass cls = OpClass::Leaf;
  std::span<const AttrSpec> attrs = {};
  ShapeRule shape = nullptr;
  Differentiable differentiable = Differentiable::No;
  VjpRule vjp = nullptr;
  Saves saves = Saves::Nothing;
  ScalarRule scalar = nullptr;           // Pointwise
  ScalarRule combine = nullptr;          // Reduce: two partial results to one
  double identity = 0;                   // Reduce: the partial result of no elements
  ContractRule contract = nullptr;       // Contract
  bool commutative = false;
  CostClass cost = CostClass::Simple;
  Indexing indexing = Indexing::None;
  bool guarded = false;                  // parts of the result lie outside of an operand
  StepFact fact = StepFact::None;
  bool given_type = false;               // the result's type must be given to the builder
  std::string_view doc = {};             // one sentence and the formula, with the rule at kinks
};

const OpDef& op_def(OpKind kind);
/// The number that `fact` names, of any record with the fields n, step, steps and epoch.
template <typename Facts>
int64_t step_fact(const Facts& facts, StepFact fact) {
  switch (fact) {
    case StepFact::Rows: return facts.n;
    case StepFact::Step: return facts.step;
    case StepFact::Steps: return facts.steps;
    case StepFact::Epoch: return facts.epoch;
    case StepFact::None: break;
  }
  return 0;
}
std::span<const OpDef* const> all_ops();
/// By text name; nothing where there is none.
std::optional<OpKind> op_from_name(std::string_view name);

/// A test may put its own table in place of a row (to prove that a wrong rule is found).
/// Returns the row that was there; the caller puts it back.
const OpDef* replace_op_def_for_test(OpKind kind, const OpDef* row);

/// Random bits of one element, shared by evaluator and emitter: Threefry-2x32 with 20 rounds (Salmon
/// et al. 2011), key (seed, stream), counter (step, index); its first word.
Scalar random_bits_scalar(ScalarBuilder& b, Scalar seed, Scalar stream, Scalar step, Scalar index);

}  // namespace gradus
