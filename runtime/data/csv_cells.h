// The cells of a comma-separated table: how a row is parted, and which number a cell is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/data/bytes.h"

namespace gradus::runtime {

/// How a table is written, where its reader knows it.
struct CsvOptions {
  std::optional<char> separator;  // nothing: a comma
  char decimal = '.';
  std::optional<bool> header;  // nothing: guessed
  std::optional<std::vector<std::string>>
      missing;  // beside the empty cell; nothing: the usual words

  char cell_end() const { return separator.value_or(','); }
};

/// Without the blanks around it.
std::string_view trimmed(std::string_view cell);
/// Whether a trimmed cell of numbers is missing: empty, or one of the words; NA, NaN and nan where
/// none are given.
bool is_missing_number(std::string_view cell, const CsvOptions& options);
/// Whether a trimmed cell of words is missing: empty, or one of the words that are given.
bool is_missing_word(std::string_view cell, const CsvOptions& options);
/// The number of a cell, NaN where it is missing; false where it is neither.
bool parse_cell(std::string_view cell, const CsvOptions& options, double& value);
/// A cell in a message: in backticks, its middle left out where it is long.
std::string quoted_cell(std::string_view cell);

/// Reads rows one after the other.
class RowReader {
 public:
  RowReader(const Bytes& bytes, size_t at, char separator)
      : bytes_(bytes), at_(at), separator_(separator) {}

  size_t at() const { return at_; }
  bool at_end() const { return at_ >= bytes_.size(); }

  /// Splits the row at the cursor and moves behind its newline. What is wrong with it: a quote that
  /// stays open, too many cells, or one that is too long; else nothing.
  const char* split(std::vector<std::string>& cells);
  /// Moves behind lines of blanks alone.
  void skip_blank_lines();

 private:
  const char* cell(std::string& to);
  bool ends_row(size_t at) const { return at == bytes_.size() || bytes_[at] == '\n'; }

  const Bytes& bytes_;
  size_t at_;
  char separator_;
  bool row_ended_ = false;
};

/// Whether the first row names the columns.
struct HeaderGuess {
  bool header = false;
  bool sure = true;  // the cells leave no doubt
};
HeaderGuess guess_header(const std::vector<std::string>& first,
                         const std::vector<std::vector<std::string>>& below,
                         const CsvOptions& options);

}  // namespace gradus::runtime
