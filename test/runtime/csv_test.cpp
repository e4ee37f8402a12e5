// Tables: quoting, headers, missing cells, and files that are wrong.
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/data/source.h"
#include "runtime/temporary_folder.h"

namespace gradus::runtime {
namespace {

CsvTable table(const std::string& text) { return CsvTable(bytes_of(text), "t.csv"); }

std::unique_ptr<RowSource> columns(const std::string& text, std::vector<int64_t> positions) {
  auto csv = std::make_shared<CsvTable>(bytes_of(text), "t.csv");
  return make_columns(csv, std::move(positions), false);
}

using Cells = std::vector<std::string>;

TEST(Csv, TakesARowWithAWordAsHeader) {
  CsvTable t = table("age,name of it\n1,2\n");
  EXPECT_EQ(t.header(), (Cells{"age", "name of it"}));
  EXPECT_EQ(t.rows(), 1);
  EXPECT_EQ(t.find("name of it"), 1);
  EXPECT_EQ(t.find("name"), -1);
}

TEST(Csv, TakesARowOfNumbersAndGapsAsData) {
  CsvTable t = table("1,,NA\n+2,-3e5,.5");
  EXPECT_TRUE(t.header().empty());
  EXPECT_EQ(t.rows(), 2);
}

TEST(Csv, ReadsQuotesEndsOfLinesAndBlankLines) {
  CsvTable t = table(
      "\xEF\xBB\xBF"
      "a,b\r\n\r\n\"x, \"\"y\"\"\",1\r\n  \n\"two\nlines\",2");
  ASSERT_EQ(t.rows(), 2);
  EXPECT_EQ(t.header()[0], "a");
  EXPECT_EQ(t.cells(0), (Cells{"x, \"y\"", "1"}));
  EXPECT_EQ(t.cells(1), (Cells{"two\nlines", "2"}));
  EXPECT_EQ(t.line(0), 3);
  EXPECT_EQ(t.line(1), 5);
}

TEST(Csv, ReadsRowsInAnyOrder) {
  std::string text = "n\n";
  for (int i = 0; i < 100; ++i) text += std::to_string(i) + (i % 7 == 0 ? "\n\n" : "\n");
  auto source = columns(text, {0});
  ASSERT_EQ(source->rows(), 100);
  for (int64_t i = 0; i < 1000; ++i) {
    int64_t row = i * 37 % 100;
    double value = -1;
    source->read(row, &value);
    EXPECT_EQ(value, static_cast<double>(row));
  }
  double value = -1;
  for (int64_t row = 0; row < 100; ++row) {
    source->read(row, &value);
    EXPECT_EQ(value, static_cast<double>(row));
  }
}

TEST(Csv, ReadsNumbersExactly) {
  auto source = columns("0.1,-1e-3, 12 ,+4,\"7\",nan\n", {0, 1, 2, 3, 4, 5});
  double row[6];
  source->read(0, row);
  EXPECT_EQ(row[0], 0.1);
  EXPECT_EQ(row[1], -1e-3);
  EXPECT_EQ(row[2], 12);
  EXPECT_EQ(row[3], 4);
  EXPECT_EQ(row[4], 7);
  EXPECT_TRUE(std::isnan(row[5]));
}

TEST(Csv, ReadsNumbersThatADoubleDoesNotHold) {
  auto source = columns("1e-400,-1e-400,1e400,-1e400,1e-310\n", {0, 1, 2, 3, 4});
  double row[5];
  source->read(0, row);
  EXPECT_EQ(row[0], 0);
  EXPECT_EQ(row[1], 0);
  EXPECT_EQ(row[2], HUGE_VAL);
  EXPECT_EQ(row[3], -HUGE_VAL);
  EXPECT_EQ(row[4], 1e-310);
}

TEST(Csv, KeepsACarriageReturnThatEndsNoLine) {
  // The cells `2` and `3` of a file with other ends of lines are not 23.
  CsvTable t = table("x,y,z\n1,2\r3,4\r\n5,6,7\r");
  EXPECT_EQ(t.cells(0), (Cells{"1", "2\r3", "4"}));
  EXPECT_EQ(t.cells(1), (Cells{"5", "6", "7"}));
}

TEST(Csv, NamesRowLineAndColumnOfAWord) {
  auto source = columns("a,b\n1,2\n\n3,x\n", {1});
  double row = 0;
  EXPECT_EQ(error_of([&] { source->read(1, &row); }),
            "t.csv: row 2 (line 4), column `b`: `x` is no number");
  auto bare = columns("1,2\n3,+-4\n", {0, 1});
  double pair[2];
  EXPECT_EQ(error_of([&] { bare->read(1, pair); }),
            "t.csv: row 2 (line 2), column `1`: `+-4` is no number");
}

TEST(Csv, RefusesTablesThatAreNone) {
  EXPECT_EQ(error_of([] { table(""); }), "t.csv: no rows");
  EXPECT_EQ(error_of([] { table("\n \r\n"); }), "t.csv: no rows");
  EXPECT_EQ(error_of([] { table("a,b\n"); }), "t.csv: no rows");
  EXPECT_EQ(error_of([] { table("1,2\n3\n"); }), "t.csv: line 2: 1 cells, expected 2");
  EXPECT_EQ(error_of([] { table("1,2\n3,4,5\n"); }), "t.csv: line 2: 3 cells, expected 2");
  EXPECT_EQ(error_of([] { table("1,2\n\n3,\"4\n5,6\n"); }), "t.csv: line 3: a quote is not closed");
  EXPECT_EQ(error_of([] { table(std::string(1 << 19, ',')); }),
            "t.csv: line 1: more than 262144 cells");
}

TEST(Csv, TakesAnyBytesAsTextOfACell) {
  std::string odd("a\0b", 3);
  CsvTable t = table("x,y\n" + odd + ",\xFF\xFE\n");
  EXPECT_EQ(t.cells(0), (Cells{odd, "\xFF\xFE"}));
}

TEST(Csv, GivesTheTextOfOneColumn) {
  auto source = columns("kind,n\n NEAR BAY ,1\nNA,2\n", {0});
  EXPECT_TRUE(source->has_text());
  EXPECT_EQ(source->text(0), "NEAR BAY");
  EXPECT_EQ(source->text(1), "");
}

}  // namespace
}  // namespace gradus::runtime
