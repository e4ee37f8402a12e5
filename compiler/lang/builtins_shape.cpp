// Functions that move, make and select data: reshape, transpose, concat, gathers, masks, fills,
// draws.
#include <fmt/format.h>

#include <algorithm>

#include "lang/elaborator.h"

namespace gradus::lang {

namespace {

Value tensor(BuiltinCall& c, size_t i, std::string_view name) {
  if (!c[i].is(Value::Kind::Tensor))
    c.e.fail(Diag::TypeMismatch, c.spans[i],
             fmt::format("`{}` takes a tensor, found {}", name, kind_text(c[i])));
  return c[i];
}

void refuse_batch(BuiltinCall& c, const Value& x, int64_t axis, std::string_view name) {
  if (c.e.type(x).shape[static_cast<size_t>(axis)].batch) {
    c.e.fail(Diag::BatchMisuse, c.span,
             fmt::format("`{}` along `batch` of {}; its rows are known at run time only", name,
                         type_text(c.e.type(x))));
  }
}

int64_t axis(BuiltinCall& c, size_t i, size_t rank, int64_t fallback) {
  if (c.has(i)) return c.e.axis_of(c[i], rank, c.spans[i]);
  return c.e.axis_of(Value::of(Number::of(fallback)), rank, c.span);
}

/// A shape with at most one `_`, which is what is left of `count`.
Shape inferred_shape(BuiltinCall& c, size_t i, Dim count) {
  if (!c[i].is(Value::Kind::List)) return c.e.shape_of_list(c[i], c.spans[i]);
  Value list = c[i];
  size_t open = list.items.size();
  for (size_t k = 0; k < list.items.size(); ++k) {
    const Value& item = list.items[k];
    if (item.is(Value::Kind::Number) && !item.number.batch && item.number.whole() == -1)
      c.e.fail(Diag::BadSize, c.spans[i], "a size is at least 1, found -1; the one that is inferred is `_`");
    if (!item.is(Value::Kind::String)) continue;
    if (open < list.items.size())
      c.e.fail(Diag::BadSize, c.spans[i], "a second `_` in a shape; one size is inferred");
    open = k;
    list.items[k] = Value::of(Number::of(1));
  }
  Shape shape = c.e.shape_of_list(list, c.spans[i]);
  if (open == list.items.size()) return shape;
  Dim known = *checked_count(shape);
  bool fits = count.value % known.value == 0 && (count.batch || !known.batch);
  if (!fits)
    c.e.fail(Diag::ShapeMismatch, c.spans[i],
             fmt::format("`_` cannot be inferred: {} elements in parts of {}",
                         to_string(Number::of_dim(count)), to_string(Number::of_dim(known))));
  shape[open] = {count.value / known.value, count.batch && !known.batch};
  return shape;
}

Value reshape(BuiltinCall& c) {
  Value x = tensor(c, 0, "reshape");
  const TensorType type = c.e.type(x);
  Dim count = *checked_count(type.shape);
  Shape shape = inferred_shape(c, 1, count);
  if (*checked_count(shape) != count) {
    c.e.fail(Diag::ShapeMismatch, c.span,
             fmt::format("{} has {} elements, {} has {}", type_text(type),
                         to_string(Number::of_dim(count)), shape_text(shape),
                         to_string(Number::of_dim(*checked_count(shape)))));
  }
  return Value::tensor(x.place, c.e.builder(x.place).reshape(x.node, shape));
}

Value transpose(BuiltinCall& c) {
  Value x = tensor(c, 0, "transpose");
  size_t rank = c.e.type(x).rank();
  if (c.has(1) != c.has(2))
    c.e.fail(Diag::BadArgument, c.span, "`transpose` takes two axes, or none for the last two");
  if (rank < 2)
    c.e.fail(Diag::ShapeMismatch, c.spans[0],
             fmt::format("`transpose` swaps two axes, found {}", type_text(c.e.type(x))));
  int64_t a = axis(c, 1, rank, -2), b = axis(c, 2, rank, -1);
  std::vector<int64_t> perm(rank);
  for (size_t i = 0; i < rank; ++i) perm[i] = static_cast<int64_t>(i);
  std::swap(perm[static_cast<size_t>(a)], perm[static_cast<size_t>(b)]);
  return Value::tensor(x.place, c.e.builder(x.place).transpose(x.node, perm));
}

Value permute(BuiltinCall& c) {
  Value x = tensor(c, 0, "permute");
  size_t rank = c.e.type(x).rank();
  if (!c[1].is(Value::Kind::List))
    c.e.fail(Diag::TypeMismatch, c.spans[1],
             fmt::format("the axes are a list, found {}", kind_text(c[1])));
  std::vector<int64_t> perm;
  for (const Value& item : c[1].items) perm.push_back(c.e.axis_of(item, rank, c.spans[1]));
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool complete =
      sorted.size() == rank && std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
  if (!complete)
    c.e.fail(Diag::BadAxis, c.spans[1],
             fmt::format("`permute` names each axis of {} once", type_text(c.e.type(x))));
  return Value::tensor(x.place, c.e.builder(x.place).transpose(x.node, perm));
}

Value broadcast(BuiltinCall& c) {
  Shape shape = c.e.shape_of_list(c[1], c.spans[1]);
  Value x = c.e.as_tensor(c[0], c.spans[0]);
  if (!broadcasts_to(c.e.type(x).shape, shape)) {
    c.e.fail(Diag::ShapeMismatch, c.span,
             fmt::format("{} does not broadcast to {}", type_text(c.e.type(x)), shape_text(shape)));
  }
  return Value::tensor(x.place, c.e.builder(x.place).broadcast(x.node, shape));
}

Value fill(BuiltinCall& c) {
  Shape shape = c.e.shape_of_list(c[1], c.spans[1]);
  std::optional<DType> like = c.want ? std::optional(c.want->dtype) : std::nullopt;
  if (c[0].is(Value::Kind::Number) && !c[0].number.batch) {
    TensorType type{like.value_or(DType::F32), shape};
    if (is_integer(type.dtype) || type.dtype == DType::Bool)
      (void)c.e.as_tensor(c[0], c.spans[0], type.dtype);
    return Value::tensor(c.e.place(), c.e.constant(c.e.place(), type, c[0].number.value));
  }
  Value x = c.e.as_tensor(c[0], c.spans[0], like);
  if (!c.e.type(x).is_scalar())
    c.e.fail(Diag::NotScalar, c.spans[0],
             fmt::format("`fill` repeats one number, found {}; use `broadcast`",
                         type_text(c.e.type(x))));
  return Value::tensor(x.place, c.e.builder(x.place).broadcast(x.node, shape));
}

Value size(BuiltinCall& c) {
  Value x = tensor(c, 0, "size");
  const TensorType type = c.e.type(x);
  if (!c.has(1)) return Value::of(Number::of_dim(*checked_count(type.shape)));
  return Value::of(
      Number::of_dim(type.shape[static_cast<size_t>(c.e.axis_of(c[1], type.rank(), c.spans[1]))]));
}

Value take_along(BuiltinCall& c) {
  Value x = tensor(c, 0, "take_along"), index = tensor(c, 1, "take_along");
  const TensorType type = c.e.type(x), index_type = c.e.type(index);
  int64_t along = axis(c, 2, type.rank(), -1);
  refuse_batch(c, x, along, "take_along");
  if (!is_integer(index_type.dtype))
    c.e.fail(Diag::TypeMismatch, c.spans[1],
             fmt::format("an index is an int tensor, found {}", type_text(index_type)));
  Shape rest = type.shape;
  rest.erase(rest.begin() + along);
  if (index_type.shape != rest) {
    c.e.fail(Diag::ShapeMismatch, c.spans[1],
             fmt::format("`take_along` picks one of axis {} for each of the others: the index is "
                         "int{}, found {}",
                         along, shape_text(rest), type_text(index_type)));
  }
  c.e.note_index(index, type.shape[static_cast<size_t>(along)].value);
  return Value::tensor(x.place, c.e.make(x.place, OpKind::TakeAlong, {x.node, index.node},
                                         {{AttrName::Axis, along}}));
}

Value iota(BuiltinCall& c, const Shape& shape, int64_t along) {
  TensorType type{DType::I32, shape};
  return Value::tensor(c.e.place(), c.e.builder(c.e.place()).iota(type, along));
}

Value one_hot(BuiltinCall& c) {
  Value index = tensor(c, 0, "one_hot");
  const TensorType type = c.e.type(index);
  if (!is_integer(type.dtype))
    c.e.fail(Diag::TypeMismatch, c.spans[0],
             fmt::format("an index is an int tensor, found {}", type_text(type)));
  Dim size = c.e.dim_of(c[1], c.spans[1]);
  if (size.batch) c.e.fail(Diag::BatchMisuse, c.spans[1], "`one_hot` with `batch` places");
  c.e.note_index(index, size.value);
  TensorType places{DType::F32, type.shape};
  const NodeId ones = c.e.builder(index.place).constant(places, 1);
  places.shape.push_back(size);
  const auto last = static_cast<int64_t>(type.rank());
  return Value::tensor(index.place, c.e.make(index.place, OpKind::PutAlong, {index.node, ones},
                                             {{AttrName::Axis, last}}, &places));
}

Value range(BuiltinCall& c) {
  Dim size = c.e.dim_of(c[0], c.spans[0]);
  if (size.batch)
    c.e.fail(Diag::BatchMisuse, c.spans[0], "`range` of `batch`; rows have no number");
  return iota(c, {size}, 0);
}

/// True on and below the diagonal: what a causal model may see.
Value tril(BuiltinCall& c) {
  Dim rows = c.e.dim_of(c[0], c.spans[0]), columns = c.has(1) ? c.e.dim_of(c[1], c.spans[1]) : rows;
  if (rows.batch || columns.batch)
    c.e.fail(Diag::BatchMisuse, c.span, "a mask with the size `batch`");
  Value i = iota(c, {rows, Dim::fixed(1)}, 0), j = iota(c, {columns}, 0);
  return c.e.pointwise(OpKind::LessEqual, {&j, &i}, {c.span, c.span});
}

// ---- joining and parting ----

std::vector<Value> parts(BuiltinCall& c, std::string_view name) {
  if (!c[0].is(Value::Kind::List) || c[0].items.empty()) {
    c.e.fail(Diag::TypeMismatch, c.spans[0],
             fmt::format("`{0}` takes a list, as in `{0}([a, b], axis: 1)`; found {1}", name,
                         c[0].is(Value::Kind::List) ? "an empty one" : kind_text(c[0])));
  }
  std::vector<Value> list;
  for (const Value& item : c[0].items) {
    list.push_back(c.e.as_tensor(item, c.spans[0]));
    const Value &first = list[0], &last = list.back();
    if (last.place != first.place || c.e.type(last).dtype != c.e.type(first).dtype) {
      c.e.fail(Diag::TypeMismatch, c.spans[0],
               fmt::format("`{}` of {} and {}", name, type_text(c.e.type(first)),
                           type_text(c.e.type(last))));
    }
  }
  return list;
}

Value joined(BuiltinCall& c, const std::vector<Value>& list, int64_t along, std::string_view name) {
  const Shape first = c.e.type(list[0]).shape;
  std::vector<NodeId> nodes;
  for (const Value& part : list) {
    Shape shape = c.e.type(part).shape;
    bool fits = shape.size() == first.size();
    for (size_t i = 0; fits && i < shape.size(); ++i)
      fits = static_cast<int64_t>(i) == along || shape[i] == first[i];
    if (!fits)
      c.e.fail(Diag::ShapeMismatch, c.spans[0],
               fmt::format("`{}` along axis {} of {} and {}; the other sizes have to agree", name, along,
                           shape_text(first), shape_text(shape)));
    refuse_batch(c, part, along, name);
    nodes.push_back(part.node);
  }
  if (nodes.size() == 1) return c.e.value_of_its_own(list[0]);
  return Value::tensor(list[0].place,
                       c.e.make(list[0].place, OpKind::Concat, nodes, {{AttrName::Axis, along}}));
}

Value concat(BuiltinCall& c) {
  std::vector<Value> list = parts(c, "concat");
  size_t rank = c.e.type(list[0]).rank();
  if (rank == 0)
    c.e.fail(Diag::ShapeMismatch, c.spans[0], "`concat` of values of rank 0; use `stack`");
  return joined(c, list, axis(c, 1, rank, 0), "concat");
}

Value stack(BuiltinCall& c) {
  std::vector<Value> list = parts(c, "stack");
  const Shape first = c.e.type(list[0]).shape;
  int64_t along = axis(c, 1, first.size() + 1, 0);
  for (Value& part : list) {
    Shape shape = c.e.type(part).shape;
    if (shape != first)
      c.e.fail(Diag::ShapeMismatch, c.spans[0],
               fmt::format("`stack` of {} and {}; all sizes have to agree", shape_text(first),
                           shape_text(shape)));
    shape.insert(shape.begin() + along, Dim::fixed(1));
    part.node = c.e.builder(part.place).reshape(part.node, shape);
  }
  return joined(c, list, along, "stack");
}

Value split(BuiltinCall& c) {
  Value x = tensor(c, 0, "split");
  const Shape shape = c.e.type(x).shape;
  int64_t along = axis(c, 2, shape.size(), -1);
  refuse_batch(c, x, along, "split");
  int64_t whole = shape[static_cast<size_t>(along)].value, sum = 0;
  std::vector<int64_t> sizes;
  if (c[1].is(Value::Kind::List)) {
    for (const Value& item : c[1].items) sizes.push_back(c.e.dim_of(item, c.spans[1]).value);
  } else {
    int64_t count = c.e.whole_number(c[1], c.spans[1], "the number of parts");
    if (count < 1 || whole % count != 0)
      c.e.fail(Diag::NotWhole, c.spans[1],
               fmt::format("{} in {} parts is not whole", whole, count));
    sizes.assign(static_cast<size_t>(count), whole / count);
  }
  for (int64_t size : sizes) sum += size;
  if (sum != whole)
    c.e.fail(Diag::ShapeMismatch, c.spans[1],
             fmt::format("the parts are {} in all, axis {} has {}", sum, along, whole));
  std::vector<Value> results;
  std::vector<int64_t> start(shape.size(), 0), step(shape.size(), 1);
  for (int64_t size : sizes) {
    Shape part = shape;
    part[static_cast<size_t>(along)] = Dim::fixed(size);
    results.push_back(c.e.slice(x, start, step, part));
    start[static_cast<size_t>(along)] += size;
  }
  return results.size() == 1 ? results[0] : Value::of_tuple(std::move(results));
}

Value pad(BuiltinCall& c) {
  Value x = tensor(c, 0, "pad");
  const TensorType type = c.e.type(x);
  int64_t before = c.e.whole_number(c[1], c.spans[1], "what is added before"),
          after = c.e.whole_number(c[2], c.spans[2], "what is added after");
  int64_t along = axis(c, 3, type.rank(), -1);
  refuse_batch(c, x, along, "pad");
  constexpr int64_t kMost = int64_t{1} << 40;
  if (before < 0 || after < 0 || before > kMost || after > kMost)
    c.e.fail(Diag::BadSize, c.span, "`pad` adds 0 or more on each side");
  double value =
      c.has(4) ? c.e.compile_time_number(c[4], c.spans[4], "what is filled in").value : 0;
  auto at = static_cast<size_t>(along);
  Shape whole = type.shape;
  whole[at].value += before + after;
  c.e.check_type({type.dtype, whole}, c.span);
  if (value == 0) {
    std::vector<int64_t> low(type.rank(), 0), high(type.rank(), 0);
    low[at] = before;
    high[at] = after;
    return Value::tensor(x.place, c.e.make(x.place, OpKind::Pad, {x.node},
                                           {{AttrName::Low, low}, {AttrName::High, high}}));
  }
  std::vector<Value> list;
  auto side = [&](int64_t count) {
    if (count == 0) return;
    TensorType part = type;
    part.shape[at] = Dim::fixed(count);
    list.push_back(Value::tensor(x.place, c.e.constant(x.place, part, value)));
  };
  side(before);
  list.push_back(x);
  side(after);
  return joined(c, list, along, "pad");
}

Value cumsum(BuiltinCall& c) {
  Value x = tensor(c, 0, "cumsum");
  const TensorType type = c.e.type(x);
  if (!is_float(type.dtype))
    c.e.fail(Diag::TypeMismatch, c.spans[0],
             fmt::format("`cumsum` takes float, found {}; convert it with `float(..)`",
                         type_text(type)));
  int64_t along = axis(c, 1, type.rank(), -1);
  refuse_batch(c, x, along, "cumsum");
  Attrs attrs{{AttrName::Axis, along}};
  if (c.has(2) && c.e.compile_time_bool(c[2], c.spans[2], "`exclusive`"))
    attrs.set(AttrName::Exclusive, true);
  return Value::tensor(x.place, c.e.make(x.place, OpKind::CumulativeSum, {x.node}, attrs));
}

Value random_uniform(BuiltinCall& c) {
  Value unit = c.e.draw(c.e.shape_of_list(c[0], c.spans[0]), c.span);
  Value low = c.has(1) ? c[1] : Value::of(Number::of(0)),
        high = c.has(2) ? c[2] : Value::of(Number::of(1));
  std::vector<Span> spans = {c.span, c.span};
  Value width = c.e.binary("-", high, low, c.span, spans);
  bool plain = !c.has(1) && !c.has(2);
  return plain ? unit
               : c.e.binary("+", c.e.binary("*", unit, width, c.span, spans), low, c.span, spans);
}

constexpr std::string_view kShape = "Shapes";
constexpr std::string_view kJoin = "Joining and parting";
constexpr std::string_view kIndex = "Indices: x[0:4], x[..., 0], table[indices] are operators";
constexpr std::string_view kMake = "Filling and counting";
constexpr std::string_view kDraw = "Draws: new in each training step and for each parameter";

constexpr Builtin kShapeBuiltins[] = {
    {kShape, "reshape", "x: tensor, shape: list", "tensor",
     "The same elements in other sizes; one size may be `_`.", reshape},
    {kShape, "transpose", "x: tensor, first: int = -2, second: int = -1", "tensor",
     "x with two axes swapped, the last two unless both are named.", transpose},
    {kShape, "permute", "x: tensor, axes: list", "tensor",
     "x with its axes in another order: axis i of the result is axis axes[i] of x.", permute},
    {kShape, "broadcast", "x: tensor, shape: list", "tensor", "x repeated to these sizes, as in NumPy.",
     broadcast},
    {kShape, "size", "x: tensor, axis: int = all", "int", "The size of an axis, or how many elements x has.",
     size},
    {kJoin, "concat", "parts: list, axis: int = 0", "tensor",
     "The tensors one after the other along an axis they have: concat([a, b], axis: 1).", concat},
    {kJoin, "stack", "parts: list, axis: int = 0", "tensor",
     "Parts of equal sizes along a new axis: stack([a, b]).", stack},
    {kJoin, "split", "x: tensor, parts: int or list, axis: int = -1", "as many tensors",
     "So many equal parts, or parts of these sizes: let (a, b) = split(x, 2).", split},
    {kJoin, "pad", "x: tensor, before: int, after: int, axis: int = -1, value: float = 0", "tensor",
     "x with so many values before and after it along an axis.", pad},
    {kIndex, "take_along", "x: tensor, index: int[...], axis: int = -1", "tensor",
     "One element of the axis for each of the other places: the index has the sizes of x without the axis.",
     take_along},
    {kIndex, "one_hot", "index: int[...], size: int", "float[..., size]",
     "1 at the index, 0 at the other places of a new last axis.", one_hot},
    {kIndex, "cumsum", "x: float[...], axis: int = -1, exclusive: bool = false", "float[...]",
     "Sums of the elements up to each along an axis; `exclusive: true` leaves out the element itself.",
     cumsum},
    {kMake, "fill", "value: float, shape: list", "float[...]", "One value at every place.", fill},
    {kMake, "range", "size: int", "int[size]", "The whole numbers from 0 to size - 1.", range},
    {kMake, "tril", "rows: int, columns: int = rows", "bool[rows, columns]",
     "True on and below the diagonal: what a causal model may see.", tril},
    {kDraw, "random_uniform", "shape: list, low: float = 0, high: float = 1", "float[...]",
     "Evenly between low and high, high left out.", random_uniform},
};
static_assert(all_described(kShapeBuiltins));

}  // namespace

std::span<const Builtin> shape_builtins() { return kShapeBuiltins; }

}  // namespace gradus::lang
