// Where rows of numbers come from: a table's columns, an array file, a text, points on a line.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/data/bytes.h"
#include "runtime/data/csv_cells.h"

namespace gradus::runtime {

/// Rows of `width` numbers each. A missing value is NaN.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual int64_t rows() const = 0;
  /// Sizes of one row; empty for a single number.
  virtual std::vector<int64_t> row_sizes() const = 0;
  /// Writes one row; throws FileError with row and column where a cell is no number.
  virtual void read(int64_t row, double* to) const = 0;
  /// The text of a row's only cell, for categories; empty where it is missing.
  virtual std::string text(int64_t row) const;
  /// Whether text() has an answer.
  virtual bool has_text() const { return false; }
  /// Where a value stands, for messages: "housing.csv: row 12 (line 13), column `total_bedrooms`".
  virtual std::string place(int64_t row, int64_t element) const = 0;
  /// By how many numbers a row begins behind the one before it: less than width() where rows
  /// overlap.
  virtual int64_t row_step() const { return width(); }
  /// Of how many columns a row's numbers are: number i is of column i % columns(). What is fitted
  /// by column is fitted once for all its numbers.
  virtual int64_t columns() const { return width(); }
  /// Its numbers differ from what was measured by up to so much of themselves, since they were
  /// rounded.
  virtual double rounding() const { return 0x1p-53; }

  int64_t width() const;
};

/// Whether rows of these sizes hold the same numbers in the same order: neighbouring axes are
/// merged or parted, none are swapped. [28, 28] and [784] do, [3, 2] and [2, 3] do not.
bool same_order(const std::vector<int64_t>& a, const std::vector<int64_t>& b);

/// A comma-separated table, kept as text: quoted fields, CRLF or LF, blank lines skipped. Whether
/// the first row is a header is guessed unless the options say it. Reading moves a cursor: one
/// thread at a time.
class CsvTable {
 public:
  /// Throws FileError where rows differ in length, a quote is not closed, a row has more than 2^18
  /// cells or a cell more than 2^20 bytes.
  CsvTable(Bytes bytes, std::string name, CsvOptions options = {});

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  const std::vector<std::string>& header() const { return header_; }  // empty where there is none
  const std::string& name() const { return name_; }
  const CsvOptions& options() const { return options_; }
  /// What was guessed and might be otherwise, each with the option that says it.
  const std::vector<std::string>& remarks() const { return remarks_; }
  /// The cells of a row, in order, unquoted; good until another row is asked for.
  const std::vector<std::string>& cells(int64_t row) const;
  /// The position of a column; -1 where no column has this name.
  int64_t find(std::string_view column) const;
  /// The line of the file that a row begins at, from 1.
  int64_t line(int64_t row) const;

 private:
  static constexpr int64_t kRowsPerMark = 16;

  [[noreturn]] void fail(const std::string& problem) const;
  void check_text() const;
  bool has_header();
  void index_rows();
  void remark_separator();
  int64_t line_at(size_t byte) const;
  size_t begin_of(int64_t row) const;

  Bytes bytes_;
  std::string name_;
  CsvOptions options_;
  size_t first_ = 0;  // the byte behind a mark of UTF-8
  std::vector<std::string> remarks_;
  std::vector<std::string> header_;
  std::vector<size_t> marks_;  // where every 16th row begins
  int64_t rows_ = 0;
  int64_t columns_ = 0;
  // The last row that was split, and where the one behind it begins to be looked for.
  mutable std::vector<std::string> cells_;
  mutable int64_t cells_row_ = -1;
  mutable size_t after_cells_ = 0;
};

/// Some columns of a table; `single` has no column axis.
std::unique_ptr<RowSource> make_columns(std::shared_ptr<const CsvTable> table,
                                        std::vector<int64_t> columns, bool single);
/// An IDX file (LeCun's format of MNIST): the first axis counts rows. Throws FileError with the
/// byte position.
std::unique_ptr<RowSource> read_idx(Bytes bytes, std::string name);
/// A NumPy .npy file: f2, f4, f8, i1 to i8, u1 to u8 or b1 in either order of bytes and of axes.
std::unique_ptr<RowSource> read_npy(Bytes bytes, std::string name);
/// An .npz archive's array `array`; where that is empty the only one, or the one that is named as
/// the input.
std::unique_ptr<RowSource> read_npz(const Bytes& bytes, const std::string& name,
                                    const std::string& array, const std::string& input);
/// `count` points from `from` to `to`, both included, each a row of one number; at most 2^31.
std::unique_ptr<RowSource> make_linspace(double from, double to, int64_t count);

}  // namespace gradus::runtime
