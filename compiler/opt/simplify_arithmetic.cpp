// Equations between pointwise operators. Constants stand on the right of commutative operators: the
// first rules see to that. Each rule: operator, equation in the comment.
#include <cmath>

#include "opt/simplifier.h"

namespace gradus::opt {

namespace {

using S = Simplifier;
using N = const Node&;

NodeId second(N n) { return n.operands[1]; }
constexpr double kMinusZero = -0.0;

bool is_neg(S& s, NodeId id) { return s.is(id, OpKind::Neg); }

bool is_integer_node(N n) { return is_integer(n.type.dtype); }

/// A power of two whose reciprocal is a normal number of the type.
bool has_exact_reciprocal(DType dtype, double x) {
  if (!is_float(dtype) || !std::isfinite(x) || x == 0) return false;
  int exponent = 0;
  double mantissa = std::frexp(std::abs(x), &exponent);
  int limit = dtype == DType::F32 ? 126 : 1022;
  return mantissa == 0.5 && std::abs(exponent - 1) <= limit;
}

/// c * x = x * c, likewise add, and, or
NodeId constant_to_the_right(S& s, N n) {
  if (!s.splat(first(n)) || s.splat(second(n))) return {};
  return s.make(n.op, {second(n), first(n)}, n.attrs);
}

/// x^k by squaring, k >= 1
NodeId whole_power(S& s, NodeId x, int k) {
  if (k == 1) return x;
  NodeId half = whole_power(s, x, k / 2);
  NodeId square = s.make(OpKind::Mul, {half, half});
  return k % 2 == 0 ? square : s.make(OpKind::Mul, {square, x});
}

constexpr double kMaxWholePower = 16;

/// pow(x, k) = x * x * ..., pow(x, -k) = 1 / (x * x * ...): a whole power multiplies
NodeId multiply_whole_power(S& s, N n) {
  std::optional<double> power = s.splat(second(n));
  if (!power || std::abs(*power) > kMaxWholePower || *power != std::floor(*power)) return {};
  if (*power == 0) return s.as(n, s.constant_like(first(n), 1));
  NodeId positive = whole_power(s, first(n), static_cast<int>(std::abs(*power)));
  if (*power > 0) return s.as(n, positive);
  return s.as(n, s.make(OpKind::Div, {s.constant_like(positive, 1), positive}));
}

NodeId divide_by_power_of_two(S& s, N n) {
  std::optional<double> divisor = s.splat(second(n));
  if (!divisor || !has_exact_reciprocal(n.type.dtype, *divisor)) return {};
  return s.as(n, s.make(OpKind::Mul, {first(n), s.constant_like(second(n), 1 / *divisor)}));
}

/// Where nothing is lost on the way: bool and i32 in wider types, f32 in f64.
bool holds_all(DType wide, DType narrow) {
  switch (narrow) {
    case DType::Bool:
      return false;  // back is by truncation, not by comparison
    case DType::I32:
      return wide == DType::I64 || wide == DType::F64;
    case DType::F32:
      return wide == DType::F64;
    case DType::I64:
    case DType::F64:
      return false;
  }
  return false;
}

NodeId convert_there_and_back(S& s, N n) {
  if (!s.is(first(n), OpKind::Convert)) return {};
  NodeId x = s.operand(first(n));
  bool back = s.type(x).dtype == n.type.dtype;
  return back && holds_all(s.type(first(n)).dtype, n.type.dtype) ? x : NodeId();
}

NodeId select_constant(S& s, N n) {
  std::optional<double> condition = s.splat(first(n));
  return condition ? s.as(n, n.operands[*condition != 0 ? 1 : 2]) : NodeId();
}

// clang-format off
constexpr SimplifyRule kArithmeticRules[] = {
    // constants stand on the right
    {OpKind::Add, constant_to_the_right},
    {OpKind::Mul, constant_to_the_right},
    {OpKind::And, constant_to_the_right},
    {OpKind::Or, constant_to_the_right},

    // signs
    {OpKind::Neg, [](S& s, N n) { return is_neg(s, first(n)) ? s.operand(first(n)) : NodeId(); }},                           // -(-x) = x
    {OpKind::Abs, [](S& s, N n) { return is_neg(s, first(n)) ? s.make(OpKind::Abs, {s.operand(first(n))}) : NodeId(); }},    // |-x| = |x|
    {OpKind::Abs, [](S& s, N n) { return s.is(first(n), OpKind::Abs) ? first(n) : NodeId(); }},                              // | |x| | = |x|
    {OpKind::Add, [](S& s, N n) { return is_neg(s, second(n)) ? s.make(OpKind::Sub, {first(n), s.operand(second(n))}) : NodeId(); }},   // x + (-y) = x - y
    {OpKind::Add, [](S& s, N n) { return is_neg(s, first(n)) ? s.make(OpKind::Sub, {second(n), s.operand(first(n))}) : NodeId(); }},    // (-x) + y = y - x
    {OpKind::Sub, [](S& s, N n) { return is_neg(s, second(n)) ? s.make(OpKind::Add, {first(n), s.operand(second(n))}) : NodeId(); }},   // x - (-y) = x + y
    {OpKind::Mul, [](S& s, N n) { return is_neg(s, first(n)) && is_neg(s, second(n)) ? s.make(OpKind::Mul, {s.operand(first(n)), s.operand(second(n))}) : NodeId(); }},  // (-x) * (-y) = x * y
    {OpKind::Div, [](S& s, N n) { return is_neg(s, first(n)) && is_neg(s, second(n)) ? s.make(OpKind::Div, {s.operand(first(n)), s.operand(second(n))}) : NodeId(); }},  // (-x) / (-y) = x / y
    {OpKind::Mul, [](S& s, N n) { std::optional<double> c = s.splat(second(n)); return c && is_neg(s, first(n)) && is_float(n.type.dtype) ? s.as(n, s.make(OpKind::Mul, {s.operand(first(n)), s.constant_like(second(n), -*c)})) : NodeId(); }},  // (-x) * c = x * (-c)
    {OpKind::Neg, [](S& s, N n) { if (!s.is(first(n), OpKind::Mul) || !s.single_use(first(n)) || !is_float(n.type.dtype)) return NodeId(); std::optional<double> c = s.splat(s.operand(first(n), 1)); return c ? s.as(n, s.make(OpKind::Mul, {s.operand(first(n)), s.constant_like(first(n), -*c)})) : NodeId(); }},  // -(x * c) = x * (-c)

    // neutral elements
    {OpKind::Mul, [](S& s, N n) { return s.is_splat(n, 1, 1) ? s.as(n, first(n)) : NodeId(); }},                             // x * 1 = x
    {OpKind::Mul, [](S& s, N n) { return s.is_splat(n, 1, -1) ? s.as(n, s.make(OpKind::Neg, {first(n)})) : NodeId(); }},     // x * -1 = -x
    {OpKind::Div, [](S& s, N n) { return s.is_splat(n, 1, 1) ? s.as(n, first(n)) : NodeId(); }},                             // x / 1 = x
    {OpKind::Div, [](S& s, N n) { return s.is_splat(n, 1, -1) ? s.as(n, s.make(OpKind::Neg, {first(n)})) : NodeId(); }},     // x / -1 = -x
    {OpKind::Div, divide_by_power_of_two},                                                                                   // x / 2^k = x * 2^-k
    {OpKind::Add, [](S& s, N n) { return is_float(n.type.dtype) && s.is_splat(n, 1, kMinusZero) ? s.as(n, first(n)) : NodeId(); }},  // x + (-0.0) = x
    {OpKind::Sub, [](S& s, N n) { return s.is_splat(n, 1, 0) ? s.as(n, first(n)) : NodeId(); }},                             // x - 0.0 = x, integers too
    {OpKind::Sub, [](S& s, N n) { return is_float(n.type.dtype) && s.is_splat(n, 0, kMinusZero) ? s.as(n, s.make(OpKind::Neg, {second(n)})) : NodeId(); }},  // -0.0 - x = -x
    {OpKind::Pow, multiply_whole_power},                                                                                     // x^2 = x * x

    // integers
    {OpKind::Add, [](S& s, N n) { return is_integer_node(n) && s.is_splat(n, 1, 0) ? s.as(n, first(n)) : NodeId(); }},       // i + 0 = i
    {OpKind::Mul, [](S& s, N n) { return is_integer_node(n) && s.is_splat(n, 1, 0) ? s.as(n, second(n)) : NodeId(); }},      // i * 0 = 0
    {OpKind::Sub, [](S& s, N n) { return is_integer_node(n) && first(n) == second(n) ? s.as(n, s.constant_like(first(n), 0)) : NodeId(); }},  // i - i = 0

    // both alike
    {OpKind::Maximum, [](S&, N n) { return first(n) == second(n) ? first(n) : NodeId(); }},                                  // max(x, x) = x
    {OpKind::Minimum, [](S&, N n) { return first(n) == second(n) ? first(n) : NodeId(); }},                                  // min(x, x) = x

    // truth
    {OpKind::Not, [](S& s, N n) { return s.is(first(n), OpKind::Not) ? s.operand(first(n)) : NodeId(); }},                   // not not c = c
    {OpKind::And, [](S&, N n) { return first(n) == second(n) ? first(n) : NodeId(); }},                                      // c and c = c
    {OpKind::Or, [](S&, N n) { return first(n) == second(n) ? first(n) : NodeId(); }},                                       // c or c = c
    {OpKind::And, [](S& s, N n) { return n.type.dtype == DType::Bool && s.splat(second(n)) ? s.as(n, s.is_splat(n, 1, 0) ? second(n) : first(n)) : NodeId(); }},  // c and true = c, c and false = false
    {OpKind::Or, [](S& s, N n) { return n.type.dtype == DType::Bool && s.splat(second(n)) ? s.as(n, s.is_splat(n, 1, 0) ? first(n) : second(n)) : NodeId(); }},   // c or false = c, c or true = true
    {OpKind::Select, select_constant},                                                                                       // where(true, x, y) = x
    {OpKind::Select, [](S& s, N n) { return n.operands[1] == n.operands[2] ? s.as(n, n.operands[1]) : NodeId(); }},          // where(c, x, x) = x
    {OpKind::Select, [](S& s, N n) { return s.is(first(n), OpKind::Not) ? s.make(OpKind::Select, {s.operand(first(n)), n.operands[2], n.operands[1]}) : NodeId(); }},  // where(not c, x, y) = where(c, y, x)

    // conversions
    {OpKind::Convert, [](S& s, N n) { return s.type(first(n)) == n.type ? first(n) : NodeId(); }},                           // f32(x: f32) = x
    {OpKind::Convert, convert_there_and_back},                                                                               // f32(f64(x: f32)) = x
};
// clang-format on

/// The node without its broadcasts: pointwise operators broadcast themselves.
std::vector<NodeId> without_broadcasts(S& s, N n) {
  std::vector<NodeId> operands;
  for (NodeId operand : n.operands) {
    bool repeats = s.is(operand, OpKind::Broadcast);
    operands.push_back(repeats ? s.operand(operand) : operand);
  }
  return operands;
}

}  // namespace

std::span<const SimplifyRule> arithmetic_rules() { return kArithmeticRules; }

/// f(broadcast x, y) = f(x, y), or broadcast f(x, y) where nothing else gives the shape.
NodeId simplify_pointwise(Simplifier& s, const Node& n) {
  std::vector<NodeId> operands = without_broadcasts(s, n);
  if (operands == n.operands) return {};
  TensorType given = n.type;
  if (op_def(n.op).given_type) given.shape = s.type(operands[0]).shape;
  return s.as(n, s.make(n.op, operands, n.attrs, &given));
}

}  // namespace gradus::opt
