// Texts as numbers, and windows over texts and tables.
#include "runtime/data/text.h"

#include <gtest/gtest.h>

#include "runtime/data/dataset.h"
#include "runtime/data/utf8.h"
#include "runtime/temporary_folder.h"

namespace gradus::runtime {
namespace {

std::vector<uint32_t> numbers(const TextFile& text) {
  std::vector<uint32_t> out;
  for (int64_t i = 0; i < text.length(); ++i) out.push_back(text.number(i));
  return out;
}

std::vector<double> row(const RowSource& source, int64_t index) {
  std::vector<double> out(static_cast<size_t>(source.width()));
  source.read(index, out.data());
  return out;
}

using Words = std::vector<uint32_t>;
using Numbers = std::vector<double>;
using Sizes = std::vector<int64_t>;
using Rows = std::vector<int64_t>;

TEST(Utf8, ReadsBackEveryCodePoint) {
  for (uint32_t code = 0; code <= 0x10FFFF; ++code) {
    if (code == 0xD800) code = 0xE000;
    std::string text = utf8_text(code);
    Bytes bytes(text.begin(), text.end());
    size_t at = 0;
    ASSERT_EQ(next_code_point(bytes, at), code);
    ASSERT_EQ(at, bytes.size());
  }
}

TEST(Utf8, RefusesWhatIsNone) {
  for (const char* text :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x9F\xBF", "\xE2\x82",
        "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xFF"}) {
    Bytes bytes = bytes_of(text);
    size_t at = 0;
    EXPECT_EQ(next_code_point(bytes, at), std::nullopt);
    EXPECT_EQ(at, 0u);
  }
}

TEST(Text, BytesAreTheirOwnNumbers) {
  TextFile text = TextFile::of_bytes(bytes_of("a\xFF\n"), "f");
  EXPECT_EQ(numbers(text), (Words{97, 255, 10}));
  EXPECT_TRUE(text.vocabulary().empty());
}

TEST(Text, CharactersAreNumberedInOrder) {
  TextFile text = TextFile::of_characters(bytes_of("b\xC3\xA9"
                                                   "a b"),
                                          "f");
  EXPECT_EQ(text.vocabulary(), (Vocabulary{" ", "a", "b", "\xC3\xA9"}));
  EXPECT_EQ(numbers(text), (Words{2, 3, 1, 0, 2}));
}

TEST(Text, TakesMoreThanABytefulOfCharacters) {
  std::string all;
  for (uint32_t code = 0x100; code < 0x300; ++code) all += utf8_text(code);
  TextFile text = TextFile::of_characters(bytes_of(all), "f");
  ASSERT_EQ(text.length(), 0x200);
  for (int64_t i = 0; i < text.length(); ++i) EXPECT_EQ(text.number(i), static_cast<uint32_t>(i));
}

TEST(Text, NamesTheByteOfWhatItDoesNotKnow) {
  EXPECT_EQ(error_of([] {
              TextFile::of_characters(bytes_of("ab\xFF"
                                               "c"),
                                      "f");
            }),
            "f: byte 2: no UTF-8");
  EXPECT_EQ(numbers(TextFile::of_characters(bytes_of("ba"), "f", {"b", "x", "a"})), (Words{0, 2}));
  EXPECT_EQ(error_of([] { TextFile::of_characters(bytes_of("abc"), "f", {"b", "a"}); }),
            "f: byte 2: `c` is a character that training did not see");
  EXPECT_EQ(error_of([] { TextFile::of_characters(bytes_of("a"), "f", {"\xFF"}); }),
            "f: its vocabulary: byte 0: no UTF-8");
}

TEST(Text, CutsWindows) {
  auto text = std::make_shared<TextFile>(TextFile::of_bytes(bytes_of("\1\2\3\4\5\6"), "f"));
  auto left = make_text_windows(text, 3, 2, 0, 2), right = make_text_windows(text, 3, 2, 1, 3);
  EXPECT_EQ(left->rows(), 2);
  EXPECT_EQ(left->row_sizes(), Sizes{2});
  EXPECT_EQ(row(*left, 1), (Numbers{3, 4}));
  EXPECT_EQ(row(*right, 1), (Numbers{4, 5}));
  EXPECT_EQ(right->place(1, 1), "f: character 5");
  EXPECT_EQ(make_text_windows(text, 3, 1, 0, 3)->rows(), 4);
  EXPECT_EQ(make_text_windows(text, 6, 1, 0, 6)->rows(), 1);
}

TEST(Text, RefusesWindowsThatDoNotFit) {
  auto text = std::make_shared<TextFile>(TextFile::of_bytes(bytes_of("abc"), "f"));
  auto error = [&](int64_t window, int64_t stride, int64_t from, int64_t to) {
    return error_of([&] { make_text_windows(text, window, stride, from, to); });
  };
  EXPECT_EQ(error(4, 1, 0, 4), "f: 3 long, shorter than a window of 4");
  EXPECT_EQ(error(0, 1, 0, 1), "f: a window of 0 by 1, expected 1 or more");
  EXPECT_EQ(error(2, 0, 0, 1), "f: a window of 2 by 0, expected 1 or more");
  EXPECT_EQ(error(2, 1, 0, 3), "f: [0:3] of a window of 2");
  EXPECT_EQ(error(2, 1, 1, 1), "f: [1:1] of a window of 2");
  EXPECT_EQ(error(2, 1, -1, 1), "f: [-1:1] of a window of 2");
}

TEST(TableWindows, PutTimeFirst) {
  auto table = std::make_shared<CsvTable>(bytes_of("a,b\n1,10\n2,20\n3,30\n4,40\n"), "t");
  auto both = make_table_windows(table, {1, 0}, false, 3, 1, 0, 2);
  EXPECT_EQ(both->rows(), 2);
  EXPECT_EQ(both->row_sizes(), (Sizes{2, 2}));
  EXPECT_EQ(row(*both, 1), (Numbers{20, 2, 30, 3}));
  EXPECT_EQ(both->place(1, 2), "t: row 3 (line 4), column `b`");
  auto last = make_table_windows(table, {0}, true, 3, 1, 2, 3);
  EXPECT_EQ(last->row_sizes(), Sizes{1});
  EXPECT_EQ(row(*last, 0), Numbers{3});
}

TEST(Dataset, KeepsOverlappingWindowsOnce) {
  auto text = std::make_shared<TextFile>(TextFile::of_bytes(bytes_of("abcdefghij"), "f"));
  auto input = [&](int64_t window, int64_t stride, int64_t from, int64_t to) {
    DataNode node;
    node.kind = DataNode::Kind::Source;
    node.source = make_text_windows(text, window, stride, from, to);
    return evaluate_input("x", DataExpression("x", node), {}, ElementKind::Int32);
  };
  auto rows_of = [](const InputArray& array, Rows rows) {
    Dataset data;
    data.add("x", array);
    std::vector<int32_t> out(rows.size() * static_cast<size_t>(array.row_bytes) / 4);
    data.gather("x", rows, std::as_writable_bytes(std::span(out)));
    return std::string(out.begin(), out.end());
  };
  InputArray near = input(5, 1, 0, 4), far = input(5, 4, 1, 5);
  EXPECT_EQ(near.bytes.size(), 9u * 4);
  EXPECT_EQ(rows_of(near, {0, 3, 5}), "abcddefgfghi");
  EXPECT_EQ(rows_of(input(3, 2, 0, 3), {0, 1, 3}), "abccdeghi");
  EXPECT_EQ(rows_of(input(5, 5, 1, 3), {0, 1}), "bcgh");
  near.append(far);  // rows of other steps behind the six
  EXPECT_EQ(rows_of(near, {5, 6, 7, 0}), "fghibcdefghiabcd");
}

}  // namespace
}  // namespace gradus::runtime
