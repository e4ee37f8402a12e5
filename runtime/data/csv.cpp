// CSV. The text is kept and rows are split when they are read: a table costs its file and half a
// byte for each of its own, nothing more.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/data/format.h"
#include "runtime/data/source.h"
#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

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
    const std::vector<std::string>& cells = table_->cells(row);
    for (size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cells[static_cast<size_t>(columns_[i])];
      if (!parse_cell(cell, table_->options(), to[i])) {
        throw FileError(FileProblem::Value,
                        fmt::format("{}: {} is no number{}", place(row, static_cast<int64_t>(i)),
                                    quoted_cell(cell), decimal_hint(cell)));
      }
    }
  }
  bool has_text() const override { return columns_.size() == 1; }
  std::string text(int64_t row) const override {
    std::string_view cell = trimmed(table_->cells(row)[static_cast<size_t>(columns_[0])]);
    return is_missing_word(cell, table_->options()) ? "" : std::string(cell);
  }
  std::string place(int64_t row, int64_t element) const override {
    int64_t column = columns_[static_cast<size_t>(element)];
    const std::vector<std::string>& header = table_->header();
    std::string name =
        header.empty() ? std::to_string(column) : header[static_cast<size_t>(column)];
    return fmt::format("{}: row {} (line {}), column `{}`", table_->name(), row + 1,
                       table_->line(row), name);
  }

 private:
  /// Where the cell is a number in the other way to write one.
  std::string decimal_hint(std::string_view cell) const {
    CsvOptions other;
    other.decimal = table_->options().decimal == '.' ? ',' : '.';
    double value = 0;
    if (!parse_cell(cell, other, value) || value != value) return "";
    return fmt::format("; `decimal: \"{}\"` reads it", other.decimal);
  }

  std::shared_ptr<const CsvTable> table_;
  std::vector<int64_t> columns_;
  bool single_;
};

}  // namespace

CsvTable::CsvTable(Bytes bytes, std::string name, CsvOptions options)
    : bytes_(std::move(bytes)), name_(std::move(name)), options_(std::move(options)) {
  check_text();
  bool has_mark = bytes_.size() >= 3 && bytes_[0] == 0xEF && bytes_[1] == 0xBB && bytes_[2] == 0xBF;
  first_ = has_mark ? 3 : 0;
  index_rows();
  remark_separator();
}

void CsvTable::fail(const std::string& problem) const {
  throw FileError(FileProblem::Table, fmt::format("{}: {}", name_, problem));
}

/// Bytes that no table is made of.
void CsvTable::check_text() const {
  if (bytes_.empty()) fail("no rows, it is an empty file");
  if (is_wide_text(bytes_)) fail(wide_text_problem());
  bool feeds = std::ranges::find(bytes_, '\n') != bytes_.end();
  bool returns = std::ranges::find(bytes_, '\r') < bytes_.end() - 1;
  if (!feeds && returns) {
    fail("its lines end in CR alone, expected LF or CRLF; `tr '\\r' '\\n'` converts it");
  }
  std::string format = describe_format(bytes_);
  if (!format.empty() && format != "text")
    fail(fmt::format("it looks like {}, expected CSV", format));
}

/// Guessed from the first row and some below it, where nobody says it.
bool CsvTable::has_header() {
  if (options_.header) return *options_.header;
  constexpr size_t kSample = 100;
  RowReader reader(bytes_, first_, options_.cell_end());
  std::vector<std::vector<std::string>> rows;
  for (reader.skip_blank_lines(); !reader.at_end() && rows.size() <= kSample;
       reader.skip_blank_lines()) {
    std::vector<std::string> cells;
    if (reader.split(cells) || (!rows.empty() && cells.size() != rows[0].size())) break;
    rows.push_back(std::move(cells));
  }
  if (rows.empty()) return false;
  std::vector<std::string> first = std::move(rows[0]);
  rows.erase(rows.begin());
  HeaderGuess guess = guess_header(first, rows, options_);
  if (!guess.sure) {
    remarks_.push_back(fmt::format(
        "{}: its first row, which begins with {}, is taken for {}; `header: {}` takes it for {}",
        name_, quoted_cell(trimmed(first[0])), guess.header ? "a header" : "data", !guess.header,
        guess.header ? "data" : "a header"));
  }
  return guess.header;
}

void CsvTable::index_rows() {
  bool header = has_header();
  RowReader reader(bytes_, first_, options_.cell_end());
  std::vector<std::string> cells;
  for (reader.skip_blank_lines(); !reader.at_end(); reader.skip_blank_lines()) {
    size_t begin = reader.at();
    if (const char* problem = reader.split(cells)) {
      fail(fmt::format("line {}: {}", line_at(begin), problem));
    }
    if (columns_ == 0) {
      columns_ = static_cast<int64_t>(cells.size());
      if (header) {
        for (const std::string& cell : cells) header_.emplace_back(trimmed(cell));
        continue;
      }
    }
    if (static_cast<int64_t>(cells.size()) != columns_) {
      fail(fmt::format("line {}: {} cells, expected {}", line_at(begin), cells.size(), columns_));
    }
    if (rows_++ % kRowsPerMark == 0) marks_.push_back(begin);
  }
  if (rows_ == 0)
    fail(header && !options_.header
             ? "no rows below its header; `header: false` takes its first row for data"
             : "no rows");
}

/// One column, in which another separator stands: then nothing else that was guessed matters.
void CsvTable::remark_separator() {
  if (columns_ != 1 || options_.separator) return;
  const std::string& cell = header_.empty() ? cells(0)[0] : header_[0];
  char found = cell.find(';') != cell.npos ? ';' : cell.find('\t') != cell.npos ? '\t' : 0;
  if (found == 0) return;
  remarks_.assign(
      1, fmt::format("{}: one column, in which {} stands; `separator: \"{}\"` parts it", name_,
                     found == ';' ? "`;`" : "a tab", found == ';' ? ";" : "tab"));
}

int64_t CsvTable::line_at(size_t byte) const {
  return 1 + std::count(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(byte), '\n');
}

int64_t CsvTable::line(int64_t row) const { return line_at(begin_of(row)); }

size_t CsvTable::begin_of(int64_t row) const {
  int64_t from = row / kRowsPerMark * kRowsPerMark;
  bool on_the_way = cells_row_ >= from && cells_row_ < row;
  if (on_the_way) from = cells_row_ + 1;
  RowReader reader(bytes_,
                   on_the_way ? after_cells_ : marks_[static_cast<size_t>(row / kRowsPerMark)],
                   options_.cell_end());
  reader.skip_blank_lines();
  std::vector<std::string> passed;
  for (; from < row; ++from) {
    reader.split(passed);
    reader.skip_blank_lines();
  }
  return reader.at();
}

const std::vector<std::string>& CsvTable::cells(int64_t row) const {
  if (row == cells_row_) return cells_;
  RowReader reader(bytes_, begin_of(row), options_.cell_end());
  reader.split(cells_);
  cells_row_ = row;
  after_cells_ = reader.at();
  return cells_;
}

int64_t CsvTable::find(std::string_view column) const {
  auto found = std::find(header_.begin(), header_.end(), column);
  return found == header_.end() ? -1 : found - header_.begin();
}

std::unique_ptr<RowSource> make_columns(std::shared_ptr<const CsvTable> table,
                                        std::vector<int64_t> columns, bool single) {
  return std::make_unique<Columns>(std::move(table), std::move(columns), single);
}

}  // namespace gradus::runtime
