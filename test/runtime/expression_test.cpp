// Expressions of the data block: what is fitted comes from the training rows alone.
#include "runtime/data/expression.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "runtime/data/dataset.h"
#include "runtime/data/text.h"
#include "runtime/temporary_folder.h"

namespace gradus::runtime {
namespace {

using Kind = DataNode::Kind;
using Rows = std::vector<int64_t>;

std::shared_ptr<const CsvTable> table(const std::string& text) {
  return std::make_shared<CsvTable>(bytes_of(text), "t.csv");
}

DataNode columns(std::shared_ptr<const CsvTable> csv, Rows positions, bool single = false) {
  DataNode node;
  node.kind = Kind::Source;
  node.source = make_columns(std::move(csv), std::move(positions), single);
  return node;
}

DataNode number(double value) {
  DataNode node;
  node.number = value;
  return node;
}

DataNode apply(Kind kind, std::vector<DataNode> operands) {
  DataNode node;
  node.kind = kind;
  node.operands = std::move(operands);
  return node;
}

DataNode fill(DataNode operand, const std::string& strategy, double value = 0) {
  DataNode node = apply(Kind::FillMissing, {std::move(operand)});
  node.strategy = strategy;
  node.number = value;
  return node;
}

std::vector<double> fitted_row(const DataNode& root, const Rows& training, int64_t row) {
  DataExpression expression("x", root);
  Fitted fitted;
  expression.fit(training, fitted);
  std::vector<double> out;
  expression.apply(row, fitted, out);
  return out;
}

using Numbers = std::vector<double>;

TEST(Expression, DoesArithmeticAndRepeatsSingleNumbers) {
  auto csv = table("1,2,4\n");
  DataNode pair = columns(csv, {0, 1}), one = columns(csv, {2}, true);
  EXPECT_EQ(fitted_row(apply(Kind::Div, {pair, number(2)}), {0}, 0), (Numbers{0.5, 1}));
  EXPECT_EQ(fitted_row(apply(Kind::Sub, {one, pair}), {0}, 0), (Numbers{3, 2}));
  EXPECT_EQ(fitted_row(apply(Kind::Add, {pair, one}), {0}, 0), (Numbers{5, 6}));
  EXPECT_EQ(fitted_row(apply(Kind::Mul, {pair, pair}), {0}, 0), (Numbers{1, 4}));
  EXPECT_EQ(fitted_row(apply(Kind::Neg, {pair}), {0}, 0), (Numbers{-1, -2}));
  EXPECT_EQ(fitted_row(apply(Kind::Log, {pair}), {0}, 0), (Numbers{0, std::log(2.0)}));
}

TEST(Expression, FitsOnTrainingRowsAlone) {
  // Rows 0 and 2 train: mean 3, deviation 2; least 1, span 4. Row 1 is far outside.
  DataNode column = columns(table("1,10\n1000,0\n5,30\n"), {0});
  EXPECT_EQ(fitted_row(apply(Kind::Standardize, {column}), {0, 2}, 1), Numbers{498.5});
  EXPECT_EQ(fitted_row(apply(Kind::MinMax, {column}), {0, 2}, 1), Numbers{249.75});
}

TEST(Expression, KeepsAConstantColumnAtZero) {
  DataNode column = columns(table("7\n7\n"), {0});
  EXPECT_EQ(fitted_row(apply(Kind::Standardize, {column}), {0, 1}, 0), Numbers{0});
  EXPECT_EQ(fitted_row(apply(Kind::MinMax, {column}), {0, 1}, 0), Numbers{0});
}

TEST(Expression, TakesOnlyTheMeanFromAConstantColumn) {
  // Ten times 14.62 sum to 146.20000000000002.
  std::string text;
  for (int i = 0; i < 10; ++i) text += "14.62\n";
  DataNode column = columns(table(text + "14.63\n"), {0});
  Rows training = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (Kind kind : {Kind::Standardize, Kind::MinMax}) {
    EXPECT_EQ(fitted_row(apply(kind, {column}), training, 0), Numbers{0});
    EXPECT_NEAR(fitted_row(apply(kind, {column}), training, 10)[0], 0.01, 1e-14);
  }
}

TEST(Expression, TakesAColumnForConstantThatIsSoButForRounding) {
  // As a program writes 0.1 + 0.2; differences of large numbers; thirds of thirds.
  DataNode written = columns(table("0.3\n0.30000000000000004\n0.3\n0.31\n"), {0});
  auto pairs = table("1000000.1,1000000\n3.1,3\n-77777.9,-77778\n5,4.8\n");
  DataNode tenth = apply(Kind::Sub, {columns(pairs, {0}), columns(pairs, {1})});
  auto thirds = table("1,3\n7,21\n11,33\n1,2\n");
  DataNode third = apply(
      Kind::Mul, {apply(Kind::Div, {columns(thirds, {0}), columns(thirds, {1})}), number(0.1)});
  struct Case {
    DataNode node;
    double last;
  };
  for (const Case& c : {Case{written, 0.01}, Case{tenth, 0.1}, Case{third, 1 / 60.0}}) {
    for (Kind kind : {Kind::Standardize, Kind::MinMax}) {
      for (int64_t row : {0, 1, 2})
        EXPECT_NEAR(fitted_row(apply(kind, {c.node}), {0, 1, 2}, row)[0], 0, 1e-9);
      EXPECT_NEAR(fitted_row(apply(kind, {c.node}), {0, 1, 2}, 3)[0], c.last, 1e-9);
    }
  }
  // Seconds since 1970, a minute apart: all their digits are meant.
  DataNode clock = columns(table("1700000000\n1700000060\n"), {0});
  EXPECT_EQ(fitted_row(apply(Kind::Standardize, {clock}), {0, 1}, 1), Numbers{1});
  DataNode fine = columns(table("1\n1.00000000000001\n"), {0});
  EXPECT_EQ(fitted_row(apply(Kind::MinMax, {fine}), {0, 1}, 1), Numbers{1});
}

TEST(Expression, ScalesNumbersWhoseSquaresNoDoubleHolds) {
  for (const char* text : {"-1e-200\n1e-200\n", "-1e200\n1e200\n", "-1e-310\n1e-310\n"}) {
    DataNode column = columns(table(text), {0});
    EXPECT_EQ(fitted_row(apply(Kind::Standardize, {column}), {0, 1}, 1), Numbers{1}) << text;
  }
  DataNode huge = columns(table("-1.5e308\n1.5e308\n"), {0});
  EXPECT_EQ(error_of([&] {
              fitted_row(apply(Kind::Standardize, {huge}), {0, 1}, 1);
            }),
            "input `x`: a column from -1.5e+308 to 1.5e+308, too large to fit on");
  DataNode infinite = columns(table("a\n1\ninf\n"), {0});
  EXPECT_EQ(error_of([&] {
              fitted_row(apply(Kind::MinMax, {infinite}), {0, 1}, 0);
            }),
            "t.csv: row 2 (line 3), column `a`: the expression of input `x` gives infinity, "
            "expected a finite number");
}

TEST(Expression, FitsEachColumnOfWindowsOnce) {
  // a = 0 .. 7, b = 100 - 10 a; the windows 0, 1 and 2 of 4 rows hold a = 0 .. 5: 0, 1, 1, 2, 2, 2,
  // 3, 3, 3, 4, 4, 5.
  std::string text = "a,b\n";
  for (int i = 0; i < 8; ++i) text += fmt::format("{},{}\n", i, 100 - 10 * i);
  auto windows = [&](Rows positions) {
    DataNode node;
    node.kind = Kind::Source;
    node.source = make_table_windows(table(text), std::move(positions), false, 4, 1, 0, 4);
    return node;
  };
  const double deviation = std::sqrt(23.0 / 12);
  Fitted fitted;
  DataExpression both("x", apply(Kind::Standardize, {windows({0, 1})}));
  both.fit({0, 1, 2}, fitted);
  ASSERT_EQ(fitted.numbers["x"].size(), 4u);
  EXPECT_NEAR(fitted.numbers["x"][0], 2.5, 1e-15);
  EXPECT_NEAR(fitted.numbers["x"][1], deviation, 1e-15);
  EXPECT_NEAR(fitted.numbers["x"][2], 75, 1e-13);
  EXPECT_NEAR(fitted.numbers["x"][3], 10 * deviation, 1e-14);
  std::vector<double> row;
  both.apply(4, fitted, row);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(row[2 * i], (4 + static_cast<double>(i) - 2.5) / deviation, 1e-14);
    EXPECT_NEAR(row[2 * i + 1], -row[2 * i], 1e-14);
  }
  EXPECT_EQ(fitted_row(apply(Kind::MinMax, {windows({0})}), {0, 1, 2}, 1),
            (Numbers{0.2, 0.4, 0.6, 0.8}));
  // Weights of before, with constants for each number of a row, are applied as they were fitted.
  fitted.numbers["x"] = {0, 1, 0, 1, 1, 1, 0, 1, 2, 1, 0, 1, 3, 1, 0, 1};
  both.apply(0, fitted, row);
  EXPECT_EQ(row, (Numbers{0, 100, 0, 90, 0, 80, 0, 70}));
}

TEST(Expression, FillsMissingCellsByColumn) {
  DataNode two = columns(table("1,10\n,20\n3,\n9,60\n"), {0, 1});
  Rows all = {0, 1, 2, 3};
  EXPECT_EQ(fitted_row(fill(two, "median"), all, 1), (Numbers{3, 20}));
  EXPECT_EQ(fitted_row(fill(two, "median"), {0, 1, 2}, 1), (Numbers{2, 20}));
  EXPECT_EQ(fitted_row(fill(two, "mean"), all, 2), (Numbers{3, 30}));
  EXPECT_EQ(fitted_row(fill(two, "", -1), all, 2), (Numbers{3, -1}));
  EXPECT_EQ(fitted_row(fill(apply(Kind::Standardize, {two}), "", 0), all, 2)[1], 0);
}

TEST(Expression, FillsAColumnWithoutAnyValueByNumberOnly) {
  DataNode empty = columns(table("a,b\n,1\n,2\n"), {0});
  EXPECT_EQ(fitted_row(fill(empty, "", 5), {0, 1}, 1), Numbers{5});
  EXPECT_NE(error_of([&] {
              fitted_row(fill(empty, "median"), {0, 1}, 1);
            }).find("without a value to fit on"),
            std::string::npos);
}

TEST(Expression, NamesTheCellThatIsMissing) {
  DataNode two = columns(table("a,b\n1,10\n,20\n3,\n"), {0, 1});
  EXPECT_EQ(error_of([&] { fitted_row(apply(Kind::Standardize, {two}), {0, 1, 2}, 2); }),
            "t.csv: row 3 (line 4), column `b`: a missing value in input `x`; `fill_missing` gives "
            "it one");
}

TEST(Expression, SaysWhenArithmeticLeavesTheNumbers) {
  DataNode two = columns(table("a,b\n1,0\n-1,2\n"), {0, 1});
  EXPECT_EQ(error_of([&] { fitted_row(apply(Kind::Log, {two}), {0}, 0); }),
            "t.csv: row 1 (line 2), column `b`: the expression of input `x` gives -infinity, "
            "expected a finite number");
  EXPECT_EQ(error_of([&] { fitted_row(apply(Kind::Log, {two}), {0}, 1); }),
            "t.csv: row 2 (line 3), column `a`: the expression of input `x` gives no number (NaN), "
            "expected a finite number");
}

TEST(Expression, NumbersCategoriesInSortedOrder) {
  auto csv = table("kind,n\npear,10\napple,9\n fig,2\npear,100\n");
  DataNode words = apply(Kind::Category, {columns(csv, {0}, true)});
  EXPECT_EQ(fitted_row(words, {0, 1, 2}, 1), Numbers{0});
  EXPECT_EQ(fitted_row(words, {0, 1, 2}, 2), Numbers{1});
  EXPECT_EQ(fitted_row(words, {0, 1, 2}, 3), Numbers{2});
  // Numbers sort by value: 2, 9, 10, not 10, 2, 9.
  DataNode numbers = apply(Kind::Category, {columns(csv, {1}, true)});
  EXPECT_EQ(fitted_row(numbers, {0, 1, 2}, 0), Numbers{2});
}

TEST(Expression, TreatsAnUnseenCategoryAsToldOrAsAnError) {
  DataNode words = apply(Kind::Category, {columns(table("kind\na\nb\nc\n\"\"\n"), {0})});
  EXPECT_EQ(error_of([&] { fitted_row(words, {0, 1}, 2); }),
            "t.csv: row 3 (line 4), column `kind`: `c` is a category that training did not see; "
            "`unknown:` gives it a number");
  EXPECT_EQ(error_of([&] { fitted_row(words, {0, 1, 3}, 3); }),
            "t.csv: row 4 (line 5), column `kind`: a missing value; `unknown:` gives it a number");
  words.unknown = 7;
  EXPECT_EQ(fitted_row(words, {0, 1}, 2), Numbers{7});
  EXPECT_EQ(fitted_row(words, {0, 1}, 3), Numbers{7});
}

TEST(Expression, RefusesTreesThatDoNotFit) {
  auto csv = table("1,2,3\n4,5,6\n");
  DataNode two = columns(csv, {0, 1}), three = columns(csv, {0, 1, 2}),
           other = columns(table("1\n"), {0}), one = columns(csv, {2});
  EXPECT_EQ(error_of([&] { DataExpression("x", apply(Kind::Add, {two, three})); }),
            "input `x`: its sources have 2 and 3 numbers a row");
  EXPECT_EQ(error_of([&] { DataExpression("x", apply(Kind::Add, {two, other})); }),
            "input `x`: its sources have 2 and 1 rows");
  auto windows = [](const std::string& text, int64_t window) {
    DataNode node;
    node.kind = Kind::Source;
    auto file = table(text);
    Rows all(static_cast<size_t>(file->columns()));
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    node.source = make_table_windows(file, all, false, window, window, 0, window);
    return node;
  };
  DataNode wide = windows("1,2,3\n4,5,6\n", 2), tall = windows("1,2\n3,4\n5,6\n", 3);
  EXPECT_EQ(error_of([&] {
              DataExpression("x", apply(Kind::Add, {wide, apply(Kind::Log, {tall})}));
            }),
            "input `x`: its sources have rows of [2, 3] and [3, 2], whose numbers stand in another "
            "order");
  EXPECT_EQ(error_of([&] { DataExpression("x", number(3)); }),
            "input `x`: numbers alone, expected a source");
  for (const DataNode& operand : {two, number(3), apply(Kind::Log, {one})}) {
    EXPECT_NE(error_of([&] {
                DataExpression("x", apply(Kind::Add, {one, apply(Kind::Category, {operand})}));
              }).find("`category` takes one column"),
              std::string::npos);
  }
}

TEST(Expression, RefusesConstantsOfAnotherExpression) {
  DataExpression expression("x", apply(Kind::Standardize, {columns(table("1,2\n"), {0, 1})}));
  std::vector<double> out;
  Fitted fitted;
  EXPECT_NE(error_of([&] { expression.apply(0, fitted, out); }).find("of another preparation"),
            std::string::npos);
  fitted.numbers["x"] = {1, 2};
  EXPECT_NE(
      error_of([&] { expression.apply(0, fitted, out); }).find("2 fitted constants for 2 columns"),
      std::string::npos);
}

TEST(Expression, RefusesACategoryThatIsNotUtf8) {
  for (const char* text :
       {"\xFF", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC3"}) {
    DataNode words =
        apply(Kind::Category, {columns(table(std::string("kind\n") + text + "\n"), {0})});
    EXPECT_EQ(error_of([&] { fitted_row(words, {0}, 0); }),
              "t.csv: row 1 (line 2), column `kind`: its text is not UTF-8");
  }
  for (const char* text : {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    DataNode words =
        apply(Kind::Category, {columns(table(std::string("kind\n") + text + "\n"), {0})});
    EXPECT_EQ(fitted_row(words, {0}, 0), Numbers{0});
  }
}

TEST(Dataset, FillsArraysAndGathersRows) {
  DataExpression expression("x", columns(table("1,2\n3,4\n5,6\n"), {0, 1}));
  Dataset data;
  data.add("x", evaluate_input("x", expression, {}, ElementKind::Float32));
  data.add("n", evaluate_input("n", expression, {}, ElementKind::Int32));
  EXPECT_EQ(data.rows(), 3);
  EXPECT_EQ(data.bytes(), 48);
  int64_t rows[] = {2, 0, 2};
  float floats[6];
  int32_t ints[6];
  data.gather("x", rows, std::as_writable_bytes(std::span(floats)));
  data.gather("n", rows, std::as_writable_bytes(std::span(ints)));
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(floats[i], (std::array{5, 6, 1, 2, 5, 6})[i]);
    EXPECT_EQ(ints[i], (std::array{5, 6, 1, 2, 5, 6})[i]);
  }
}

TEST(Dataset, KeepsNumbersOf64Bits) {
  DataExpression expression("x", columns(table("0.1,9007199254740992\n-3e300,-5\n"), {0, 1}));
  DataExpression whole("k", columns(table("9007199254740992\n-5\n"), {0}));
  Dataset data;
  data.add("x", evaluate_input("x", expression, {}, ElementKind::Float64));
  data.add("k", evaluate_input("k", whole, {}, ElementKind::Int64));
  int64_t rows[] = {1, 0};
  double doubles[4];
  int64_t ints[2];
  data.gather("x", rows, std::as_writable_bytes(std::span(doubles)));
  data.gather("k", rows, std::as_writable_bytes(std::span(ints)));
  EXPECT_EQ(std::vector<double>(doubles, doubles + 4), (Numbers{-3e300, -5, 0.1, 0x1p53}));
  EXPECT_EQ(ints[0], -5);
  EXPECT_EQ(ints[1], int64_t{1} << 53);
  DataExpression large("k", columns(table("9007199254740994\n"), {0}));
  EXPECT_NE(error_of([&] {
              evaluate_input("k", large, {}, ElementKind::Int64);
            }).find("expected a whole number of at most 2^53"),
            std::string::npos);
}

TEST(Dataset, NamesTheCellThatDoesNotFitItsType) {
  DataExpression expression("x", columns(table("a,b\n1,2\n3,4.5\n"), {0, 1}));
  EXPECT_EQ(error_of([&] { evaluate_input("x", expression, {}, ElementKind::Int32); }),
            "t.csv: row 2 (line 3), column `b`: input `x` gives 4.5, expected a whole number that "
            "fits i32");
  EXPECT_NE(error_of([&] {
              evaluate_input("x", expression, {}, ElementKind::Bool);
            }).find("expected 0 or 1"),
            std::string::npos);
  DataExpression ends("x", columns(table("-2147483648\n2147483647\n"), {0}));
  InputArray array = evaluate_input("x", ends, {}, ElementKind::Int32);
  int32_t least = 0;
  std::memcpy(&least, array.bytes.data(), sizeof least);
  EXPECT_EQ(least, INT32_MIN);
  for (const char* text : {"-2147483649\n", "2147483648\n"}) {
    DataExpression outside("x", columns(table(text), {0}));
    EXPECT_NE(
        error_of([&] { evaluate_input("x", outside, {}, ElementKind::Int32); }).find("fits i32"),
        std::string::npos);
  }
  DataExpression large("x", columns(table("1e300\n"), {0}));
  EXPECT_NE(error_of([&] {
              evaluate_input("x", large, {}, ElementKind::Float32);
            }).find("expected a number that fits f32"),
            std::string::npos);
  EXPECT_NE(error_of([&] { evaluate_input("x", large, {}, ElementKind::Int32); }).find("fits i32"),
            std::string::npos);
}

}  // namespace
}  // namespace gradus::runtime
