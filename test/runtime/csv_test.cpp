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
  EXPECT_EQ(error_of([] { table(""); }), "t.csv: no rows, it is an empty file");
  EXPECT_EQ(error_of([] { table("\n \r\n"); }), "t.csv: no rows");
  EXPECT_EQ(error_of([] { table("a,b\n"); }),
            "t.csv: no rows below its header; `header: false` takes its first row for data");
  EXPECT_EQ(error_of([] { table("1,2\n3\n"); }), "t.csv: line 2: 1 cells, expected 2");
  EXPECT_EQ(error_of([] { table("1,2\n3,4,5\n"); }), "t.csv: line 2: 3 cells, expected 2");
  EXPECT_EQ(error_of([] { table("1,2\n\n3,\"4\n5,6\n"); }), "t.csv: line 3: a quote is not closed");
  EXPECT_EQ(error_of([] { table(std::string(1 << 19, ',')); }),
            "t.csv: line 1: more than 262144 cells");
  EXPECT_EQ(error_of([] { table("1\n" + std::string((1 << 20) + 2, 'a')); }),
            "t.csv: line 2: a cell of more than 1 MiB");
  EXPECT_EQ(error_of([] { table("a,b\r1,2\r3,4\r"); }),
            "t.csv: its lines end in CR alone, expected LF or CRLF; `tr '\\r' '\\n'` converts it");
  std::string wide =
      "t.csv: text in UTF-16, expected UTF-8; `iconv -f UTF-16 -t UTF-8` converts it";
  EXPECT_EQ(error_of([] {
              table(
                  std::string("\xFF\xFE"
                              "a\0\n\0"
                              "1\0",
                              8));
            }),
            wide);
  EXPECT_EQ(error_of([] {
              table(
                  std::string("\xFE\xFF\0a\0\n\0"
                              "1",
                              8));
            }),
            wide);
  EXPECT_EQ(error_of([] {
              table(
                  std::string("a\0,\0b\0\n\0"
                              "1\0,\0"
                              "2\0\n\0",
                              16));
            }),
            wide);
  EXPECT_EQ(error_of([] { table(std::string("PK\3\4\0\0[Content_Types].xml", 25)); }),
            "t.csv: it looks like a spreadsheet (.xlsx); save it as CSV, expected CSV");
}

/// The header that is taken, and whether a remark says so.
std::string guess(const std::string& text) {
  CsvTable t = table(text);
  return std::string(t.header().empty() ? "data" : "header") +
         (t.remarks().empty() ? "" : ", said");
}

TEST(Csv, GuessesAHeaderFromWhatStandsBelow) {
  EXPECT_EQ(guess("a,b\n1,2\n"), "header");
  EXPECT_EQ(guess("a,kind\n1,x\n2,y\n"), "header");
  EXPECT_EQ(guess("1.5,2\n3,4\n"), "data");
  EXPECT_EQ(guess("0,0,5\n0,1,2\n"), "data");
  EXPECT_EQ(guess("7\n8\n"), "data");
  EXPECT_EQ(guess("7,3\n8,4\n"), "data");
  // A row of flowers is none of names, though it has a word.
  EXPECT_EQ(guess("5,setosa\n4,virginica\n5,setosa\n"), "data, said");
  EXPECT_EQ(guess("5,setosa\n"), "data, said");
  // Years may be names or numbers.
  EXPECT_EQ(guess("2019,2020\n3.5,4\n"), "data, said");
  EXPECT_EQ(guess("country,2019,2020\nchile,1,2\nperu,3,4\n"), "data, said");
  EXPECT_EQ(guess("id,2019,2020\n1,1,2\n2,3,4\n"), "header, said");
  EXPECT_EQ(guess("name,town\nanna,york\nben,bath\n"), "header, said");
  EXPECT_EQ(guess("anna,york\nben,bath\nanna,bath\n"), "data, said");
  EXPECT_EQ(table("2019,2020\n3.5,4\n").remarks()[0],
            "t.csv: its first row, which begins with `2019`, is taken for data; `header: true` "
            "takes it for a header");
}

TEST(Csv, TakesAHeaderAsItIsTold) {
  CsvOptions with, without;
  with.header = true;
  without.header = false;
  CsvTable years(bytes_of("2019,2020\n3.5,4\n"), "t.csv", with);
  EXPECT_EQ(years.header(), (Cells{"2019", "2020"}));
  EXPECT_EQ(years.rows(), 1);
  EXPECT_TRUE(years.remarks().empty());
  CsvTable words(bytes_of("a,b\n1,2\n"), "t.csv", without);
  EXPECT_EQ(words.rows(), 2);
  EXPECT_TRUE(words.remarks().empty());
}

TEST(Csv, ReadsOtherSeparatorsDecimalsAndWordsForMissing) {
  CsvOptions options;
  options.separator = ';';
  options.decimal = ',';
  options.missing = {"?", "-"};
  auto csv = std::make_shared<CsvTable>(bytes_of("a;b;c\n1,5; ? ;\"-1,25e2\"\n-;NA;2.5\n"), "t.csv",
                                        options);
  auto all = make_columns(csv, {0, 1, 2}, false);
  double row[3];
  all->read(0, row);
  EXPECT_EQ(row[0], 1.5);
  EXPECT_TRUE(std::isnan(row[1]));
  EXPECT_EQ(row[2], -125);
  EXPECT_EQ(error_of([&] { all->read(1, row); }),
            "t.csv: row 2 (line 3), column `b`: `NA` is no number");
  auto last = make_columns(csv, {2}, true), first = make_columns(csv, {0}, true);
  EXPECT_EQ(error_of([&] { last->read(1, row); }),
            "t.csv: row 2 (line 3), column `c`: `2.5` is no number; `decimal: \".\"` reads it");
  EXPECT_EQ(first->text(1), "");
  CsvOptions tab;
  tab.separator = '\t';
  CsvTable tabs(bytes_of("a\tb\n\t2\n\n \n3\t4\n"), "t.csv", tab);
  EXPECT_EQ(tabs.rows(), 2);
  EXPECT_EQ(tabs.cells(0), (Cells{"", "2"}));
}

TEST(Csv, SaysThatAnotherSeparatorStandsInTheOnlyColumn) {
  EXPECT_EQ(table("a;b\n1;2\n").remarks().back(),
            "t.csv: one column, in which `;` stands; `separator: \";\"` parts it");
  EXPECT_EQ(table("1\t2\n3\t4\n").remarks().back(),
            "t.csv: one column, in which a tab stands; `separator: \"tab\"` parts it");
  CsvOptions comma;
  comma.separator = ',';
  comma.header = true;
  EXPECT_TRUE(CsvTable(bytes_of("a;b\n1;2\n"), "t.csv", comma).remarks().empty());
}

TEST(Csv, LeavesTheMiddleOfALongCellOutOfItsMessage) {
  auto source = columns("n\n" + std::string(1000, 'a') + "z\n1\n", {0});
  double row = 0;
  EXPECT_EQ(error_of([&] { source->read(0, &row); }), "t.csv: row 1 (line 2), column `n`: `" +
                                                          std::string(40, 'a') + ".." +
                                                          std::string(19, 'a') + "z` is no number");
}

TEST(Sizes, AreOfOneOrderWhereAxesAreMergedOrParted) {
  using Sizes = std::vector<int64_t>;
  struct Case {
    Sizes a, b;
    bool same;
  };
  for (const Case& c :
       {Case{{28, 28}, {784}, true}, Case{{784}, {28, 28}, true}, Case{{3, 2}, {2, 3}, false},
        Case{{3, 1, 2}, {3, 2}, true}, Case{{1}, {}, true}, Case{{4, 6}, {2, 2, 6}, true},
        Case{{4, 6}, {2, 12}, false}, Case{{2, 6}, {2, 2, 3}, true}, Case{{6}, {5}, false},
        Case{{2, 3}, {2}, false}, Case{{2, 2, 3}, {4, 3}, true}}) {
    EXPECT_EQ(same_order(c.a, c.b), c.same);
    EXPECT_EQ(same_order(c.b, c.a), c.same);
  }
}

TEST(Csv, TakesAnyBytesAsTextOfACell) {
  std::string odd("a\0b", 3);
  CsvTable t = table("x,y\n" + odd + ",\xFF\xFE\n");
  EXPECT_EQ(t.cells(0), (Cells{odd, "\xFF\xFE"}));
}

TEST(Csv, GivesTheTextOfOneColumn) {
  // NA is Namibia unless the caller says that it means nothing.
  auto source = columns("kind,n\n NEAR BAY ,1\nNA,2\n,3\n", {0});
  EXPECT_TRUE(source->has_text());
  EXPECT_EQ(source->text(0), "NEAR BAY");
  EXPECT_EQ(source->text(1), "NA");
  EXPECT_EQ(source->text(2), "");
  CsvOptions options;
  options.missing = {"NA"};
  auto told = std::make_shared<CsvTable>(bytes_of("kind,n\nNA,2\nx,3\n"), "t.csv", options);
  EXPECT_EQ(make_columns(told, {0}, true)->text(0), "");
}

}  // namespace
}  // namespace gradus::runtime
