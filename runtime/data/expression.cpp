// A tree walk per row: a vector of doubles per node, single numbers repeat.
#include "runtime/data/expression.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <set>
#include <tuple>

#include "runtime/data/column_fit.h"
#include "runtime/data/utf8.h"
#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

using Kind = DataNode::Kind;
using Row = std::vector<double>;

std::string child(const std::string& path, size_t i) { return fmt::format("{}/{}", path, i); }

bool is_fitted(Kind kind) {
  return kind == Kind::Standardize || kind == Kind::MinMax || kind == Kind::FillMissing;
}

template <typename T, typename F>
void combine(std::vector<T>& left, const std::vector<T>& right, F f) {
  if (left.size() == 1 && right.size() > 1) left.resize(right.size(), left[0]);
  if (right.size() == 1) {
    for (T& value : left) value = f(value, right[0]);
  } else {
    for (size_t i = 0; i < left.size(); ++i) left[i] = f(left[i], right[i]);
  }
}

void set(double& to, double value, double) { to = value; }
void set(Bounded& to, double value, double error) { to = {value, error}; }
double plain(double x) { return x; }
double plain(Bounded x) { return x.value; }

void read_source(const RowSource& source, int64_t row, Row& to) {
  to.resize(static_cast<size_t>(source.width()));
  source.read(row, to.data());
}
void read_source(const RowSource& source, int64_t row, std::vector<Bounded>& to) {
  Row cells;
  read_source(source, row, cells);
  to.resize(cells.size());
  for (size_t i = 0; i < cells.size(); ++i)
    to[i] = {cells[i], std::abs(cells[i]) * source.rounding()};
}

/// Numbers come before words, by value; equal values and words by their text.
auto category_rank(const std::string& text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  bool number = error == std::errc() && end == text.data() + text.size() && value == value;
  return std::make_tuple(!number, number ? value : 0, text);
}

struct CategoryOrder {
  bool operator()(const std::string& a, const std::string& b) const {
    return category_rank(a) < category_rank(b);
  }
};

bool is_utf8(std::string_view text) {
  std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  for (size_t at = 0; at < bytes.size();) {
    if (!next_code_point(bytes, at)) return false;
  }
  return true;
}

}  // namespace

DataExpression::DataExpression(std::string input, DataNode root)
    : input_(std::move(input)), root_(std::move(root)) {
  rows_ = node_rows(root_);
  if (rows_ == 0)
    throw FileError(FileProblem::Value, fmt::format("input `{}`: numbers alone, expected a source", input_));
  width_ = node_width(root_);
  if (width_ > 1) check_order(root_);
}

const RowSource* DataExpression::first_source(const DataNode& node) const {
  if (node.source) return node.source.get();
  for (const DataNode& operand : node.operands) {
    if (const RowSource* source = first_source(operand)) return source;
  }
  return nullptr;
}

const RowSource* DataExpression::widest_source(const DataNode& node) const {
  if (node.source && node.source->width() == width_) return node.source.get();
  for (const DataNode& operand : node.operands) {
    if (const RowSource* source = widest_source(operand)) return source;
  }
  return nullptr;
}

std::vector<int64_t> DataExpression::row_sizes() const {
  const RowSource* source = widest_source(root_);
  return source ? source->row_sizes() : std::vector<int64_t>{};
}

std::string DataExpression::place(int64_t row, int64_t element) const {
  const RowSource* source = widest_source(root_);
  return source ? source->place(row, element) : fmt::format("input `{}`: row {}", input_, row + 1);
}

int64_t DataExpression::node_rows(const DataNode& node) const {
  if (node.source) return node.source->rows();
  int64_t rows = 0;
  for (const DataNode& operand : node.operands) {
    int64_t more = node_rows(operand);
    if (rows != 0 && more != 0 && rows != more) {
      throw FileError(FileProblem::Value, 
          fmt::format("input `{}`: its sources have {} and {} rows", input_, rows, more));
    }
    rows = std::max(rows, more);
  }
  return rows;
}

/// The columns of a node's numbers: of all its sources' at once.
int64_t DataExpression::node_columns(const DataNode& node) const {
  if (node.source) return node.source->columns();
  int64_t columns = 1;
  for (const DataNode& operand : node.operands) columns = std::lcm(columns, node_columns(operand));
  return columns;
}

/// Sources that meet number by number have their numbers in one order.
void DataExpression::check_order(const DataNode& node) const {
  for (const DataNode& operand : node.operands) {
    check_order(operand);
    const RowSource *first = widest_source(node.operands[0]), *other = widest_source(operand);
    if (!first || !other || same_order(first->row_sizes(), other->row_sizes())) continue;
    throw FileError(
        FileProblem::Value,
        fmt::format("input `{}`: its sources have rows of [{}] and [{}], whose numbers stand in "
                    "another order",
                    input_, fmt::join(first->row_sizes(), ", "),
                    fmt::join(other->row_sizes(), ", ")));
  }
}

int64_t DataExpression::node_width(const DataNode& node) const {
  if (node.source) return node.source->width();
  int64_t width = 1;
  for (const DataNode& operand : node.operands) {
    int64_t more = node_width(operand);
    if (width != 1 && more != 1 && width != more) {
      throw FileError(FileProblem::Value, 
          fmt::format("input `{}`: its sources have {} and {} numbers a row", input_, width, more));
    }
    width = std::max(width, more);
  }
  if (node.kind == Kind::Category) {
    bool one_column =
        node.operands.size() == 1 && node.operands[0].source && node.operands[0].source->has_text();
    if (!one_column) {
      throw FileError(FileProblem::Value, 
          fmt::format("input `{}`: `category` takes one column of a table, as it stands", input_));
    }
  }
  return width;
}

void DataExpression::fit(const Rows& training_rows, Fitted& fitted) const {
  fit_node(root_, input_, training_rows, fitted);
}

void DataExpression::fit_node(const DataNode& node, const std::string& path, const Rows& rows,
                              Fitted& fitted) const {
  if (node.kind == Kind::Category) {
    fit_category(*node.operands[0].source, rows, fitted.categories[path]);
    return;
  }
  for (size_t i = 0; i < node.operands.size(); ++i) {
    fit_node(node.operands[i], child(path, i), rows, fitted);
  }
  if (is_fitted(node.kind)) fit_columns(node, path, rows, fitted);
}

void DataExpression::fit_category(const RowSource& source, const Rows& rows,
                                  std::vector<std::string>& out) const {
  std::set<std::string> seen;
  for (size_t r = 0; r < rows.size(); ++r) {
    const int64_t row = rows[r];
    std::string text = source.text(row);
    if (text.empty()) continue;
    if (!is_utf8(text)) {
      throw FileError(FileProblem::Value, fmt::format("{}: its text is not UTF-8", source.place(row, 0)));
    }
    seen.insert(std::move(text));
  }
  if (seen.empty()) {
    throw FileError(FileProblem::Value, fmt::format("input `{}`: a column without a value to fit on", input_));
  }
  out.assign(seen.begin(), seen.end());
  std::sort(out.begin(), out.end(), CategoryOrder());
}

/// `take(place in the row, number)` for all that is not missing.
template <typename T, typename Take>
void DataExpression::each_value(const DataNode& node, const std::string& path, const Rows& rows,
                                const Fitted& fitted, Take take) const {
  std::vector<T> values;
  for (size_t r = 0; r < rows.size(); ++r) {
    const int64_t row = rows[r];
    value(node, path, row, fitted, values);
    for (size_t i = 0; i < values.size(); ++i) {
      double number = plain(values[i]);
      if (std::isinf(number)) explain(row, static_cast<int64_t>(i), number);
      if (!std::isnan(number)) take(i, values[i]);
    }
  }
}

void DataExpression::fit_columns(const DataNode& node, const std::string& path, const Rows& rows,
                                 Fitted& fitted) const {
  const DataNode& operand = node.operands[0];
  std::vector<double>& out = fitted.numbers[path];
  if (node.kind == Kind::FillMissing && node.strategy.empty()) {
    out.assign(static_cast<size_t>(node_columns(operand)), node.number);
    return;
  }
  const std::string below = child(path, 0);
  std::vector<ColumnFit> columns(static_cast<size_t>(node_columns(operand)));
  if (node.kind == Kind::FillMissing) {
    bool keep = node.strategy == "median";
    each_value<double>(operand, below, rows, fitted, [&](size_t i, double x) {
      columns[i % columns.size()].add({x, 0}, keep);
    });
  } else {
    each_value<Bounded>(operand, below, rows, fitted,
                        [&](size_t i, Bounded x) { columns[i % columns.size()].add(x, false); });
  }
  for (const ColumnFit& column : columns) column.check(input_);
  if (node.kind == Kind::Standardize) {
    each_value<double>(operand, below, rows, fitted,
                       [&](size_t i, double x) { columns[i % columns.size()].add_square(x); });
  }
  out.clear();
  for (ColumnFit& column : columns) {
    if (node.kind == Kind::Standardize) {
      out.insert(out.end(), {column.mean(), column.deviation()});
    } else if (node.kind == Kind::MinMax) {
      out.insert(out.end(), {column.least(), column.span()});
    } else {
      out.push_back(node.strategy == "median" ? column.median() : column.mean());
    }
  }
}

double DataExpression::category_of(const DataNode& node, const std::string& path, int64_t row,
                                   const Fitted& fitted) const {
  const RowSource& source = *node.operands[0].source;
  const std::vector<std::string>& seen = constants(fitted.categories, path);
  std::string text = source.text(row);
  auto found = std::lower_bound(seen.begin(), seen.end(), text, CategoryOrder());
  if (found != seen.end() && *found == text) return static_cast<double>(found - seen.begin());
  if (node.unknown) return *node.unknown;
  if (text.empty()) {
    throw FileError(FileProblem::Value, 
        fmt::format("{}: a missing value; `unknown:` gives it a number", source.place(row, 0)));
  }
  throw FileError(FileProblem::Value, 
      fmt::format("{}: `{}` is a category that training did not see; `unknown:` gives it a number",
                  source.place(row, 0), text));
}

template <typename T>
const std::vector<T>& DataExpression::constants(const std::map<std::string, std::vector<T>>& all,
                                                const std::string& path) const {
  auto found = all.find(path);
  if (found == all.end()) {
    throw FileError(FileProblem::Value, 
        fmt::format("input `{}`: nothing is saved that was fitted for it as it is prepared here; the "
                    "weights are of another preparation", input_));
  }
  return found->second;
}

template <typename T>
void DataExpression::value(const DataNode& node, const std::string& path, int64_t row,
                           const Fitted& fitted, std::vector<T>& to) const {
  if (node.kind == Kind::Number) {
    to.resize(1);
    set(to[0], node.number, 0);
  } else if (node.kind == Kind::Source) {
    read_source(*node.source, row, to);
  } else if (node.kind == Kind::Category) {
    to.resize(1);
    set(to[0], category_of(node, path, row, fitted), 0);
  } else {
    value(node.operands[0], child(path, 0), row, fitted, to);
    if (node.operands.size() == 2) {
      std::vector<T> right;
      value(node.operands[1], child(path, 1), row, fitted, right);
      if (node.kind == Kind::Add) combine(to, right, std::plus<>());
      if (node.kind == Kind::Sub) combine(to, right, std::minus<>());
      if (node.kind == Kind::Mul) combine(to, right, std::multiplies<>());
      if (node.kind == Kind::Div) combine(to, right, std::divides<>());
    } else if (node.kind == Kind::Neg) {
      for (T& v : to) v = -v;
    } else if (node.kind == Kind::Log) {
      using std::log;
      for (T& v : to) v = log(v);
    } else {
      apply_fitted(node, constants(fitted.numbers, path), to);
    }
  }
}

template <typename T>
void DataExpression::apply_fitted(const DataNode& node, const std::vector<double>& numbers,
                                  std::vector<T>& to) const {
  const size_t each = node.kind == Kind::FillMissing ? 1 : 2;
  const size_t columns = numbers.size() / each;
  // Once for each column, or (older weights) for each number of a row.
  bool fits = numbers.size() % each == 0 &&
              (columns == to.size() || columns == static_cast<size_t>(node_columns(node)));
  if (!fits) {
    throw FileError(FileProblem::Value,
                    fmt::format("input `{}`: {} fitted constants for {} columns", input_,
                                numbers.size(), node_columns(node)));
  }
  for (size_t i = 0; i < to.size(); ++i) {
    size_t column = i % columns;
    T first{}, second{};
    set(first, numbers[column * each], 0);
    set(second, numbers[column * each + each - 1], 0);
    if (each == 2) {
      to[i] = (to[i] - first) / second;
    } else if (std::isnan(plain(to[i]))) {
      to[i] = first;
    }
  }
}

void DataExpression::apply(int64_t row, const Fitted& fitted, Row& to) const {
  value(root_, input_, row, fitted, to);
  for (size_t i = 0; i < to.size(); ++i) {
    if (!std::isfinite(to[i])) explain(row, static_cast<int64_t>(i), to[i]);
  }
}

/// Whether a source that makes element `element` of the value is missing in this row.
const RowSource* DataExpression::missing_source(const DataNode& node, int64_t row,
                                                int64_t element) const {
  if (node.kind == Kind::FillMissing || node.kind == Kind::Category) return nullptr;
  if (node.source) {
    Row cells(static_cast<size_t>(node.source->width()));
    node.source->read(row, cells.data());
    auto at = std::min(static_cast<size_t>(element), cells.size() - 1);
    return std::isnan(cells[at]) ? node.source.get() : nullptr;
  }
  for (const DataNode& operand : node.operands) {
    if (const RowSource* source = missing_source(operand, row, element)) return source;
  }
  return nullptr;
}

void DataExpression::explain(int64_t row, int64_t element, double found) const {
  if (const RowSource* source = missing_source(root_, row, element)) {
    throw FileError(FileProblem::Value, fmt::format("{}: a missing value in input `{}`; `fill_missing` gives it one",
                                source->place(row, std::min(element, source->width() - 1)),
                                input_));
  }
  throw FileError(FileProblem::Value, fmt::format("{}: the expression of input `{}` gives {}, expected a finite number",
                              place(row, element), input_,
                              std::isnan(found) ? "no number (NaN)"
                              : found > 0       ? "infinity"
                                                : "-infinity"));
}

}  // namespace gradus::runtime
