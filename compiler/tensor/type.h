// Element types, shapes and tensor types. Sizes are numbers or `k * batch`: `batch` is the one size
// that is known at run time only, and a shape holds it at most once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace gradus {

enum class DType : uint8_t {
#define DTYPE(type, Element, name, word, npy, safetensors) type,
#include "tensor/dtype.def"
#undef DTYPE
};

/// A row of dtype.def.
struct DTypeDef {
  DType dtype;
  int64_t bytes;
  std::string_view name, word;
  std::string_view npy, safetensors;
};
const DTypeDef& dtype_def(DType dtype);
std::span<const DTypeDef> all_dtypes();

/// Calls `function` with std::type_identity<Element>: whatever differs by the type in memory.
template <typename Function>
decltype(auto) visit_dtype(DType dtype, Function&& function) {
  switch (dtype) {
#define DTYPE(type, Element, name, word, npy, safetensors) \
  case DType::type:                                        \
    return function(std::type_identity<Element>());
#include "tensor/dtype.def"
#undef DTYPE
  }
  __builtin_unreachable();
}

std::string_view dtype_name(DType dtype);                       // "bool", "i32", "f32" ...
std::optional<DType> dtype_from_name(std::string_view name);
int64_t dtype_size(DType dtype);                                // bytes; bool is stored in one
bool is_float(DType dtype);
bool is_integer(DType dtype);                                   // i32 and i64, not bool

/// One size: `value`, or `value * batch` where `batch` is true.
struct Dim {
  int64_t value = 1;
  bool batch = false;

  static constexpr Dim fixed(int64_t value) { return {value, false}; }
  static constexpr Dim batches(int64_t rows_each = 1) { return {rows_each, true}; }
  /// The size when a step has `n` rows.
  int64_t at(int64_t n) const { return batch ? value * n : value; }
  bool is_one() const { return !batch && value == 1; }
  friend constexpr bool operator==(const Dim&, const Dim&) = default;
};

using Shape = std::vector<Dim>;

struct TensorType {
  DType dtype = DType::F32;
  Shape shape;

  size_t rank() const { return shape.size(); }
  bool is_scalar() const { return shape.empty(); }
  friend bool operator==(const TensorType&, const TensorType&) = default;
};

std::string to_string(const Dim& dim);                // "784", "batch", "64*batch"
std::string to_string(const Shape& shape);            // "[batch,784]"
std::string to_string(const TensorType& type);        // "f32[batch,784]"
std::optional<TensorType> type_from_string(std::string_view text);

/// Product of all sizes; nothing where it does not fit 2^62, or where two sizes hold `batch`.
std::optional<Dim> checked_count(const Shape& shape);
/// Number of elements when a step has `n` rows; the shape was checked before.
int64_t element_count(const Shape& shape, int64_t n);
/// Bytes of one buffer of this type at `n` rows.
int64_t byte_size(const TensorType& type, int64_t n);
/// The NumPy broadcast of two shapes; nothing where they do not fit.
std::optional<Shape> broadcast_shapes(const Shape& a, const Shape& b);
/// Whether `from` broadcasts to exactly `to`.
bool broadcasts_to(const Shape& from, const Shape& to);
/// Strides in elements of a dense row-major array of this shape at `n` rows.
std::vector<int64_t> dense_strides(const Shape& shape, int64_t n);
/// Strides in elements of a buffer: row-major, but the batch is outermost wherever it stands, so that
/// no stride depends on n.
std::vector<int64_t> memory_strides(const Shape& shape);

}  // namespace gradus
