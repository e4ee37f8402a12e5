// Shape arithmetic; every product of sizes is checked.
#include "tensor/type.h"

#include <fmt/format.h>

#include <charconv>

#include "support/check.h"
#include "tensor/strides.h"

namespace gradus {

namespace {

constexpr DTypeDef kDTypes[] = {
#define DTYPE(type, Element, name, word, npy, safetensors) \
  {DType::type, sizeof(Element), name, word, npy, safetensors},
#include "tensor/dtype.def"
#undef DTYPE
};
constexpr int64_t kMaxCount = int64_t{1} << 62;

std::optional<int64_t> checked_product(int64_t a, int64_t b) {
  int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > kMaxCount) return std::nullopt;
  return product;
}

std::optional<Dim> dim_from_string(std::string_view text) {
  if (text == "batch") return Dim::batches();
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 1 || value > kMaxCount) return std::nullopt;
  std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
  if (rest.empty()) return Dim::fixed(value);
  if (rest == "*batch") return Dim::batches(value);
  return std::nullopt;
}

}  // namespace

const DTypeDef& dtype_def(DType dtype) { return kDTypes[static_cast<size_t>(dtype)]; }
std::span<const DTypeDef> all_dtypes() { return kDTypes; }

std::string_view dtype_name(DType dtype) { return dtype_def(dtype).name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const DTypeDef& def : kDTypes) {
    if (def.name == name) return def.dtype;
  }
  return std::nullopt;
}

int64_t dtype_size(DType dtype) { return dtype_def(dtype).bytes; }
bool is_float(DType dtype) { return dtype == DType::F32 || dtype == DType::F64; }
bool is_integer(DType dtype) { return dtype == DType::I32 || dtype == DType::I64; }

std::string to_string(const Dim& dim) {
  if (!dim.batch) return std::to_string(dim.value);
  return dim.value == 1 ? "batch" : fmt::format("{}*batch", dim.value);
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ",") + to_string(shape[i]);
  return text + "]";
}

std::string to_string(const TensorType& type) {
  return std::string(dtype_name(type.dtype)) + to_string(type.shape);
}

std::optional<TensorType> type_from_string(std::string_view text) {
  size_t open = text.find('[');
  if (open == std::string_view::npos || text.back() != ']') return std::nullopt;
  std::optional<DType> dtype = dtype_from_name(text.substr(0, open));
  if (!dtype) return std::nullopt;
  TensorType type{*dtype, {}};
  std::string_view list = text.substr(open + 1, text.size() - open - 2);
  while (!list.empty()) {
    size_t comma = std::min(list.find(','), list.size());
    std::optional<Dim> dim = dim_from_string(list.substr(0, comma));
    if (!dim) return std::nullopt;
    type.shape.push_back(*dim);
    if (comma + 1 == list.size()) return std::nullopt;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return type;
}

std::optional<Dim> checked_count(const Shape& shape) {
  Dim count = Dim::fixed(1);
  for (const Dim& dim : shape) {
    if (dim.value < 1 || (dim.batch && count.batch)) return std::nullopt;
    std::optional<int64_t> product = checked_product(count.value, dim.value);
    if (!product) return std::nullopt;
    count = {*product, count.batch || dim.batch};
  }
  return count;
}

int64_t element_count(const Shape& shape, int64_t n) {
  std::optional<Dim> count = checked_count(shape);
  GRADUS_CHECK(count, "too many elements in " + to_string(shape));
  if (!count->batch) return count->value;
  std::optional<int64_t> product = checked_product(count->value, n);
  GRADUS_CHECK(product, "too many elements in " + to_string(shape));
  return *product;
}

int64_t byte_size(const TensorType& type, int64_t n) {
  std::optional<int64_t> bytes =
      checked_product(element_count(type.shape, n), dtype_size(type.dtype));
  GRADUS_CHECK(bytes, "too many bytes in " + to_string(type));
  return *bytes;
}

std::optional<Shape> broadcast_shapes(const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  size_t lead = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    Dim& dim = out[lead + i];
    if (dim == shorter[i] || shorter[i].is_one()) continue;
    if (!dim.is_one()) return std::nullopt;
    dim = shorter[i];
  }
  return out;
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  std::optional<Shape> shape = broadcast_shapes(from, to);
  return shape && *shape == to;
}

std::vector<int64_t> dense_strides(const Shape& shape, int64_t n) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i].at(n);
  return strides;
}

std::vector<int64_t> memory_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size());
  write_memory_strides(shape, strides);
  return strides;
}

void write_memory_strides(std::span<const Dim> shape, std::span<int64_t> strides) {
  int64_t stride = 1;
  for (const bool batch : {false, true}) {
    for (size_t i = shape.size(); i-- > 0;) {
      if (shape[i].batch != batch) continue;
      strides[i] = stride;
      stride *= shape[i].value;
    }
  }
}

}  // namespace gradus
