// CSV. The text is kept and rows are split when they are read: a table costs its file and half a
// byte for each of its own, nothing more.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>

#include "runtime/data/source.h"
#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMaxColumns = size_t{1} << 18;

std::string_view trimmed(std::string_view cell) {
  while (!cell.empty() && (cell.front() == ' ' || cell.front() == '\t')) cell.remove_prefix(1);
  while (!cell.empty() && (cell.back() == ' ' || cell.back() == '\t')) cell.remove_suffix(1);
  return cell;
}

bool is_missing(std::string_view cell) {
  return cell.empty() || cell == "NA" || cell == "NaN" || cell == "nan";
}

/// The number of a cell, NaN where it is missing; false where it is neither.
bool parse_cell(std::string_view cell, double& value) {
  cell = trimmed(cell);
  if (is_missing(cell)) {
    value = kMissing;
    return true;
  }
  if (cell.size() > 1 && cell[0] == '+' && cell[1] != '-') cell.remove_prefix(1);
  const char* last = cell.data() + cell.size();
  auto [end, error] = std::from_chars(cell.data(), last, value);
  if (error == std::errc::result_out_of_range) {
    value = std::strtod(std::string(cell).c_str(), nullptr);  // zero or infinity
  } else if (error != std::errc()) {
    return false;
  }
  return end == last && value == value;
}

/// Reads rows one after the other.
class RowReader {
 public:
  RowReader(const Bytes& bytes, size_t at) : bytes_(bytes), at_(at) {}

  size_t at() const { return at_; }
  bool at_end() const { return at_ >= bytes_.size(); }

  /// Splits the row at the cursor and moves behind its newline. False where a quote stays open or
  /// the cells are too many.
  bool split(std::vector<std::string>& cells) {
    size_t count = 0;
    do {
      if (count == kMaxColumns) return false;
      if (cells.size() == count) cells.emplace_back();
      if (!cell(cells[count++])) return false;
    } while (!row_ended_);
    cells.resize(count);
    return true;
  }

  /// Moves behind lines of blanks alone.
  void skip_blank_lines() {
    size_t look = at_;
    while (look < bytes_.size()) {
      uint8_t c = bytes_[look++];
      if (c == '\n') at_ = look;
      if (c != '\n' && c != ' ' && c != '\t' && c != '\r') return;
    }
    at_ = look;
  }

 private:
  bool cell(std::string& to) {
    to.clear();
    row_ended_ = true;
    bool quoted = false;
    for (; at_ < bytes_.size(); ++at_) {
      char c = static_cast<char>(bytes_[at_]);
      if (quoted) {
        bool doubled = c == '"' && at_ + 1 < bytes_.size() && bytes_[at_ + 1] == '"';
        if (c == '"' && !doubled) {
          quoted = false;
        } else {
          to += c;
        }
        if (doubled) ++at_;
      } else if (c == '"' && to.empty()) {
        quoted = true;
      } else if (c == ',' || c == '\n') {
        row_ended_ = c == '\n';
        ++at_;
        return true;
      } else if (c != '\r' || !ends_row(at_ + 1)) {
        to += c;
      }
    }
    return !quoted;
  }

  bool ends_row(size_t at) const { return at == bytes_.size() || bytes_[at] == '\n'; }

  const Bytes& bytes_;
  size_t at_;
  bool row_ended_ = false;
};

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
      if (!parse_cell(cell, to[i])) {
        throw FileError(FileProblem::Value, 
            fmt::format("{}: `{}` is no number", place(row, static_cast<int64_t>(i)), cell));
      }
    }
  }
  bool has_text() const override { return columns_.size() == 1; }
  std::string text(int64_t row) const override {
    std::string_view cell = trimmed(table_->cells(row)[static_cast<size_t>(columns_[0])]);
    return is_missing(cell) ? "" : std::string(cell);
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
  std::shared_ptr<const CsvTable> table_;
  std::vector<int64_t> columns_;
  bool single_;
};

}  // namespace

std::string RowSource::text(int64_t row) const {
  throw FileError(FileProblem::Table, fmt::format("{}: there is no text here", place(row, 0)));
}

int64_t RowSource::width() const {
  int64_t product = 1;
  for (int64_t size : row_sizes()) product *= size;
  return product;
}

CsvTable::CsvTable(Bytes bytes, std::string name)
    : bytes_(std::move(bytes)), name_(std::move(name)) {
  index_rows();
}

void CsvTable::index_rows() {
  bool has_mark = bytes_.size() >= 3 && bytes_[0] == 0xEF && bytes_[1] == 0xBB && bytes_[2] == 0xBF;
  RowReader reader(bytes_, has_mark ? 3 : 0);
  std::vector<std::string> cells;
  for (reader.skip_blank_lines(); !reader.at_end(); reader.skip_blank_lines()) {
    size_t begin = reader.at();
    if (!reader.split(cells)) {
      const char* problem =
          cells.size() == kMaxColumns ? "more than 262144 cells" : "a quote is not closed";
      throw FileError(FileProblem::Table, fmt::format("{}: line {}: {}", name_, line_at(begin), problem));
    }
    if (columns_ == 0) {
      columns_ = static_cast<int64_t>(cells.size());
      take_header(cells);
      if (!header_.empty()) continue;
    }
    if (static_cast<int64_t>(cells.size()) != columns_) {
      throw FileError(FileProblem::Table, fmt::format("{}: line {}: {} cells, expected {}", name_, line_at(begin),
                                  cells.size(), columns_));
    }
    if (rows_++ % kRowsPerMark == 0) marks_.push_back(begin);
  }
  if (rows_ == 0) throw FileError(FileProblem::Table, fmt::format("{}: no rows", name_));
}

void CsvTable::take_header(std::vector<std::string> cells) {
  double unused = 0;
  bool numbers = std::all_of(cells.begin(), cells.end(),
                             [&](const std::string& cell) { return parse_cell(cell, unused); });
  if (numbers) return;
  for (std::string& cell : cells) cell = trimmed(cell);
  header_ = std::move(cells);
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
                   on_the_way ? after_cells_ : marks_[static_cast<size_t>(row / kRowsPerMark)]);
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
  RowReader reader(bytes_, begin_of(row));
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
