// A tree walk per row: a vector of doubles per node, single numbers repeat.
#include "runtime/data/expression.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

using Kind = DataNode::Kind;
using Row = std::vector<double>;

std::string child(const std::string& path, size_t i) { return fmt::format("{}/{}", path, i); }

bool is_fitted(Kind kind) {
  return kind == Kind::Standardize || kind == Kind::MinMax || kind == Kind::FillMissing || kind == Kind::Category;
}

void combine(Row& left, const Row& right, const std::function<double(double, double)>& f) {
  if (left.size() == 1 && right.size() > 1) left.resize(right.size(), left[0]);
  for (size_t i = 0; i < left.size(); ++i) left[i] = f(left[i], right[right.size() == 1 ? 0 : i]);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

DataExpression::DataExpression(std::string input, DataNode root) : input_(std::move(input)), root_(std::move(root)) {
  rows_ = node_rows(root_);
  width_ = node_width(root_);
}

const RowSource* DataExpression::first_source(const DataNode& node) const {
  if (node.source) return node.source.get();
  for (const DataNode& operand : node.operands) {
    if (const RowSource* source = first_source(operand)) return source;
  }
  return nullptr;
}

std::vector<int64_t> DataExpression::row_sizes() const {
  std::function<const RowSource*(const DataNode&)> widest = [&](const DataNode& node) -> const RowSource* {
    if (node.source && node.source->width() == width_) return node.source.get();
    for (const DataNode& operand : node.operands) {
      if (const RowSource* source = widest(operand)) return source;
    }
    return nullptr;
  };
  const RowSource* source = widest(root_);
  return source ? source->row_sizes() : std::vector<int64_t>{};
}

int64_t DataExpression::node_rows(const DataNode& node) const {
  if (node.source) return node.source->rows();
  int64_t rows = 0;
  for (const DataNode& operand : node.operands) {
    int64_t more = node_rows(operand);
    if (rows != 0 && more != 0 && rows != more) {
      throw FileError(fmt::format("input `{}`: its sources have {} and {} rows", input_, rows, more));
    }
    rows = std::max(rows, more);
  }
  return rows;
}

int64_t DataExpression::node_width(const DataNode& node) const {
  if (node.source) return node.source->width();
  int64_t width = 1;
  for (const DataNode& operand : node.operands) {
    int64_t more = node_width(operand);
    if (width != 1 && more != 1 && width != more) {
      throw FileError(fmt::format("input `{}`: its sources have {} and {} numbers a row", input_, width, more));
    }
    width = std::max(width, more);
  }
  if (node.kind == Kind::Category && width != 1) {
    throw FileError(fmt::format("input `{}`: `category` takes one column, found {}", input_, width));
  }
  return width;
}

void DataExpression::fit(const std::vector<int64_t>& training_rows, Fitted& fitted) const {
  fit_node(root_, input_, training_rows, fitted);
}

void DataExpression::fit_node(const DataNode& node, const std::string& path, const std::vector<int64_t>& rows,
                              Fitted& fitted) const {
  if (node.kind == Kind::Category) {
    const RowSource* source = first_source(node);
    std::set<std::string> seen;
    for (int64_t row : rows) seen.insert(source->text(row));
    fitted.categories[path] = {seen.begin(), seen.end()};
    return;
  }
  for (size_t i = 0; i < node.operands.size(); ++i) fit_node(node.operands[i], child(path, i), rows, fitted);
  if (!is_fitted(node.kind)) return;
  auto width = static_cast<size_t>(node_width(node));
  std::vector<std::vector<double>> columns(width);
  Row row_value;
  for (int64_t row : rows) {
    value(node.operands[0], child(path, 0), row, fitted, row_value);
    for (size_t i = 0; i < width; ++i) {
      if (!std::isnan(row_value[i])) columns[i].push_back(row_value[i]);
    }
  }
  std::vector<double>& out = fitted.numbers[path];
  out.clear();
  for (const std::vector<double>& column : columns) {
    if (column.empty()) throw FileError(fmt::format("input `{}`: a column without a value to fit on", input_));
    double count = static_cast<double>(column.size()), sum = 0, squares = 0;
    for (double v : column) sum += v;
    double mean = sum / count;
    for (double v : column) squares += (v - mean) * (v - mean);
    auto [least, most] = std::minmax_element(column.begin(), column.end());
    if (node.kind == Kind::Standardize) {
      double deviation = std::sqrt(squares / count);
      out.insert(out.end(), {mean, deviation > 0 ? deviation : 1});
    } else if (node.kind == Kind::MinMax) {
      out.insert(out.end(), {*least, *most > *least ? *most - *least : 1});
    } else {
      out.push_back(node.strategy == "median" ? median(column) : node.strategy == "mean" ? mean : node.number);
    }
  }
}

void DataExpression::value(const DataNode& node, const std::string& path, int64_t row, const Fitted& fitted,
                           Row& to) const {
  switch (node.kind) {
    case Kind::Number: to.assign(1, node.number); return;
    case Kind::Source:
      to.resize(static_cast<size_t>(node.source->width()));
      node.source->read(row, to.data());
      return;
    case Kind::Category: {
      const RowSource* source = first_source(node);
      const std::vector<std::string>& seen = fitted.categories.at(path);
      std::string text = source->text(row);
      auto found = std::lower_bound(seen.begin(), seen.end(), text);
      if (found != seen.end() && *found == text) {
        to.assign(1, static_cast<double>(found - seen.begin()));
      } else if (node.unknown) {
        to.assign(1, *node.unknown);
      } else {
        throw FileError(fmt::format("{}: `{}` is a category that training did not see; `unknown:` gives it a number",
                                    source->place(row, 0), text));
      }
      return;
    }
    default: break;
  }
  value(node.operands[0], child(path, 0), row, fitted, to);
  if (node.operands.size() == 2) {
    Row right;
    value(node.operands[1], child(path, 1), row, fitted, right);
    if (node.kind == Kind::Add) combine(to, right, std::plus<>());
    if (node.kind == Kind::Sub) combine(to, right, std::minus<>());
    if (node.kind == Kind::Mul) combine(to, right, std::multiplies<>());
    if (node.kind == Kind::Div) combine(to, right, std::divides<>());
    return;
  }
  if (node.kind == Kind::Neg) {
    for (double& v : to) v = -v;
  } else if (node.kind == Kind::Log) {
    for (double& v : to) v = std::log(v);
  }
  if (!is_fitted(node.kind)) return;
  const std::vector<double>& constants = fitted.numbers.at(path);
  for (size_t i = 0; i < to.size(); ++i) {
    if (node.kind == Kind::FillMissing) {
      if (std::isnan(to[i])) to[i] = constants[i];
    } else {
      to[i] = (to[i] - constants[2 * i]) / constants[2 * i + 1];
    }
  }
}

void DataExpression::apply(int64_t row, const Fitted& fitted, Row& to) const {
  value(root_, input_, row, fitted, to);
  for (size_t i = 0; i < to.size(); ++i) {
    if (std::isfinite(to[i])) continue;
    const RowSource* source = first_source(root_);
    std::string where = source ? source->place(row, std::min<int64_t>(static_cast<int64_t>(i), source->width() - 1)) : "a number";
    throw FileError(fmt::format("{}: {} for input `{}`", where,
                                std::isnan(to[i]) ? "a missing value; `fill_missing` gives it one,"
                                                  : "an infinite value,", input_));
  }
}

}  // namespace gradus::runtime
