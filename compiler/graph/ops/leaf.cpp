// Leaves: values that come from outside the graph, or are known by their position alone.
#include <fmt/format.h>

#include <cmath>

#include "graph/ops/rows.h"

namespace gradus {

namespace {

constexpr AttrSpec kNamed[] = {{AttrName::Name}};
const AttrSpec kConstantAttrs[] = {{AttrName::Value, AttrValue(0.0)},
                                   {AttrName::Values, AttrValue(std::vector<double>())}};
constexpr AttrSpec kAxisAttr[] = {{AttrName::Axis}};
constexpr AttrSpec kStreamAttr[] = {{AttrName::Stream}};

ShapeResult any_given(std::span<const TensorType>, const Attrs&, const TensorType* given) {
  return given_or_problem(given);
}

/// Whether an element of `dtype` can be `value`.
bool representable(DType dtype, double value) {
  return visit_dtype(dtype, [value](auto type) {
    using Element = typename decltype(type)::type;
    if constexpr (std::is_floating_point_v<Element>) return true;
    if constexpr (std::is_same_v<Element, uint8_t>) return value == 0 || value == 1;
    constexpr double kEnd = std::is_same_v<Element, int32_t> ? 0x1p31 : 0x1p63;
    return value >= -kEnd && value < kEnd && value == std::floor(value);
  });
}

ShapeProblem wrong_element(DType dtype, double value) {
  return {fmt::format("{} is no value of type {}", value, dtype_name(dtype)), -1};
}

ShapeResult constant_shape(std::span<const TensorType>, const Attrs& attrs,
                           const TensorType* given) {
  ShapeResult type = given_or_problem(given);
  if (!std::holds_alternative<TensorType>(type)) return type;
  const AttrValue* value = attrs.find(AttrName::Value);
  const AttrValue* values = attrs.find(AttrName::Values);
  if ((value != nullptr) == (values != nullptr)) {
    return ShapeProblem{"`constant` has either `value` or `values`", -1};
  }
  if (value) {
    double splat = std::get<double>(*value);
    if (!representable(given->dtype, splat)) return wrong_element(given->dtype, splat);
    return type;
  }
  const auto& list = std::get<std::vector<double>>(*values);
  Dim count = *checked_count(given->shape);
  if (count.batch || count.value != static_cast<int64_t>(list.size())) {
    return ShapeProblem{
        fmt::format("a constant of type {} has {} values", to_string(*given), list.size()), -1};
  }
  for (double element : list) {
    if (!representable(given->dtype, element)) return wrong_element(given->dtype, element);
  }
  return type;
}

ShapeResult iota_shape(std::span<const TensorType>, const Attrs& attrs, const TensorType* given) {
  ShapeResult type = given_or_problem(given);
  if (!std::holds_alternative<TensorType>(type)) return type;
  int64_t axis = attrs.integer(AttrName::Axis);
  if (given->dtype != DType::I32 || axis < 0 || axis >= static_cast<int64_t>(given->rank())) {
    return ShapeProblem{
        fmt::format("`iota` is i32 and counts along one of its axes; found {} and axis {}",
                    to_string(*given), axis),
        -1};
  }
  return type;
}

ShapeResult bits_shape(std::span<const TensorType>, const Attrs&, const TensorType* given) {
  ShapeResult type = given_or_problem(given);
  if (std::holds_alternative<TensorType>(type) && given->dtype != DType::I32) {
    return ShapeProblem{"`random_bits` is i32", -1};
  }
  return type;
}

template <DType dtype>
ShapeResult scalar_leaf(std::span<const TensorType>, const Attrs&, const TensorType*) {
  return TensorType{dtype, {}};
}

const OpDef kLeafRows[] = {
    {.kind = OpKind::Input,
     .name = "input",
     .attrs = kNamed,
     .shape = any_given,
     .given_type = true,
     .doc = "a value given each step"},
    {.kind = OpKind::Param,
     .name = "param",
     .attrs = kNamed,
     .shape = any_given,
     .given_type = true,
     .doc = "a parameter, kept between steps"},
    {.kind = OpKind::State,
     .name = "state",
     .attrs = kNamed,
     .shape = any_given,
     .given_type = true,
     .doc = "a state, kept between steps, never trained"},
    {.kind = OpKind::Constant,
     .name = "constant",
     .attrs = kConstantAttrs,
     .shape = constant_shape,
     .given_type = true,
     .doc = "`value` everywhere, or `values` in row-major order"},
    {.kind = OpKind::Iota,
     .name = "iota",
     .attrs = kAxisAttr,
     .shape = iota_shape,
     .given_type = true,
     .doc = "the index along `axis`"},
    {.kind = OpKind::BatchSize,
     .name = "batch_size",
     .shape = scalar_leaf<DType::F32>,
     .fact = StepFact::Rows,
     .doc = "n, the rows of this step"},
    {.kind = OpKind::StepNumber,
     .name = "step_number",
     .shape = scalar_leaf<DType::F64>,
     .fact = StepFact::Step,
     .doc = "the number of this step, from 1"},
    {.kind = OpKind::StepCount,
     .name = "step_count",
     .shape = scalar_leaf<DType::F64>,
     .fact = StepFact::Steps,
     .doc = "the planned number of steps"},
    {.kind = OpKind::EpochNumber,
     .name = "epoch_number",
     .shape = scalar_leaf<DType::F64>,
     .fact = StepFact::Epoch,
     .doc = "the number of this epoch, from 1"},
    {.kind = OpKind::RandomBits,
     .name = "random_bits",
     .attrs = kStreamAttr,
     .shape = bits_shape,
     .cost = CostClass::Transcendental,
     .given_type = true,
     .doc = "Threefry-2x32-20 of key (seed, stream) and counter (step, index): "
            "row-major, the batch outermost"},
    {.kind = OpKind::Seed,
     .name = "seed",
     .shape = any_given,
     .given_type = true,
     .doc = "stands for the cotangent in a function's custom vjp"},
};

}  // namespace

std::span<const OpDef> leaf_rows() { return kLeafRows; }

}  // namespace gradus
