// Evaluation into arrays, and the copy of a batch.
#include "runtime/data/dataset.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

size_t element_bytes(ElementKind kind) { return kind == ElementKind::Bool ? 1 : 4; }

void store(ElementKind kind, double value, std::byte* to) {
  if (kind == ElementKind::Float32) {
    auto element = static_cast<float>(value);
    std::memcpy(to, &element, sizeof element);
  } else if (kind == ElementKind::Int32) {
    auto element = static_cast<int32_t>(value);
    std::memcpy(to, &element, sizeof element);
  } else {
    *to = std::byte{value != 0};
  }
}

bool fits(ElementKind kind, double value) {
  switch (kind) {
    case ElementKind::Float32:
      return std::abs(value) <= std::numeric_limits<float>::max();
    case ElementKind::Int32:
      return value == std::floor(value) && value >= -2147483648.0 && value <= 2147483647.0;
    case ElementKind::Bool:
      return value == 0 || value == 1;
  }
  return false;
}

const char* expected(ElementKind kind) {
  switch (kind) {
    case ElementKind::Float32:
      return "a number that fits f32";
    case ElementKind::Int32:
      return "a whole number that fits i32";
    case ElementKind::Bool:
      return "0 or 1";
  }
  return "";
}

}  // namespace

InputArray evaluate_input(const std::string& name, const DataExpression& expression,
                          const Fitted& fitted, ElementKind kind) {
  InputArray array;
  array.kind = kind;
  array.rows = expression.rows();
  size_t size = element_bytes(kind);
  array.row_bytes = expression.width() * static_cast<int64_t>(size);
  array.bytes.resize(static_cast<size_t>(array.rows * array.row_bytes));
  std::vector<double> values;
  std::byte* to = array.bytes.data();
  for (int64_t row = 0; row < array.rows; ++row) {
    expression.apply(row, fitted, values);
    int64_t element = 0;
    for (double value : values) {
      if (!fits(kind, value)) {
        throw FileError(FileProblem::Value, fmt::format("{}: input `{}` gives {}, expected {}",
                                    expression.place(row, element), name, value, expected(kind)));
      }
      store(kind, value, to);
      to += size;
      ++element;
    }
  }
  return array;
}

int64_t Dataset::bytes() const {
  int64_t sum = 0;
  for (const auto& [name, array] : arrays_) sum += static_cast<int64_t>(array.bytes.size());
  return sum;
}

void Dataset::gather(const std::string& input, std::span<const int64_t> rows,
                     std::span<std::byte> to) const {
  const InputArray& array = arrays_.at(input);
  auto width = static_cast<size_t>(array.row_bytes);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(to.data() + i * width, array.bytes.data() + static_cast<size_t>(rows[i]) * width,
                width);
  }
}

}  // namespace gradus::runtime
