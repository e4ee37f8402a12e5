// Expressions of the data block: sources, numbers, arithmetic, and what is fitted on the training
// part.
//
// Evaluation is in double, row by row; two passes: fit() looks at training rows alone, apply() at
// any.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/data/bounded.h"
#include "runtime/data/rows.h"
#include "runtime/data/source.h"

namespace gradus::runtime {

/// Constants fitted on the training part, by the place of their expression ("x/0/1": operand 1 of
/// operand 0 of the input x). Saved with the weights.
struct Fitted {
  std::map<std::string, std::vector<double>> numbers;
  std::map<std::string, std::vector<std::string>> categories;
  std::map<std::string, std::string> expressions;  // the text of each, by whoever reads it from a file
  std::map<int64_t, std::string> columns;  // the names of columns that are taken by position
};

struct DataNode {
  enum class Kind {
    Number,
    Source,
    Add,
    Sub,
    Mul,
    Div,
    Neg,
    Log,
    Standardize,
    MinMax,
    FillMissing,
    Category
  };
  Kind kind = Kind::Number;
  double number = 0;  // Number; FillMissing: the value where `strategy` is empty
  std::shared_ptr<const RowSource> source;  // Source
  std::vector<DataNode> operands;
  std::string strategy;           // FillMissing: median, mean, or empty
  std::optional<double> unknown;  // Category: what an unseen value becomes
};

class DataExpression {
 public:
  /// `input` is for messages and for the places of fitted constants.
  DataExpression(std::string input, DataNode root);

  int64_t rows() const { return rows_; }
  std::vector<int64_t> row_sizes() const;
  int64_t width() const { return width_; }
  /// The source where the expression is nothing else.
  const RowSource* bare_source() const { return root_.source.get(); }

  /// Fits on these rows, in the order of the tree. Throws FileError.
  void fit(const Rows& training_rows, Fitted& fitted) const;
  /// One row of the value. A value that is still missing is an error with its place.
  void apply(int64_t row, const Fitted& fitted, std::vector<double>& to) const;
  /// Where an element of a row comes from, for messages.
  std::string place(int64_t row, int64_t element) const;

 private:
  void fit_node(const DataNode& node, const std::string& path, const Rows& rows,
                Fitted& fitted) const;
  /// The node's value in a row: as doubles, or as doubles with bounds on their rounding errors.
  template <typename T>
  void value(const DataNode& node, const std::string& path, int64_t row, const Fitted& fitted,
             std::vector<T>& to) const;
  void fit_category(const RowSource& source, const Rows& rows, std::vector<std::string>& out) const;
  void fit_columns(const DataNode& node, const std::string& path, const Rows& rows,
                   Fitted& fitted) const;
  template <typename T, typename Take>
  void each_value(const DataNode& node, const std::string& path, const Rows& rows,
                  const Fitted& fitted, Take take) const;
  double category_of(const DataNode& node, const std::string& path, int64_t row,
                     const Fitted& fitted) const;
  template <typename T>
  const std::vector<T>& constants(const std::map<std::string, std::vector<T>>& all,
                                  const std::string& path) const;
  template <typename T>
  void apply_fitted(const DataNode& node, const std::vector<double>& numbers,
                    std::vector<T>& to) const;
  const RowSource* missing_source(const DataNode& node, int64_t row, int64_t element) const;
  const RowSource* widest_source(const DataNode& node) const;
  [[noreturn]] void explain(int64_t row, int64_t element, double found) const;
  int64_t node_width(const DataNode& node) const;
  int64_t node_columns(const DataNode& node) const;
  void check_order(const DataNode& node) const;
  int64_t node_rows(const DataNode& node) const;
  const RowSource* first_source(const DataNode& node) const;

  std::string input_;
  DataNode root_;
  int64_t rows_ = 0;
  int64_t width_ = 1;
};

}  // namespace gradus::runtime
