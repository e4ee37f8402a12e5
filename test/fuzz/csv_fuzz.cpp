// Tables: every row has its cells in whatever order rows are asked for.
#include <numeric>

#include "fuzz/targets.h"
#include "runtime/data/source.h"
#include "runtime/file_error.h"

namespace gradus::fuzz {

namespace {

using Cells = std::vector<std::string>;
constexpr int64_t kRows = 64;

void read_as_numbers(const std::shared_ptr<const runtime::CsvTable>& table) {
  std::vector<int64_t> columns(static_cast<size_t>(table->columns()));
  std::iota(columns.begin(), columns.end(), 0);
  auto all = runtime::make_columns(table, columns, false);
  auto last = runtime::make_columns(table, {columns.back()}, true);
  std::vector<double> row(columns.size());
  for (int64_t i = 0; i < std::min(table->rows(), kRows); ++i) {
    last->text(i);
    try {
      all->read(i, row.data());
    } catch (const runtime::FileError&) {
      // A word among the cells.
    }
  }
}

}  // namespace

void fuzz_csv(Input input) {
  try {
    auto table = std::make_shared<const runtime::CsvTable>(
        runtime::Bytes(input.begin(), input.end()), "t.csv");
    int64_t rows = std::min(table->rows(), kRows);
    std::vector<Cells> forwards;
    for (int64_t i = 0; i < rows; ++i) {
      forwards.push_back(table->cells(i));
      require(static_cast<int64_t>(forwards.back().size()) == table->columns(),
              "rows are of one length");
    }
    for (int64_t i = rows; i-- > 0;) {
      require(table->cells(i) == forwards[static_cast<size_t>(i)],
              "a row is the same in any order");
      require(table->line(i) > (i > 0 ? table->line(i - 1) : 0), "rows stand one below the other");
    }
    read_as_numbers(table);
  } catch (const runtime::FileError&) {
    // Refused with a message.
  }
}

}  // namespace gradus::fuzz
