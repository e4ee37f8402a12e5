// Indices in brackets: slices with compile-time bounds, single elements, and gathers by an int
// tensor.
#include <fmt/format.h>

#include "lang/elaborator.h"

namespace gradus::lang {

Value Elaborator::eval_index(const Expr& expr) {
  Value x = eval(*expr.operands[0]);
  if (x.is(Value::Kind::Error)) throw Abandoned{};
  if (x.is(Value::Kind::List)) {
    bool single = expr.indices.size() == 1 && expr.indices[0].kind == Index::Kind::Single;
    if (!single) fail(Diag::BadIndex, expr.span, "a list takes one number as index");
    int64_t size = static_cast<int64_t>(x.items.size());
    int64_t i = whole_number(eval(*expr.indices[0].value), expr.indices[0].span, "an index");
    if (i < -size || i >= size)
      fail(Diag::BadIndex, expr.indices[0].span, fmt::format("index {} of a list of {}", i, size));
    return x.items[static_cast<size_t>(i < 0 ? i + size : i)];
  }
  if (!x.is(Value::Kind::Tensor))
    fail(Diag::TypeMismatch, expr.operands[0]->span,
         fmt::format("only tensors and lists are indexed, found {}", kind_text(x)));
  return index_tensor(x, expr);
}

Value Elaborator::index_tensor(const Value& x, const Expr& expr) {
  const Shape shape = type(x).shape;
  size_t given = 0;
  bool ellipsis = false;
  for (const Index& index : expr.indices) {
    if (index.kind == Index::Kind::Ellipsis && ellipsis)
      fail(Diag::BadIndex, index.span, "a second `...` in one index");
    ellipsis |= index.kind == Index::Kind::Ellipsis;
    given += index.kind == Index::Kind::Ellipsis ? 0 : 1;
  }
  if (given > shape.size()) {
    fail(Diag::BadIndex, expr.span, fmt::format("{} indices for {}", given, type_text(type(x))));
  }
  std::vector<int64_t> start(shape.size(), 0), step(shape.size(), 1);
  std::vector<bool> dropped(shape.size(), false);
  Shape sliced = shape;
  std::optional<std::pair<size_t, Value>> by_tensor;
  Span tensor_span;
  size_t axis = 0;
  for (const Index& index : expr.indices) {
    if (index.kind == Index::Kind::Ellipsis) {
      axis += shape.size() - given;
      continue;
    }
    bool whole = index.kind == Index::Kind::Slice && !index.from && !index.to && !index.step;
    if (whole) {
      ++axis;
      continue;
    }
    if (shape[axis].batch) {
      fail(Diag::BatchMisuse, index.span,
           fmt::format("{} along `batch` of {}; rows are known at run time only, a bare `:` keeps "
                       "all",
                       index.kind == Index::Kind::Slice ? "a slice" : "an index",
                       type_text(type(x))));
    }
    int64_t size = shape[axis].value;
    if (index.kind == Index::Kind::Single) {
      Value value = eval(*index.value);
      if (value.is(Value::Kind::List)) value = list_index(value, size, index.span);
      if (value.is(Value::Kind::Tensor)) {
        if (by_tensor)
          fail(Diag::BadIndex, index.span,
               "a second tensor among the indices; one may be an int tensor");
        by_tensor.emplace(axis, value);
        tensor_span = index.span;
      } else {
        int64_t i = whole_number(value, index.span, "an index");
        if (i < -size || i >= size)
          fail(Diag::BadIndex, index.span, fmt::format("index {} of an axis of {}", i, size));
        start[axis] = i < 0 ? i + size : i;
        sliced[axis] = Dim::fixed(1);
        dropped[axis] = true;
      }
    } else {
      SliceRange range = slice_range(index, size);
      start[axis] = range.start;
      step[axis] = range.step;
      sliced[axis] = Dim::fixed(range.count);
    }
    ++axis;
  }
  span_ = expr.span;
  Value result = slice(x, start, step, sliced);
  Shape kept;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!dropped[i]) kept.push_back(sliced[i]);
  }
  result.node = builder(result.place).reshape(result.node, kept);
  if (!by_tensor) return result.node == x.node ? value_of_its_own(result) : result;
  int64_t gathered = 0;
  for (size_t i = 0; i < by_tensor->first; ++i) gathered += dropped[i] ? 0 : 1;
  span_ = tensor_span;
  return gather(result, by_tensor->second, gathered);
}

/// A list as index: its places, known when compiling, as an int tensor.
Value Elaborator::list_index(const Value& list, int64_t size, Span span) {
  std::vector<Value> places;
  for (const Value& item : list.items) {
    int64_t i = whole_number(item, span, "an index");
    if (i < -size || i >= size)
      fail(Diag::BadIndex, span, fmt::format("index {} of an axis of {}", i, size));
    places.push_back(Value::of(Number::of(i < 0 ? i + size : i)));
  }
  return as_tensor(Value::of_list(std::move(places)), span, DType::I32);
}

Elaborator::SliceRange Elaborator::slice_range(const Index& index, int64_t size) {
  SliceRange range;
  auto bound = [&](const ExprPtr& e, int64_t fallback) {
    if (!e) return fallback;
    int64_t i = whole_number(eval(*e), e->span, "a bound of a slice");
    if (i < -size || i > size)
      fail(Diag::BadIndex, e->span, fmt::format("bound {} of an axis of {}", i, size));
    return i < 0 ? i + size : i;
  };
  if (index.step)
    range.step = whole_number(eval(*index.step), index.step->span, "the step of a slice");
  if (range.step == 0) fail(Diag::BadIndex, index.span, "the step of a slice is not 0");
  bool back = range.step < 0;
  range.start = bound(index.from, back ? size - 1 : 0);
  int64_t stop = index.to ? bound(index.to, 0) : back ? -1 : size;
  int64_t distance = back ? range.start - stop : stop - range.start;
  int64_t stride = std::abs(range.step);
  range.count = distance > 0 ? (distance - 1) / stride + 1 : 0;
  if (range.count < 1 || range.start >= size)
    fail(Diag::BadIndex, index.span,
         fmt::format("this slice of an axis of {} is empty; every size is at least 1", size));
  return range;
}

Value Elaborator::slice(const Value& x, const std::vector<int64_t>& start,
                        const std::vector<int64_t>& step, Shape shape) {
  if (shape == type(x).shape &&
      std::all_of(step.begin(), step.end(), [](int64_t s) { return s == 1; }))
    return x;
  TensorType result{type(x).dtype, std::move(shape)};
  return Value::tensor(x.place, make(x.place, OpKind::Slice, {x.node},
                                     {{AttrName::Start, start}, {AttrName::Step, step}}, &result));
}

/// Rows of `table` along `axis`: the index' sizes stand where the axis stood.
Value Elaborator::gather(const Value& table, const Value& index, int64_t axis) {
  const TensorType table_type = type(table), index_type = type(index);
  if (!is_integer(index_type.dtype))
    fail(Diag::TypeMismatch, span_,
         fmt::format("an index is an int tensor, found {}", type_text(index_type)));
  if (table.place != index.place)
    fail(Diag::BadInitialiser, span_, "an index and its table belong to different graphs");
  bool both_batch = false;
  for (const Dim& a : table_type.shape) {
    for (const Dim& b : index_type.shape) both_batch |= a.batch && b.batch;
  }
  if (both_batch) {
    fail(Diag::TwoBatches, span_,
         fmt::format(
             "{} indexed by {} has `batch` twice; `take_along(x, index, axis)` picks per row",
             type_text(table_type), type_text(index_type)));
  }
  if (table_type.shape[static_cast<size_t>(axis)].batch)
    fail(Diag::BatchMisuse, span_, "an index along `batch`");
  note_index(index, table_type.shape[static_cast<size_t>(axis)].value);
  GraphBuilder& b = builder(table.place);
  std::vector<int64_t> front = {axis};
  for (int64_t i = 0; i < static_cast<int64_t>(table_type.rank()); ++i) {
    if (i != axis) front.push_back(i);
  }
  NodeId rows = make(table.place, OpKind::Gather, {b.transpose(table.node, front), index.node});
  // Index sizes stand first; move the `axis` sizes that stood before them back.
  int64_t inner = static_cast<int64_t>(index_type.rank()),
          rest = static_cast<int64_t>(table_type.rank()) - 1;
  std::vector<int64_t> perm;
  for (int64_t i = 0; i < axis; ++i) perm.push_back(inner + i);
  for (int64_t i = 0; i < inner; ++i) perm.push_back(i);
  for (int64_t i = axis; i < rest; ++i) perm.push_back(inner + i);
  return Value::tensor(table.place, b.transpose(rows, perm));
}

/// An input that indexes an axis, directly or after its data were only moved, knows its limit.
void Elaborator::note_index(const Value& index, int64_t limit) {
  if (index.place != Place::Step) return;
  NodeId node = index.node;
  while (op_def(graph(Place::Step)[node].op).cls == OpClass::Layout &&
         graph(Place::Step)[node].operands.size() == 1) {
    node = graph(Place::Step)[node].operands[0];
  }
  auto input = input_of_node_.find(node);
  if (input == input_of_node_.end()) return;
  int64_t& known = inputs_[input->second].index_limit;
  known = known == 0 ? limit : std::min(known, limit);
}

}  // namespace gradus::lang
