// Makers of values, and their words in messages.
#include "lang/value.h"

#include <fmt/format.h>

#include <cmath>

namespace gradus::lang {

Number Number::of(int64_t integer) { return {static_cast<double>(integer), integer, true, false}; }
Number Number::of_float(double value) { return {value, 0, false, false}; }
Number Number::rows(int64_t each) { return {static_cast<double>(each), each, true, true}; }

std::optional<int64_t> Number::whole() const {
  if (exact) return integer;
  constexpr double kExact = 9007199254740992.0;
  if (std::floor(value) == value && std::fabs(value) <= kExact) return static_cast<int64_t>(value);
  return std::nullopt;
}

std::string to_string(const Number& number) {
  if (number.batch) return number.integer == 1 ? "batch" : fmt::format("{}*batch", number.integer);
  return number.exact ? fmt::format("{}", number.integer) : fmt::format("{}", number.value);
}

Value Value::of(Number number) {
  Value v;
  v.kind = Kind::Number;
  v.number = number;
  return v;
}

Value Value::of_bool(bool flag) {
  Value v;
  v.kind = Kind::Bool;
  v.flag = flag;
  return v;
}

Value Value::of_string(std::string text) {
  Value v;
  v.kind = Kind::String;
  v.text = std::move(text);
  return v;
}

Value Value::of_list(std::vector<Value> items) {
  Value v;
  v.kind = Kind::List;
  v.items = std::move(items);
  return v;
}

Value Value::of_tuple(std::vector<Value> items) {
  Value v = of_list(std::move(items));
  v.kind = Kind::Tuple;
  return v;
}

Value Value::tensor(Place place, NodeId node) {
  Value v;
  v.kind = Kind::Tensor;
  v.place = place;
  v.node = node;
  return v;
}

Value Value::per_step(NodeId node) {
  Value v = tensor(Place::Step, node);
  v.kind = Kind::PerStep;
  return v;
}

Value Value::of_function(FunctionValue function) {
  Value v;
  v.kind = Kind::Function;
  v.function = std::make_shared<FunctionValue>(std::move(function));
  return v;
}

std::string site_path(const Site& site) {
  std::string above = site.parent ? site_path(*site.parent) : std::string();
  if (site.name.empty()) return above;
  return above.empty() || above.ends_with('@') ? above + site.name : above + "." + site.name;
}

std::string_view dtype_word(DType dtype) { return dtype_def(dtype).word; }

std::optional<DType> dtype_of_word(std::string_view word) {
  for (const DTypeDef& def : all_dtypes()) {
    if (word == def.word || word == def.name) return def.dtype;
  }
  return std::nullopt;
}

std::string shape_text(const Shape& shape) {
  std::string out;
  for (const Dim& dim : shape) {
    if (!out.empty()) out += ", ";
    out += to_string(Number::of_dim(dim));
  }
  return "[" + out + "]";
}

std::string type_text(const TensorType& type) {
  return std::string(dtype_word(type.dtype)) + shape_text(type.shape);
}

std::string kind_text(const Value& value) {
  switch (value.kind) {
    case Value::Kind::Error:
      return "an error";
    case Value::Kind::Number:
      return fmt::format("the number {}", to_string(value.number));
    case Value::Kind::Bool:
      return value.flag ? "`true`" : "`false`";
    case Value::Kind::String:
      return fmt::format("the string \"{}\"", value.text);
    case Value::Kind::List:
      return "a list";
    case Value::Kind::Tensor:
      return "a tensor";
    case Value::Kind::PerStep:
      return "a number of each step";
    case Value::Kind::Function:
      return value.function->layer ? "a layer" : "a function";
    case Value::Kind::Tuple:
      return "several results";
  }
  return "";
}

}  // namespace gradus::lang
