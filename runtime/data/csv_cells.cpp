// A cell is kept as text until it is asked for as a number.
#include "runtime/data/csv_cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <set>

namespace gradus::runtime {

namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMaxColumns = size_t{1} << 18;
constexpr size_t kMaxCell = size_t{1} << 20;

bool is_one_of(std::string_view cell, const std::vector<std::string>& words) {
  return std::ranges::find(words, cell) != words.end();
}

/// In the digits of from_chars; false where the cell has a point and the table writes commas.
bool with_point(std::string& digits, const CsvOptions& options) {
  if (options.decimal == '.') return true;
  if (digits.find('.') != digits.npos) return false;
  std::ranges::replace(digits, options.decimal, '.');
  return true;
}

bool parse_number(std::string_view cell, double& value) {
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

/// Whole numbers, each above the one before it.
bool may_be_years(const std::vector<std::string>& cells) {
  int64_t before = -1;
  for (const std::string& padded : cells) {
    std::string_view cell = trimmed(padded);
    int64_t value = 0;
    auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc() || end != cell.data() + cell.size() || value <= before) return false;
    before = value;
  }
  return cells.size() > 1;
}

enum class CellKind { Missing, Number, Word };

CellKind kind_of(std::string_view cell, const CsvOptions& options) {
  double value = 0;
  if (!parse_cell(cell, options, value)) return CellKind::Word;
  return value == value ? CellKind::Number : CellKind::Missing;
}

}  // namespace

std::string_view trimmed(std::string_view cell) {
  while (!cell.empty() && (cell.front() == ' ' || cell.front() == '\t')) cell.remove_prefix(1);
  while (!cell.empty() && (cell.back() == ' ' || cell.back() == '\t')) cell.remove_suffix(1);
  return cell;
}

bool is_missing_number(std::string_view cell, const CsvOptions& options) {
  if (options.missing) return cell.empty() || is_one_of(cell, *options.missing);
  return cell.empty() || cell == "NA" || cell == "NaN" || cell == "nan";
}

bool is_missing_word(std::string_view cell, const CsvOptions& options) {
  return cell.empty() || (options.missing && is_one_of(cell, *options.missing));
}

bool parse_cell(std::string_view cell, const CsvOptions& options, double& value) {
  cell = trimmed(cell);
  if (is_missing_number(cell, options)) {
    value = kMissing;
    return true;
  }
  if (options.decimal == '.') return parse_number(cell, value);
  std::string digits(cell);
  return with_point(digits, options) && parse_number(digits, value);
}

std::string quoted_cell(std::string_view cell) {
  constexpr size_t kMost = 60, kEnd = 20;
  if (cell.size() <= kMost) return fmt::format("`{}`", cell);
  return fmt::format("`{}..{}`", cell.substr(0, kMost - kEnd), cell.substr(cell.size() - kEnd));
}

const char* RowReader::split(std::vector<std::string>& cells) {
  size_t count = 0;
  do {
    if (count == kMaxColumns) return "more than 262144 cells";
    if (cells.size() == count) cells.emplace_back();
    if (const char* problem = cell(cells[count++])) return problem;
  } while (!row_ended_);
  cells.resize(count);
  return nullptr;
}

void RowReader::skip_blank_lines() {
  size_t look = at_;
  while (look < bytes_.size()) {
    uint8_t c = bytes_[look++];
    if (c == '\n') at_ = look;
    if (c == separator_ || (c != '\n' && c != ' ' && c != '\t' && c != '\r')) return;
  }
  at_ = look;
}

const char* RowReader::cell(std::string& to) {
  to.clear();
  row_ended_ = true;
  bool quoted = false;
  for (; at_ < bytes_.size(); ++at_) {
    char c = static_cast<char>(bytes_[at_]);
    if (to.size() > kMaxCell) return "a cell of more than 1 MiB";
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
    } else if (c == separator_ || c == '\n') {
      row_ended_ = c == '\n';
      ++at_;
      return nullptr;
    } else if (c != '\r' || !ends_row(at_ + 1)) {
      to += c;
    }
  }
  return quoted ? "a quote is not closed" : nullptr;
}

// A word above numbers names them. Without one, words that differ from each other and from all that
// stands below may be names as well, and so may whole numbers that ascend: years, places.
HeaderGuess guess_header(const std::vector<std::string>& first,
                         const std::vector<std::vector<std::string>>& below,
                         const CsvOptions& options) {
  bool all_words = true, all_numbers = true, names_numbers = false, recurs = false;
  std::set<std::string_view> names;
  for (size_t i = 0; i < first.size(); ++i) {
    std::string_view cell = trimmed(first[i]);
    names.insert(cell);
    bool word = kind_of(cell, options) == CellKind::Word;
    all_words &= word;
    all_numbers &= !word;
    bool numbers = false, words = false;
    for (const std::vector<std::string>& row : below) {
      recurs |= word && trimmed(row[i]) == cell;
      CellKind kind = kind_of(row[i], options);
      numbers |= kind == CellKind::Number;
      words |= kind == CellKind::Word;
    }
    names_numbers |= word && numbers && !words;
  }
  bool distinct = names.size() == first.size();
  if (names_numbers) return {true, all_words};
  if (all_numbers) return {false, !may_be_years(first)};
  return {all_words && distinct && !recurs, false};
}

}  // namespace gradus::runtime
