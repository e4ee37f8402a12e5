// Evaluation into arrays, and the copy of a batch.
#include "runtime/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

size_t element_bytes(ElementKind kind) {
  switch (kind) {
    case ElementKind::Float32:
    case ElementKind::Int32:
      return 4;
    case ElementKind::Float64:
    case ElementKind::Int64:
      return 8;
    case ElementKind::Bool:
      return 1;
  }
  return 1;
}

template <typename T>
void store_as(double value, std::byte* to) {
  auto element = static_cast<T>(value);
  std::memcpy(to, &element, sizeof element);
}

void store(ElementKind kind, double value, std::byte* to) {
  switch (kind) {
    case ElementKind::Float32:
      return store_as<float>(value, to);
    case ElementKind::Float64:
      return store_as<double>(value, to);
    case ElementKind::Int32:
      return store_as<int32_t>(value, to);
    case ElementKind::Int64:
      return store_as<int64_t>(value, to);
    case ElementKind::Bool:
      *to = std::byte{value != 0};
  }
}

bool fits(ElementKind kind, double value) {
  switch (kind) {
    case ElementKind::Float32:
      return std::abs(value) <= std::numeric_limits<float>::max();
    case ElementKind::Float64:
      return std::isfinite(value);
    case ElementKind::Int32:
      return value == std::floor(value) && value >= -2147483648.0 && value <= 2147483647.0;
    case ElementKind::Int64:  // numbers are read as doubles
      return value == std::floor(value) && std::abs(value) <= 0x1p53;
    case ElementKind::Bool:
      return value == 0 || value == 1;
  }
  return false;
}

const char* expected(ElementKind kind) {
  switch (kind) {
    case ElementKind::Float32:
      return "a number that fits f32";
    case ElementKind::Float64:
      return "a finite number";
    case ElementKind::Int32:
      return "a whole number that fits i32";
    case ElementKind::Int64:
      return "a whole number of at most 2^53";
    case ElementKind::Bool:
      return "0 or 1";
  }
  return "";
}

}  // namespace

void InputArray::append(const InputArray& more) {
  for (const Part& part : more.parts) {
    parts.push_back({rows + part.row, static_cast<int64_t>(bytes.size()) + part.byte, part.step});
  }
  rows += more.rows;
  bytes.insert(bytes.end(), more.bytes.begin(), more.bytes.end());
}

const std::byte* InputArray::row(int64_t index) const {
  auto behind = std::upper_bound(parts.begin(), parts.end(), index,
                                 [](int64_t row, const Part& part) { return row < part.row; });
  const Part& part = *std::prev(behind);
  return bytes.data() + part.byte + (index - part.row) * part.step;
}

namespace {

/// By how many numbers a row begins behind the one before it.
int64_t step_of(const DataExpression& expression) {
  return expression.bare_source() ? expression.bare_source()->row_step() : expression.width();
}

}  // namespace

int64_t input_bytes(const DataExpression& expression, ElementKind kind) {
  const int64_t elements = (expression.rows() - 1) * step_of(expression) + expression.width();
  return elements * static_cast<int64_t>(element_bytes(kind));
}

InputArray evaluate_input(const std::string& name, const DataExpression& expression,
                          const Fitted& fitted, ElementKind kind) {
  int64_t width = expression.width();
  int64_t step = step_of(expression);
  auto size = static_cast<int64_t>(element_bytes(kind));
  InputArray array;
  array.kind = kind;
  array.rows = expression.rows();
  array.row_bytes = width * size;
  array.parts = {{0, 0, step * size}};
  int64_t elements = (array.rows - 1) * step + width;
  array.bytes.resize(static_cast<size_t>(elements * size));
  std::vector<double> values;
  // Of rows that overlap, the last that leaves no gap: each number is read about once.
  for (int64_t filled = 0; filled < elements;) {
    int64_t row = std::min(filled / step, array.rows - 1);
    expression.apply(row, fitted, values);
    std::byte* to = array.bytes.data() + row * step * size;
    for (size_t i = 0; i < values.size(); ++i, to += size) {
      if (!fits(kind, values[i])) {
        throw FileError(FileProblem::Value,
                        fmt::format("{}: input `{}` gives {}, expected {}",
                                    expression.place(row, static_cast<int64_t>(i)), name, values[i],
                                    expected(kind)));
      }
      store(kind, values[i], to);
    }
    filled = row * step + width;
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
    std::memcpy(to.data() + i * width, array.row(rows[i]), width);
  }
}

}  // namespace gradus::runtime
