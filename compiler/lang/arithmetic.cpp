// Operators on numbers, per-step numbers and tensors: which graph, which element type, and what is
// refused, each with its own message.
//
// A value is known at one of three times, and an operator's result is known at the latest of its
// operands':
//
//     number        while the model is read: 1 / 3, layers - 1      no node at all
//     per step      in the step's graph, one f64: the learning rate, `step`, `batch`
//     tensor        in the step's graph, its own element type
//
// Numbers have no element type: they take that of the tensor they meet, so `x * 0.5` stays f32.
// Two tensors must agree; nothing is converted silently but numbers. Which graph is a second
// question (Place): an initialiser, the step, or what follows a pass over all batches (metrics).
//
// Whole numbers are exact as long as they fit 64 bits, since sizes are computed with them; what
// overflows goes on as a float.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "lang/elaborator.h"

namespace gradus::lang {

namespace {

/// `batch` is a size that only the step knows. A shape has it once: its rows are split among
/// threads and its memory planned as a multiple of one row.
size_t batch_dims(const Shape& shape) {
  size_t count = 0;
  for (const Dim& dim : shape) count += dim.batch ? 1 : 0;
  return count;
}

}  // namespace

NodeId Elaborator::constant(Place place, const TensorType& type, double value) {
  return make(place, OpKind::Constant, {}, {{AttrName::Value, value}}, &type);
}

/// A number as a node: a constant, or a multiple of the number of rows where it was made from
/// `batch`. A whole number that an integer type cannot hold is refused: rounding it would be
/// silent.
NodeId Elaborator::number_node(const Number& number, Place place, DType dtype, Span span) {
  if (number.batch) {
    if (place == Place::Init)
      fail(Diag::BadInitialiser, span,
           "`batch` is a size of each step; an initialiser cannot use it");
    if (place == Place::Finish) {
      NodeId rows = finish_rows();
      if (number.integer == 1) return rows;
      return make(place, OpKind::Mul, {rows, constant(place, {DType::F64, {}}, number.value)});
    }
    if (!is_float(dtype))
      fail(Diag::TypeMismatch, span,
           fmt::format("`batch` meets {} here; as a number it is a float", dtype_word(dtype)));
    NodeId rows = make(place, OpKind::BatchSize, {});
    if (dtype != DType::F32)
      rows = make(place, OpKind::Convert, {rows}, {},
                  std::make_unique<TensorType>(dtype, Shape()).get());
    if (number.integer == 1) return rows;
    return make(place, OpKind::Mul, {rows, constant(place, {dtype, {}}, number.value)});
  }
  if (dtype == DType::Bool) {
    fail(Diag::TypeMismatch, span,
         fmt::format("the number {} meets bool; compare to get a bool", to_string(number)));
  }
  if (is_integer(dtype)) {
    std::optional<int64_t> whole = number.whole();
    int64_t limit = dtype == DType::I32 ? std::numeric_limits<int32_t>::max() : int64_t{1} << 53;
    if (!whole || *whole > limit || *whole < -limit - 1) {
      fail(Diag::TypeMismatch, span,
           fmt::format("{} does not fit {}; convert the tensor with `float(..)`", to_string(number),
                       dtype_word(dtype)));
    }
  }
  return constant(place, {dtype, {}}, number.value);
}

/// The value as a node of this graph and element type. Only metrics cross from one graph to
/// another: a value of the step that meets one of the whole pass is averaged over its rows.
NodeId Elaborator::to_place(const Value& value, Place place, DType dtype, Span span) {
  switch (value.kind) {
    case Value::Kind::Number:
      return number_node(value.number, place, dtype, span);
    case Value::Kind::Bool:
      if (dtype != DType::Bool)
        fail(Diag::TypeMismatch, span,
             fmt::format("found {}, expected {}", kind_text(value), dtype_word(dtype)));
      return constant(place, {DType::Bool, {}}, value.flag ? 1 : 0);
    case Value::Kind::PerStep:
    case Value::Kind::Tensor:
      break;
    case Value::Kind::Error:
      throw Abandoned{};
    case Value::Kind::List:
      if (place != place_)
        fail(Diag::TypeMismatch, span, "a list of numbers meets a value of the whole pass");
      return as_tensor(value, span, dtype).node;
    case Value::Kind::String:
    case Value::Kind::Function:
    case Value::Kind::Tuple:
      fail(Diag::TypeMismatch, span,
           fmt::format("found {}, expected a number or tensor", kind_text(value)));
  }
  if (place == Place::Finish && value.place != Place::Finish)
    return to_place(average_of_step(value, span), place, dtype, span);
  if (value.place != place) {
    fail(Diag::BadInitialiser, span,
         "an initialiser cannot use a value of the step, nor the step one of an initialiser");
  }
  DType have = type(value).dtype;
  if (have == dtype) return value.node;
  if (value.is(Value::Kind::PerStep) && is_float(have) && is_float(dtype)) {
    TensorType to{dtype, {}};
    return make(place, OpKind::Convert, {value.node}, {}, &to);
  }
  std::string hint = dtype == DType::Bool || have == DType::Bool
                         ? ""
                         : fmt::format("; convert it with `{}(..)`", dtype_word(dtype));
  fail(Diag::TypeMismatch, span,
       fmt::format("found {}, expected {}{}", type_text(type(value)), dtype_word(dtype), hint));
}

/// In order: the first tensor decides the element type, else a per-step number makes all f64 (rates
/// and schedules are computed there and rounded once where they meet a tensor), else all are
/// numbers. A value of the whole pass makes floats f64 too: sums over a pass are long.
Elaborator::Operands Elaborator::unify_operands(std::vector<const Value*> values,
                                                const std::vector<Span>& spans) {
  Operands out;
  out.place = place_;
  const Value* leading = nullptr;  // the first tensor says the element type
  bool any_per_step = false, any_finish = false;
  for (const Value* value : values) {
    if (value->is(Value::Kind::Error)) throw Abandoned{};
    if (value->is(Value::Kind::Tensor) && !leading) leading = value;
    any_per_step |=
        value->is(Value::Kind::PerStep) || (value->is(Value::Kind::Number) && value->number.batch);
    any_finish |= value->in_graph() && value->place == Place::Finish;
  }
  for (size_t i = 0; i < values.size() && !leading; ++i) {
    if (values[i]->is(Value::Kind::List))
      fail(Diag::TypeMismatch, spans[i],
           "a list of numbers meets no tensor here; `let v: float[3] = [1, 2, 3]` makes it one");
  }
  if (leading) {
    out.place = leading->place;
    out.dtype = type(*leading).dtype;
  } else if (any_per_step) {
    out.dtype = DType::F64;
    out.per_step = true;
    for (const Value* value : values) {
      if (value->is(Value::Kind::PerStep) && type(*value).dtype == DType::Bool)
        out.dtype = DType::Bool;
    }
  }
  if (any_finish) {
    out.place = Place::Finish;
    if (is_float(out.dtype)) out.dtype = DType::F64;
  }
  if (in_metric() && out.per_step) out.place = Place::Finish;
  if (!leading && !any_per_step) {
    bool all_bool = true;
    for (const Value* value : values) all_bool &= value->is(Value::Kind::Bool);
    if (all_bool) out.dtype = DType::Bool;
  }
  for (size_t i = 0; i < values.size(); ++i)
    out.nodes.push_back(to_place(*values[i], out.place, out.dtype, spans[i]));
  check_broadcast(out.place, out.nodes, spans);
  return out;
}

/// NumPy's rule, and one more: the result has `batch` at most once. [batch, 1] - [batch] would be a
/// table of all pairs of rows; it is nearly always a forgotten `x[:, 0]`, which the note says.
void Elaborator::check_broadcast(Place place, const std::vector<NodeId>& nodes,
                                 const std::vector<Span>& spans) {
  Shape shape;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Shape& other = graph(place).type(nodes[i]).shape;
    std::optional<Shape> both = broadcast_shapes(shape, other);
    if (!both) {
      fail(Diag::ShapeMismatch, span_,
           fmt::format("sizes {} and {} do not fit", shape_text(shape), shape_text(other)), {},
           spans);
    }
    if (batch_dims(*both) > 1) {
      bool column =
          (shape.size() == 2 && other.size() == 1) || (shape.size() == 1 && other.size() == 2);
      std::vector<DiagNote> notes;
      if (column)
        notes.push_back({spans[shape.size() == 2 ? 0 : i], "take the one column: `x[:, 0]`"});
      fail(Diag::TwoBatches, span_,
           fmt::format("{} and {} give {}, which has `batch` twice; a value has it at most once",
                       shape_text(shape), shape_text(other), shape_text(*both)),
           std::move(notes), spans);
    }
    shape = std::move(*both);
  }
}

Value Elaborator::wrap(const Operands& operands, NodeId node) {
  if (operands.per_step && operands.place == Place::Step) return Value::per_step(node);
  return Value::tensor(operands.place, node);
}

Value Elaborator::pointwise(OpKind kind, std::vector<const Value*> values,
                            const std::vector<Span>& spans) {
  Operands operands = unify_operands(std::move(values), spans);
  return wrap(operands, make(operands.place, kind, operands.nodes));
}

Value Elaborator::as_tensor(const Value& value, Span span, std::optional<DType> like) {
  if (value.is(Value::Kind::Tensor)) return value;
  if (value.is(Value::Kind::List)) {  // a list of numbers is a constant
    std::vector<double> values;
    bool whole = true;
    for (const Value& item : value.items) {
      Number n = compile_time_number(item, span, "an element of a list that becomes a tensor");
      whole &= n.whole().has_value();
      values.push_back(n.value);
    }
    if (values.empty()) fail(Diag::BadSize, span, "an empty list; every size is at least 1");
    DType dtype = like.value_or(DType::F32);
    if (is_integer(dtype) && !whole)
      fail(Diag::TypeMismatch, span, "a list with fractions does not fit int");
    TensorType type{dtype, {Dim::fixed(static_cast<int64_t>(values.size()))}};
    return Value::tensor(
        place_, make(place_, OpKind::Constant, {}, {{AttrName::Values, std::move(values)}}, &type));
  }
  Place at = in_metric() && value.is(Value::Kind::Number) && value.number.batch ? Place::Finish
             : value.in_graph()                                                 ? value.place
                                                                                : place_;
  DType dtype = like.value_or(value.is(Value::Kind::Bool) ? DType::Bool : DType::F32);
  if (value.is(Value::Kind::PerStep) && type(value).dtype == DType::Bool) dtype = DType::Bool;
  if (at == Place::Finish && is_float(dtype)) dtype = DType::F64;
  return Value::tensor(at, to_place(value, at, dtype, span));
}

Value Elaborator::as_per_step(const Value& value, Span span) {
  if (value.is(Value::Kind::PerStep)) return value;
  return Value::per_step(to_place(value, Place::Step, DType::F64, span));
}

/// `int(x)`, `float(x)`. A list becomes a tensor first; a number stays one, so that it can be a
/// size.
Value Elaborator::convert(const Value& value, DType to, Span span) {
  if (value.is(Value::Kind::Number) || value.is(Value::Kind::Bool)) {
    if (value.is(Value::Kind::Number) && !value.number.batch) {
      if (is_integer(to))
        return Value::of(Number::of(
            static_cast<int64_t>(std::trunc(std::clamp(value.number.value, -9e15, 9e15)))));
      return value;
    }
    if (value.is(Value::Kind::Bool)) return Value::of(Number::of(value.flag ? 1 : 0));
  }
  Value x = value.is(Value::Kind::PerStep)
                ? value
                : as_tensor(value, span, is_integer(to) ? std::optional(to) : std::nullopt);
  if (x.place == Place::Finish) return x;  // over the whole pass everything is f64
  if (x.is(Value::Kind::PerStep) && is_float(to)) to = DType::F64;
  if (type(x).dtype == to) return x;
  TensorType result{to, type(x).shape};
  Value out = x;
  out.node = make(x.place, OpKind::Convert, {x.node}, {}, &result);
  return out;
}

/// What an assignment, argument or result of a declared type takes: the exact type, or a number or
/// list where a scalar or vector is declared. No broadcasting here: a declared shape is a promise.
Value Elaborator::fit(const Value& value, const TensorType& want, Span span,
                      std::string_view what) {
  if (value.is(Value::Kind::Error)) throw Abandoned{};
  Value x = value;
  bool list_fits = value.is(Value::Kind::List) && want.rank() == 1;
  if (!value.is(Value::Kind::Tensor)) {
    bool number = value.is(Value::Kind::Number) || value.is(Value::Kind::PerStep) ||
                  value.is(Value::Kind::Bool);
    if (!list_fits && !(number && want.is_scalar())) {
      std::string hint = number ? "; `fill(value, shape)` repeats a number" : "";
      fail(Diag::TypeMismatch, span,
           fmt::format("{} is {}, found {}{}", what, type_text(want), kind_text(value), hint));
    }
    x = as_tensor(value, span, want.dtype);
  }
  if (x.place == Place::Finish) return x;
  if (x.place != place_)
    fail(Diag::BadInitialiser, span, "an initialiser cannot use a value of the step");
  if (type(x).dtype != want.dtype) {
    fail(Diag::TypeMismatch, span,
         fmt::format("{} is {}, found {}", what, type_text(want), type_text(type(x))));
  }
  if (type(x).shape != want.shape) {
    fail(Diag::ShapeMismatch, span,
         fmt::format("{} is {}, found {}", what, type_text(want), type_text(type(x))));
  }
  return x;
}

// ---- operators ----

namespace {

bool overflows(std::string_view op, int64_t a, int64_t b, int64_t& result) {
  if (op == "+") return __builtin_add_overflow(a, b, &result);
  if (op == "-") return __builtin_sub_overflow(a, b, &result);
  return __builtin_mul_overflow(a, b, &result);
}

bool compares(std::string_view op, double a, double b) {
  if (op == "==") return a == b;
  if (op == "!=") return a != b;
  if (op == "<") return a < b;
  if (op == "<=") return a <= b;
  return op == ">" ? a > b : a >= b;
}

bool is_comparison(std::string_view op) {
  return op[0] == '=' || op[0] == '!' || op[0] == '<' || op[0] == '>';
}

OpKind arithmetic_kind(std::string_view op) {
  switch (op[0]) {
    case '+':
      return OpKind::Add;
    case '-':
      return OpKind::Sub;
    case '*':
      return OpKind::Mul;
    default:
      return OpKind::Div;
  }
}

/// Exact by multiplication while it fits; bases of 0, 1 and -1 end the loop, however large the
/// exponent.
Number power_of(const Number& a, const Number& b) {
  std::optional<int64_t> exponent = b.whole();
  if (a.exact && exponent && *exponent >= 0) {
    int64_t result = 1;
    for (int64_t i = 0; i < *exponent; ++i) {
      if (__builtin_mul_overflow(result, a.integer, &result))
        return Number::of_float(std::pow(a.value, b.value));
      if (a.integer == 1 || a.integer == 0 || a.integer == -1)
        return Number::of(*exponent % 2 == 0 ? a.integer * a.integer : a.integer);
    }
    return Number::of(result);
  }
  return Number::of_float(std::pow(a.value, b.value));
}

}  // namespace

/// A quotient of whole numbers is whole where it comes out even: `width / heads` can be a size.
Value Elaborator::numbers(std::string_view op, const Number& a, const Number& b, Span span) {
  if (is_comparison(op)) return Value::of_bool(compares(op, a.value, b.value));
  if (op == "^") return Value::of(power_of(a, b));
  if (op == "@") fail(Diag::TypeMismatch, span, "`@` multiplies tensors, found two numbers");
  if (op == "/") {
    if (a.exact && b.exact && b.integer != 0 && b.integer != -1 && a.integer % b.integer == 0)
      return Value::of(Number::of(a.integer / b.integer));
    return Value::of(Number::of_float(a.value / b.value));
  }
  int64_t result = 0;
  if (a.exact && b.exact && !overflows(op, a.integer, b.integer, result))
    return Value::of(Number::of(result));
  double value = op == "+" ? a.value + b.value : op == "-" ? a.value - b.value : a.value * b.value;
  return Value::of(Number::of_float(value));
}

/// Comparisons have two operators: a > b is b < a, which holds for NaN as well (both false).
Value Elaborator::binary(std::string_view op, const Value& a, const Value& b, Span span,
                         const std::vector<Span>& spans) {
  span_ = span;
  if (a.is(Value::Kind::Error) || b.is(Value::Kind::Error)) throw Abandoned{};
  if (op == "@") return matmul(a, b, span, spans);
  if (a.is(Value::Kind::Number) && b.is(Value::Kind::Number)) {
    const Number &m = a.number, &n = b.number;
    if (!m.batch && !n.batch) return numbers(op, m, n, span);
    int64_t product = 0;
    bool one = m.batch != n.batch && m.exact && n.exact;
    if (op == "*" && one && !__builtin_mul_overflow(m.integer, n.integer, &product))
      return Value::of(Number::rows(product));
    if (op == "/" && one && m.batch && n.integer != 0 && m.integer % n.integer == 0)
      return Value::of(Number::rows(m.integer / n.integer));
    bool equal_rows = m.batch && n.batch && (op == "==" || op == "!=");
    if (equal_rows) return Value::of_bool((m.integer == n.integer) == (op == "=="));
  }
  if (a.is(Value::Kind::Bool) && b.is(Value::Kind::Bool) && (op == "==" || op == "!=")) {
    return Value::of_bool((a.flag == b.flag) == (op == "=="));
  }
  if (a.is(Value::Kind::String) && b.is(Value::Kind::String) && (op == "==" || op == "!=")) {
    return Value::of_bool((a.text == b.text) == (op == "=="));
  }
  if (op == "^") return power(a, b, span, spans);
  Operands operands = unify_operands({&a, &b}, spans);
  auto node = [&](OpKind kind, NodeId x, NodeId y) {
    return wrap(operands, make(operands.place, kind, {x, y}));
  };
  NodeId x = operands.nodes[0], y = operands.nodes[1];
  if (op == "==") return node(OpKind::Equal, x, y);
  if (op == "!=") return node(OpKind::NotEqual, x, y);
  if (operands.dtype == DType::Bool) {
    fail(Diag::TypeMismatch, span,
         fmt::format("`{}` on bool; use `and`, `or`, `not`, or convert with `float(..)`", op), {},
         spans);
  }
  if (op == "<") return node(OpKind::Less, x, y);
  if (op == "<=") return node(OpKind::LessEqual, x, y);
  if (op == ">") return node(OpKind::Less, y, x);
  if (op == ">=") return node(OpKind::LessEqual, y, x);
  if (op == "/" && is_integer(operands.dtype)) {
    fail(Diag::IntegerDivision, span,
         "`/` on int tensors; use `div(a, b)`, or convert with `float(..)`", {}, spans);
  }
  return node(arithmetic_kind(op), x, y);
}

/// A whole power is products, by squaring (Knuth, TAOCP 2, 4.6.3, right to left): at most
/// 2 * log2(n) of them. It is defined for negative bases and for integers, where exp(n * log x) is
/// not.
Value Elaborator::power(const Value& base, const Value& exponent, Span span,
                        const std::vector<Span>& spans) {
  std::optional<int64_t> whole;
  if (exponent.is(Value::Kind::Number) && !exponent.number.batch) whole = exponent.number.whole();
  constexpr int64_t kMultiplied = 64;
  if (!whole || std::abs(*whole) > kMultiplied || !base.in_graph()) {
    Operands operands = unify_operands({&base, &exponent}, spans);
    if (!is_float(operands.dtype))
      fail(Diag::TypeMismatch, span, "`^` of an int tensor takes a whole number of at most 64", {},
           spans);
    return wrap(operands, make(operands.place, OpKind::Pow, operands.nodes));
  }
  Operands operands = unify_operands({&base}, {spans[0]});
  DType dtype = operands.dtype;
  if (dtype == DType::Bool || (is_integer(dtype) && *whole < 0)) {
    fail(Diag::TypeMismatch, span,
         fmt::format("`^ {}` of {}; convert with `float(..)`", *whole, dtype_word(dtype)), {},
         spans);
  }
  NodeId square = operands.nodes[0], result;
  for (int64_t rest = std::abs(*whole); rest > 0; rest /= 2) {
    if (rest % 2 == 1)
      result = result.valid() ? make(operands.place, OpKind::Mul, {result, square}) : square;
    if (rest > 1) square = make(operands.place, OpKind::Mul, {square, square});
  }
  if (!result.valid())
    return wrap(operands, constant(operands.place, graph(operands.place).type(square), 1));
  if (*whole < 0)
    result = make(operands.place, OpKind::Div, {constant(operands.place, {dtype, {}}, 1), result});
  return wrap(operands, result);
}

Value Elaborator::negate(const Value& value, Span span) {
  span_ = span;
  if (value.is(Value::Kind::Number) && !value.number.batch) {
    const Number& n = value.number;
    return Value::of(n.exact && n.integer != std::numeric_limits<int64_t>::min()
                         ? Number::of(-n.integer)
                         : Number::of_float(-n.value));
  }
  Operands operands = unify_operands({&value}, {span});
  if (operands.dtype == DType::Bool) fail(Diag::TypeMismatch, span, "`-` on bool; use `not`");
  return wrap(operands, make(operands.place, OpKind::Neg, operands.nodes));
}

/// As in NumPy: a vector on the left is one row, on the right one column, and that dimension goes
/// from the result again. Leading dimensions broadcast.
Value Elaborator::matmul(const Value& a, const Value& b, Span span,
                         const std::vector<Span>& spans) {
  if (a.is(Value::Kind::List) && b.is(Value::Kind::Tensor))
    return matmul(as_tensor(a, spans[0], type(b).dtype), b, span, spans);
  if (b.is(Value::Kind::List) && a.is(Value::Kind::Tensor))
    return matmul(a, as_tensor(b, spans[1], type(a).dtype), span, spans);
  for (size_t i = 0; i < 2; ++i) {
    const Value& v = i == 0 ? a : b;
    if (!v.is(Value::Kind::Tensor))
      fail(Diag::TypeMismatch, spans[i],
           fmt::format("`@` multiplies tensors, found {}", kind_text(v)));
    if (!is_float(type(v).dtype) || type(v).is_scalar()) {
      fail(Diag::TypeMismatch, spans[i],
           fmt::format("`@` multiplies float tensors of rank 1 and more, found {}",
                       type_text(type(v))));
    }
  }
  if (a.place != b.place || type(a).dtype != type(b).dtype)
    (void)to_place(b, a.place, type(a).dtype, spans[1]);
  Place at = a.place;
  TensorType left = type(a), right = type(b);
  bool left_vector = left.rank() == 1, right_vector = right.rank() == 1;
  NodeId x = a.node, y = b.node;
  if (left_vector) x = builder(at).reshape(x, {Dim::fixed(1), left.shape[0]});
  if (right_vector) y = builder(at).reshape(y, {right.shape[0], Dim::fixed(1)});
  Shape xs = graph(at).type(x).shape, ys = graph(at).type(y).shape;
  Dim inner_x = xs.back(), inner_y = ys[ys.size() - 2];
  if (inner_x != inner_y) {
    fail(Diag::ShapeMismatch, span,
         fmt::format("inner sizes of `@` differ: {} in {} and {} in {}",
                     to_string(Number::of_dim(inner_x)), type_text(left),
                     to_string(Number::of_dim(inner_y)), type_text(right)),
         {}, spans);
  }
  std::optional<Shape> lead =
      broadcast_shapes({xs.begin(), xs.end() - 2}, {ys.begin(), ys.end() - 2});
  if (!lead)
    fail(Diag::ShapeMismatch, span,
         fmt::format("leading sizes of `@` do not fit: {} and {}", type_text(left),
                     type_text(right)),
         {}, spans);
  Shape result = *lead;
  result.push_back(xs[xs.size() - 2]);
  result.push_back(ys.back());
  if (batch_dims(result) > 1) {
    fail(Diag::TwoBatches, span,
         fmt::format("{} @ {} gives {}, which has `batch` twice; a value has it at most once",
                     type_text(left), type_text(right), shape_text(result)),
         {}, spans);
  }
  NodeId product = make(at, OpKind::Matmul, {x, y});
  if (left_vector) result.erase(result.end() - 2);
  if (right_vector) result.pop_back();
  span_ = span;
  return Value::tensor(at, builder(at).reshape(product, result));
}

}  // namespace gradus::lang
