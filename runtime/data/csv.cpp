// CSV. The text is kept and rows are split when they are read: a table costs its file and nothing more.
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "runtime/data/source.h"
#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

std::string_view trimmed(std::string_view cell) {
  while (!cell.empty() && (cell.front() == ' ' || cell.front() == '\t')) cell.remove_prefix(1);
  while (!cell.empty() && (cell.back() == ' ' || cell.back() == '\t')) cell.remove_suffix(1);
  return cell;
}

bool is_missing(std::string_view cell) { return cell.empty() || cell == "NA" || cell == "NaN" || cell == "nan"; }

/// The number of a cell, NaN where it is missing; nothing where it is neither.
bool parse_cell(std::string_view cell, double& value) {
  cell = trimmed(cell);
  if (is_missing(cell)) {
    value = kMissing;
    return true;
  }
  if (cell.front() == '+') cell.remove_prefix(1);
  auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return error == std::errc() && end == cell.data() + cell.size();
}

/// Reads the cells of one row from `at`; leaves `at` behind its newline. False where a quote stays open.
bool split_row(const Bytes& bytes, size_t& at, int64_t& lines, std::vector<std::string>& cells) {
  cells.clear();
  std::string cell;
  bool quoted = false;
  for (; at < bytes.size(); ++at) {
    char c = static_cast<char>(bytes[at]);
    if (c == '\n') ++lines;
    if (quoted) {
      bool doubled = c == '"' && at + 1 < bytes.size() && bytes[at + 1] == '"';
      if (c == '"' && !doubled) quoted = false;
      else cell += c;
      if (doubled) ++at;
    } else if (c == '"' && cell.empty()) {
      quoted = true;
    } else if (c == ',') {
      cells.push_back(std::move(cell));
      cell.clear();
    } else if (c == '\n') {
      ++at;
      break;
    } else if (c != '\r') {
      cell += c;
    }
  }
  cells.push_back(std::move(cell));
  return !quoted;
}

class Columns : public RowSource {
 public:
  Columns(std::shared_ptr<const CsvTable> table, std::vector<int64_t> columns, bool single)
      : table_(std::move(table)), columns_(std::move(columns)), single_(single) {}

  int64_t rows() const override { return table_->rows(); }
  std::vector<int64_t> row_sizes() const override {
    if (single_) return {};
    return {static_cast<int64_t>(columns_.size())};
  }
  void read(int64_t row, double* to) const override {
    std::vector<std::string> cells = table_->cells(row);
    for (size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cells[static_cast<size_t>(columns_[i])];
      if (!parse_cell(cell, to[i])) {
        throw FileError(fmt::format("{}: `{}` is no number", place(row, static_cast<int64_t>(i)), cell));
      }
    }
  }
  std::string text(int64_t row) const override {
    return std::string(trimmed(table_->cells(row)[static_cast<size_t>(columns_[0])]));
  }
  std::string place(int64_t row, int64_t element) const override {
    int64_t column = columns_[static_cast<size_t>(element)];
    std::string name = table_->header().empty() ? std::to_string(column) : table_->header()[static_cast<size_t>(column)];
    return fmt::format("{}: line {}, column `{}`", table_->name(), table_->line(row), name);
  }

 private:
  std::shared_ptr<const CsvTable> table_;
  std::vector<int64_t> columns_;
  bool single_;
};

}  // namespace

std::string RowSource::text(int64_t row) const {
  throw FileError(fmt::format("{}: there is no text here", place(row, 0)));
}

int64_t RowSource::width() const {
  int64_t product = 1;
  for (int64_t size : row_sizes()) product *= size;
  return product;
}

CsvTable::CsvTable(Bytes bytes, std::string name) : bytes_(std::move(bytes)), name_(std::move(name)) { index_rows(); }

void CsvTable::index_rows() {
  std::vector<std::string> cells;
  size_t at = bytes_.size() >= 3 && bytes_[0] == 0xEF && bytes_[1] == 0xBB && bytes_[2] == 0xBF ? 3 : 0;
  int64_t line = 1;
  bool first = true;
  while (at < bytes_.size()) {
    size_t begin = at;
    int64_t begin_line = line;
    if (!split_row(bytes_, at, line, cells)) throw FileError(fmt::format("{}: line {}: a quote is not closed", name_, begin_line));
    if (cells.size() == 1 && trimmed(cells[0]).empty()) continue;
    if (first) {
      columns_ = static_cast<int64_t>(cells.size());
      double unused = 0;
      for (const std::string& cell : cells) {
        if (!parse_cell(cell, unused)) header_ = cells;
      }
      first = false;
      if (!header_.empty()) continue;
    }
    if (static_cast<int64_t>(cells.size()) != columns_) {
      throw FileError(fmt::format("{}: line {}: {} cells, expected {}", name_, begin_line, cells.size(), columns_));
    }
    row_begin_.push_back(begin);
    line_.push_back(begin_line);
  }
  row_begin_.push_back(bytes_.size());
  if (rows() == 0) throw FileError(fmt::format("{}: no rows", name_));
}

std::vector<std::string> CsvTable::cells(int64_t row) const {
  std::vector<std::string> cells;
  size_t at = row_begin_[static_cast<size_t>(row)];
  int64_t lines = 0;
  split_row(bytes_, at, lines, cells);
  return cells;
}

int64_t CsvTable::find(std::string_view column) const {
  for (size_t i = 0; i < header_.size(); ++i) {
    if (trimmed(header_[i]) == column) return static_cast<int64_t>(i);
  }
  return -1;
}

std::unique_ptr<RowSource> make_columns(std::shared_ptr<const CsvTable> table, std::vector<int64_t> columns, bool single) {
  return std::make_unique<Columns>(std::move(table), std::move(columns), single);
}

}  // namespace gradus::runtime
