// The inputs of a model in memory: per input one array with a row per sample, ready to be copied
// into steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/data/expression.h"

namespace gradus::runtime {

enum class ElementKind { Float32, Float64, Int32, Int64, Bool };

/// Rows that overlap in their source overlap here too: a text is in memory once, whatever its
/// windows.
struct InputArray {
  ElementKind kind = ElementKind::Float32;
  int64_t row_bytes = 0;
  int64_t rows = 0;
  std::vector<std::byte> bytes;
  /// Sources one after the other: the first row, the byte where it begins, bytes from row to row.
  struct Part {
    int64_t row = 0, byte = 0, step = 0;
  };
  std::vector<Part> parts;

  void append(const InputArray& more);
  const std::byte* row(int64_t index) const;
};

/// What evaluate_input takes for it.
int64_t input_bytes(const DataExpression& expression, ElementKind kind);
/// Evaluates `expression` on all its rows. Integers have to come out whole and fit; else FileError.
InputArray evaluate_input(const std::string& name, const DataExpression& expression,
                          const Fitted& fitted, ElementKind kind);

class Dataset {
 public:
  void add(const std::string& input, InputArray array) { arrays_[input] = std::move(array); }
  const std::map<std::string, InputArray>& arrays() const { return arrays_; }
  int64_t rows() const { return arrays_.empty() ? 0 : arrays_.begin()->second.rows; }
  int64_t bytes() const;
  /// Copies the rows with these numbers, one after the other.
  void gather(const std::string& input, std::span<const int64_t> rows,
              std::span<std::byte> to) const;

 private:
  std::map<std::string, InputArray> arrays_;
};

}  // namespace gradus::runtime
