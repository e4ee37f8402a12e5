// Functions that stand for operators: pointwise ones on numbers and tensors, `where`, casts, and
// reductions. A row says the arguments; what is built of these stands in library/*.grad.
#include <fmt/format.h>

#include <cmath>

#include "lang/elaborator.h"

namespace gradus::lang {

namespace {

bool is_plain_number(const Value& v) { return v.is(Value::Kind::Number) && !v.number.batch; }

std::string found(Elaborator& e, const Value& v) {
  return v.in_graph() ? type_text(e.type(v)) : kind_text(v);
}

/// f(x) on a number when compiling, else a node; floats only.
template <OpKind kind, double (*function)(double)>
Value float_function(BuiltinCall& c) {
  if (is_plain_number(c[0])) return Value::of(Number::of_float(function(c[0].number.value)));
  Elaborator::Operands x = c.e.together({&c[0]}, {c.spans[0]});
  if (!is_float(x.dtype)) {
    c.e.fail(Diag::TypeMismatch, c.spans[0],
             fmt::format("`{}` takes float, found {}; convert it with `float(..)`",
                         op_def(kind).name, found(c.e, c[0])));
  }
  return c.e.wrap(x, c.e.make(x.place, kind, x.nodes));
}

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double normal_cdf_of(double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); }
double normal_density_of(double x) { return 0.3989422804014327 * std::exp(-0.5 * x * x); }
double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
double round_of(double x) { return std::nearbyint(x); }

/// abs, sign: of whole numbers too.
template <OpKind kind, double (*function)(double)>
Value number_function(BuiltinCall& c) {
  if (is_plain_number(c[0])) {
    double value = function(c[0].number.value);
    return Value::of(c[0].number.exact && std::fabs(value) < 9e15
                         ? Number::of(static_cast<int64_t>(value))
                         : Number::of_float(value));
  }
  Elaborator::Operands x = c.e.together({&c[0]}, {c.spans[0]});
  if (x.dtype == DType::Bool)
    c.e.fail(Diag::TypeMismatch, c.spans[0], fmt::format("`{}` of bool", op_def(kind).name));
  return c.e.wrap(x, c.e.make(x.place, kind, x.nodes));
}

template <OpKind kind>
Value extremum(BuiltinCall& c) {
  if (is_plain_number(c[0]) && is_plain_number(c[1])) {
    bool first = (c[0].number.value > c[1].number.value) == (kind == OpKind::Maximum);
    return first ? c[0] : c[1];
  }
  Elaborator::Operands x = c.e.together({&c[0], &c[1]}, c.spans);
  if (x.dtype == DType::Bool)
    c.e.fail(Diag::TypeMismatch, c.span, "`maximum` and `minimum` of bool; use `or`, `and`");
  return c.e.wrap(x, c.e.make(x.place, kind, x.nodes));
}

/// x, unless it is a number when compiling for which `fits` is false; a number of each step is not
/// looked at.
template <typename Fits>
Value checked(BuiltinCall& c, const Fits& fits, const std::string& expected) {
  if (!is_plain_number(c[0]) || fits(c[0].number.value)) return c[0];
  const Binding* argument = c.e.argument_at(c.spans[0]);
  const std::string_view text = c.e.source_text(c.spans[0]);
  const std::string what = argument ? fmt::format("argument `{}` of `{}`", text, c.e.frame().function->name)
                                    : fmt::format("`{}`", text);
  c.e.fail(Diag::BadArgument, argument ? argument->given : c.spans[0],
           fmt::format("{} is {}, expected a number {}", what, to_string(c[0].number), expected));
}

double bound(BuiltinCall& c, size_t i) {
  return c.e.compile_time_number(c[i], c.spans[i], "a bound").value;
}

Value within(BuiltinCall& c) {
  const double low = bound(c, 1), below = bound(c, 2);
  return checked(c, [&](double x) { return x >= low && x < below; },
                 std::isinf(below) ? fmt::format("from {} on", low)
                                   : fmt::format("from {} to below {}", low, below));
}

Value between(BuiltinCall& c) {
  const double low = bound(c, 1), high = bound(c, 2);
  return checked(c, [&](double x) { return x >= low && x <= high; },
                 fmt::format("from {} to {}", low, high));
}

Value positive(BuiltinCall& c) {
  return checked(c, [](double x) { return x > 0; }, "above 0");
}

int64_t floor_div(int64_t a, int64_t b) { return a / b; }

template <OpKind kind>
Value integer_function(BuiltinCall& c) {
  std::string_view name = kind == OpKind::IntDiv ? "div" : "mod";
  if (is_plain_number(c[0]) && is_plain_number(c[1])) {
    int64_t a = c.e.whole_number(c[0], c.spans[0], "an argument"),
            b = c.e.whole_number(c[1], c.spans[1], "an argument");
    if (b == 0 || b == -1) {
      if (b == 0) c.e.fail(Diag::BadArgument, c.spans[1], fmt::format("`{}` by 0", name));
      return Value::of(kind == OpKind::IntDiv ? Number::of_float(-static_cast<double>(a))
                                              : Number::of(0));
    }
    return Value::of(Number::of(kind == OpKind::IntDiv ? floor_div(a, b) : a % b));
  }
  Elaborator::Operands x = c.e.together({&c[0], &c[1]}, c.spans);
  if (!is_integer(x.dtype))
    c.e.fail(Diag::TypeMismatch, c.span,
             fmt::format("`{}` takes int tensors, found {}", name, found(c.e, c[0])));
  return c.e.wrap(x, c.e.make(x.place, kind, x.nodes));
}

Value where(BuiltinCall& c) {
  Value condition = c[0];
  if (condition.is(Value::Kind::Bool)) return condition.flag ? c[1] : c[2];
  if (!condition.in_graph() || c.e.type(condition).dtype != DType::Bool) {
    c.e.fail(Diag::TypeMismatch, c.spans[0],
             fmt::format("the condition of `where` is bool, found {}", found(c.e, condition)));
  }
  Elaborator::Operands sides = c.e.together({&c[1], &c[2]}, {c.spans[1], c.spans[2]});
  bool numbers = !c[1].is(Value::Kind::Tensor) && !c[2].is(Value::Kind::Tensor);
  bool per_step = condition.is(Value::Kind::PerStep) && numbers;
  if (per_step && !sides.per_step) {  // two plain numbers: still a number of each step
    Value a = c.e.as_per_step(c[1], c.spans[1]), b = c.e.as_per_step(c[2], c.spans[2]);
    return Value::per_step(c.e.make(Place::Step, OpKind::Select, {condition.node, a.node, b.node}));
  }
  if (condition.place != sides.place) {
    if (numbers) {
      Value a = Value::tensor(condition.place, c.e.constant_of(c[1], condition.place, c.spans[1]));
      Value b = Value::tensor(condition.place, c.e.constant_of(c[2], condition.place, c.spans[2]));
      return Value::tensor(condition.place, c.e.make(condition.place, OpKind::Select,
                                                     {condition.node, a.node, b.node}));
    }
    c.e.fail(Diag::NestedReduction, c.span,
             "`where` between a value of each step and one of the whole pass");
  }
  std::vector<NodeId> nodes = {condition.node, sides.nodes[0], sides.nodes[1]};
  c.e.check_broadcast(sides.place, nodes, c.spans);
  NodeId node = c.e.make(sides.place, OpKind::Select, nodes);
  return per_step ? Value::per_step(node) : Value::tensor(sides.place, node);
}

template <DType dtype>
Value cast(BuiltinCall& c) {
  return c.e.convert(c[0], dtype, c.span);
}

Value stop_gradient(BuiltinCall& c) {
  if (!c[0].in_graph()) return c[0];
  Value out = c[0];
  out.node = c.e.make(out.place, OpKind::StopGradient, {out.node});
  return out;
}

// ---- reductions ----

/// The axes of a reduction: all where `axis:` is left out.
std::vector<int64_t> axes(BuiltinCall& c, const Value& x) {
  size_t rank = c.e.type(x).rank();
  std::vector<int64_t> dims;
  if (!c.has(1)) {
    for (size_t i = 0; i < rank; ++i) dims.push_back(static_cast<int64_t>(i));
  } else if (c[1].is(Value::Kind::List)) {
    for (const Value& item : c[1].items) dims.push_back(c.e.axis_of(item, rank, c.spans[1]));
  } else {
    dims.push_back(c.e.axis_of(c[1], rank, c.spans[1]));
  }
  std::sort(dims.begin(), dims.end());
  if (std::adjacent_find(dims.begin(), dims.end()) != dims.end())
    c.e.fail(Diag::BadAxis, c.spans[1], "an axis is named twice");
  return dims;
}

bool keeps(BuiltinCall& c) { return c.has(2) && c.e.compile_time_bool(c[2], c.spans[2], "`keep`"); }

Value reduced_operand(BuiltinCall& c, std::string_view name) {
  if (!c[0].is(Value::Kind::Tensor)) {
    c.e.fail(Diag::TypeMismatch, c.spans[0],
             fmt::format("`{}` reduces a tensor, found {}{}", name, kind_text(c[0]),
                         name == "max" || name == "min"
                             ? "; of two values take `" + std::string(name) + "imum`"
                             : ""));
  }
  return c[0];
}

Value sum(BuiltinCall& c) {
  Value x = reduced_operand(c, "sum");
  std::vector<int64_t> dims = axes(c, x);
  if (c.e.type(x).dtype == DType::Bool)
    x = c.e.convert(x, c.e.of_metric() ? DType::F32 : DType::I32, c.span);
  return c.e.reduce(OpKind::Sum, x, std::move(dims), keeps(c), c.span);
}

Value mean(BuiltinCall& c) {
  Value x = reduced_operand(c, "mean");
  std::vector<int64_t> dims = axes(c, x);
  DType dtype = c.e.type(x).dtype;
  if (dtype == DType::Bool) x = c.e.convert(x, DType::F32, c.span);
  if (is_integer(dtype))
    c.e.fail(Diag::TypeMismatch, c.spans[0],
             fmt::format("`mean` of {}; convert it with `float(..)`", type_text(c.e.type(x))));
  return c.e.mean(x, std::move(dims), keeps(c), c.span);
}

Value variance(BuiltinCall& c) {
  Value x = reduced_operand(c, "variance");
  std::vector<int64_t> dims = axes(c, x);
  if (!is_float(c.e.type(x).dtype))
    c.e.fail(Diag::TypeMismatch, c.spans[0],
             fmt::format("`variance` of {}; convert it with `float(..)`", type_text(c.e.type(x))));
  return c.e.variance(x, std::move(dims), keeps(c), c.span);
}

template <OpKind kind>
Value reduce_extremum(BuiltinCall& c) {
  Value x = reduced_operand(c, kind == OpKind::Max ? "max" : "min");
  std::vector<int64_t> dims = axes(c, x);
  if (c.e.type(x).dtype == DType::Bool)
    c.e.fail(Diag::TypeMismatch, c.spans[0],
             "`max` and `min` of bool; convert it with `float(..)`");
  return c.e.reduce(kind, x, std::move(dims), keeps(c), c.span);
}

Value argmax(BuiltinCall& c) {
  Value x = reduced_operand(c, "argmax");
  if (c.e.type(x).dtype == DType::Bool) x = c.e.convert(x, DType::I32, c.span);
  size_t rank = c.e.type(x).rank();
  if (!c.has(1) && rank != 1)
    c.e.fail(Diag::BadArgument, c.span,
             fmt::format("`argmax` of {} misses `axis:`", type_text(c.e.type(x))));
  int64_t axis = c.has(1) ? c.e.axis_of(c[1], rank, c.spans[1]) : 0;
  if (c.e.type(x).shape[static_cast<size_t>(axis)].batch)
    c.e.fail(Diag::BatchMisuse, c.span, "`argmax` along `batch`; rows have no number");
  return c.e.reduce(OpKind::Argmax, x, {axis}, keeps(c), c.span);
}

Value sum_over_parameters(BuiltinCall& c) { return c.e.sum_over_parameters(c[0], c.span); }

constexpr std::string_view kEach = "Element by element: of numbers and tensors alike";
constexpr std::string_view kType = "Element types";
constexpr std::string_view kReduce = "Reductions: over all axes, or those of `axis:`";

constexpr Builtin kMathBuiltins[] = {
    {kEach, "exp", "x: float[...]", "float[...]", "e to the power of x.",
     float_function<OpKind::Exp, std::exp>},
    {kEach, "expm1", "x: float[...]", "float[...]", "exp(x) - 1, exact near 0 too.",
     float_function<OpKind::Expm1, std::expm1>},
    {kEach, "log", "x: float[...]", "float[...]", "The natural logarithm.",
     float_function<OpKind::Log, std::log>},
    {kEach, "log1p", "x: float[...]", "float[...]", "log(1 + x), exact near 0 too.",
     float_function<OpKind::Log1p, std::log1p>},
    {kEach, "sqrt", "x: float[...]", "float[...]", "The square root.",
     float_function<OpKind::Sqrt, std::sqrt>},
    {kEach, "sin", "x: float[...]", "float[...]", "The sine of an angle in radians.",
     float_function<OpKind::Sin, std::sin>},
    {kEach, "cos", "x: float[...]", "float[...]", "The cosine of an angle in radians.",
     float_function<OpKind::Cos, std::cos>},
    {kEach, "tanh", "x: float[...]", "float[...]", "The hyperbolic tangent, from -1 to 1.",
     float_function<OpKind::Tanh, std::tanh>},
    {kEach, "sigmoid", "x: float[...]", "float[...]", "1 / (1 + exp(-x)), from 0 to 1.",
     float_function<OpKind::Sigmoid, sigmoid_of>},
    {kEach, "erf", "x: float[...]", "float[...]", "The error function.",
     float_function<OpKind::Erf, std::erf>},
    {kEach, "normal_cdf", "x: float[...]", "float[...]",
     "The share of the standard normal distribution below x.",
     float_function<OpKind::NormalCdf, normal_cdf_of>},
    {kEach, "normal_density", "x: float[...]", "float[...]",
     "The density of the standard normal distribution at x.",
     float_function<OpKind::NormalDensity, normal_density_of>},
    {kEach, "floor", "x: float[...]", "float[...]", "The largest whole number not above x. No derivative.",
     float_function<OpKind::Floor, std::floor>},
    {kEach, "ceil", "x: float[...]", "float[...]", "The smallest whole number not below x. No derivative.",
     float_function<OpKind::Ceil, std::ceil>},
    {kEach, "round", "x: float[...]", "float[...]", "The nearest whole number, halves to even. No derivative.",
     float_function<OpKind::Round, round_of>},
    {kEach, "abs", "x: float[...] or int[...]", "as x", "x without its sign.",
     number_function<OpKind::Abs, std::fabs>},
    {kEach, "sign", "x: float[...] or int[...]", "as x", "-1 below 0, 1 above, else x itself. Its derivative is 0.",
     number_function<OpKind::Sign, sign_of>},
    {kEach, "maximum", "x: float[...] or int[...], y: as x", "as x",
     "The larger of x and y at each place. `max` reduces.", extremum<OpKind::Maximum>},
    {kEach, "minimum", "x: float[...] or int[...], y: as x", "as x",
     "The smaller of x and y at each place. `min` reduces.", extremum<OpKind::Minimum>},
    {kEach, "within", "x: float, low: float, below: float", "float",
     "x itself, an error when compiling unless low <= x < below. Numbers of a step are not looked at.",
     within},
    {kEach, "between", "x: float, low: float, high: float", "float",
     "x itself, an error when compiling unless low <= x <= high. Numbers of a step are not looked at.",
     between},
    {kEach, "positive", "x: float", "float",
     "x itself, an error when compiling unless x > 0. Numbers of a step are not looked at.", positive},
    {kEach, "div", "x: int[...], y: int[...]", "int[...]", "x / y toward zero; 0 where y is 0.",
     integer_function<OpKind::IntDiv>},
    {kEach, "mod", "x: int[...], y: int[...]", "int[...]",
     "What `div` leaves, with the sign of x; x where y is 0.", integer_function<OpKind::Mod>},
    {kEach, "where", "condition: bool[...], x: tensor, y: tensor", "as x",
     "x where the condition is true, else y. Both sides are computed.", where},
    {kEach, "stop_gradient", "x: tensor", "as x", "x itself, through which no derivative passes.",
     stop_gradient},
    {kType, "float", "x: tensor", "float[...]", "x as float, 32 bits; false is 0, true is 1.",
     cast<DType::F32>},
    {kType, "int", "x: tensor", "int[...]", "x as int, 32 bits: toward zero, NaN is 0.",
     cast<DType::I32>},
    {kType, "bool", "x: tensor", "bool[...]", "True where x is not 0.", cast<DType::Bool>},
    {kType, "f32", "x: tensor", "f32[...]", "The same as `float`.", cast<DType::F32>},
    {kType, "f64", "x: tensor", "f64[...]", "x as float of 64 bits, for values: parameters have 32.", cast<DType::F64>},
    {kType, "i32", "x: tensor", "i32[...]", "The same as `int`.", cast<DType::I32>},
    {kType, "i64", "x: tensor", "i64[...]", "x as int of 64 bits.", cast<DType::I64>},
    {kReduce, "sum", "x: tensor, *, axis: int or list = all, keep: bool = false", "tensor",
     "The sum; of bool it counts. `keep: true` leaves the axis with size 1.", sum},
    {kReduce, "mean", "x: float[...], *, axis: int or list = all, keep: bool = false", "float[...]",
     "The mean; of bool the share that is true.", mean},
    {kReduce, "variance", "x: float[...], *, axis: int or list = all, keep: bool = false", "float[...]",
     "The mean of squared distances from the mean.", variance},
    {kReduce, "max", "x: tensor, *, axis: int or list = all, keep: bool = false", "tensor",
     "The largest element. Of two values take `maximum`.", reduce_extremum<OpKind::Max>},
    {kReduce, "min", "x: tensor, *, axis: int or list = all, keep: bool = false", "tensor",
     "The smallest element. Of two values take `minimum`.", reduce_extremum<OpKind::Min>},
    {kReduce, "argmax", "x: tensor, *, axis: int = 0, keep: bool = false", "int[...]",
     "The index of the largest element, the first of equals. The axis may be left out at rank 1.",
     argmax},
    {kReduce, "sum_over_parameters", "s: float[]", "float[]",
     "In functions of gradients: the sum of s over all trained parameters.", sum_over_parameters},
};
static_assert(all_described(kMathBuiltins));

}  // namespace

std::span<const Builtin> math_builtins() { return kMathBuiltins; }

}  // namespace gradus::lang
