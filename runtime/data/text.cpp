// Two passes over the bytes: the first finds which characters there are, the second numbers them in
// as few bytes as their count needs.
#include "runtime/data/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "runtime/data/format.h"
#include "runtime/data/utf8.h"
#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

/// Calls `take(code point, byte)` for each character.
template <typename F>
void each_character(const Bytes& bytes, const std::string& name, F take) {
  if (is_wide_text(bytes)) throw FileError(fmt::format("{}: {}", name, wide_text_problem()));
  for (size_t at = 0; at < bytes.size();) {
    size_t begin = at;
    std::optional<uint32_t> code = next_code_point(bytes, at);
    if (!code) throw FileError(fmt::format("{}: byte {}: no UTF-8", name, begin));
    take(*code, begin);
  }
}

int64_t windows_in(int64_t length, int64_t window, int64_t stride, const std::string& name) {
  if (window < 1 || stride < 1) {
    throw FileError(
        fmt::format("{}: a window of {} by {}, expected 1 or more", name, window, stride));
  }
  if (length == 0) throw FileError(fmt::format("{}: an empty file, expected a text", name));
  if (length < window) {
    throw FileError(fmt::format("{}: {} long, shorter than a window of {}", name, length, window));
  }
  return (length - window) / stride + 1;
}

void check_range(int64_t window, int64_t from, int64_t to, const std::string& name) {
  if (from < 0 || from >= to || to > window) {
    throw FileError(fmt::format("{}: [{}:{}] of a window of {}", name, from, to, window));
  }
}

class TextWindows : public RowSource {
 public:
  TextWindows(std::shared_ptr<const TextFile> text, int64_t rows, int64_t stride, int64_t from,
              int64_t to)
      : text_(std::move(text)), rows_(rows), stride_(stride), from_(from), to_(to) {}

  int64_t rows() const override { return rows_; }
  std::vector<int64_t> row_sizes() const override { return {to_ - from_}; }
  void read(int64_t row, double* to) const override {
    for (int64_t i = from_; i < to_; ++i) *to++ = text_->number(row * stride_ + i);
  }
  int64_t row_step() const override { return std::min(stride_, to_ - from_); }
  int64_t columns() const override { return 1; }
  std::string place(int64_t row, int64_t element) const override {
    return fmt::format("{}: character {}", text_->name(), row * stride_ + from_ + element + 1);
  }

 private:
  std::shared_ptr<const TextFile> text_;
  int64_t rows_, stride_, from_, to_;
};

class TableWindows : public RowSource {
 public:
  TableWindows(std::unique_ptr<RowSource> rows_of_table, int64_t rows, int64_t stride, int64_t from,
               int64_t to)
      : table_(std::move(rows_of_table)), rows_(rows), stride_(stride), from_(from), to_(to) {}

  int64_t rows() const override { return rows_; }
  std::vector<int64_t> row_sizes() const override {
    std::vector<int64_t> sizes = table_->row_sizes();
    sizes.insert(sizes.begin(), to_ - from_);
    return sizes;
  }
  void read(int64_t row, double* to) const override {
    int64_t width = table_->width();
    for (int64_t i = from_; i < to_; ++i) table_->read(row * stride_ + i, to + (i - from_) * width);
  }
  int64_t columns() const override { return table_->width(); }
  std::string place(int64_t row, int64_t element) const override {
    int64_t width = table_->width();
    return table_->place(row * stride_ + from_ + element / width, element % width);
  }

 private:
  std::unique_ptr<RowSource> table_;
  int64_t rows_, stride_, from_, to_;
};

}  // namespace

TextFile TextFile::of_bytes(Bytes bytes, std::string name) {
  TextFile text;
  text.numbers_ = std::move(bytes);
  text.name_ = std::move(name);
  return text;
}

TextFile TextFile::of_characters(Bytes bytes, std::string name) {
  std::set<uint32_t> seen;
  each_character(bytes, name, [&](uint32_t code, size_t) { seen.insert(code); });
  Vocabulary vocabulary;
  for (uint32_t code : seen) vocabulary.push_back(utf8_text(code));
  return of_characters(std::move(bytes), std::move(name), vocabulary);
}

TextFile TextFile::of_characters(Bytes bytes, std::string name, const Vocabulary& vocabulary) {
  std::map<uint32_t, uint32_t> numbers;
  for (size_t i = 0; i < vocabulary.size(); ++i) {
    Bytes character(vocabulary[i].begin(), vocabulary[i].end());
    each_character(character, name + ": its vocabulary",
                   [&](uint32_t code, size_t) { numbers.emplace(code, static_cast<uint32_t>(i)); });
  }
  TextFile text;
  text.width_ = vocabulary.size() <= 0x100 ? 1 : vocabulary.size() <= 0x10000 ? 2 : 4;
  size_t characters = 0;
  each_character(bytes, name, [&](uint32_t, size_t) { ++characters; });
  text.numbers_.reserve(characters * text.width_);
  each_character(bytes, name, [&](uint32_t code, size_t byte) {
    auto found = numbers.find(code);
    if (found == numbers.end()) {
      throw FileError(fmt::format("{}: byte {}: `{}` is a character that training did not see",
                                  name, byte, utf8_text(code)));
    }
    for (size_t i = 0; i < text.width_; ++i) {
      text.numbers_.push_back(static_cast<uint8_t>(found->second >> (8 * i)));
    }
  });
  text.vocabulary_ = vocabulary;
  text.name_ = std::move(name);
  return text;
}

uint32_t TextFile::number(int64_t at) const {
  uint32_t value = 0;
  for (size_t i = 0; i < width_; ++i) {
    value |= static_cast<uint32_t>(numbers_[static_cast<size_t>(at) * width_ + i]) << (8 * i);
  }
  return value;
}

std::unique_ptr<RowSource> make_text_windows(std::shared_ptr<const TextFile> text, int64_t window,
                                             int64_t stride, int64_t from, int64_t to) {
  int64_t rows = windows_in(text->length(), window, stride, text->name());
  check_range(window, from, to, text->name());
  return std::make_unique<TextWindows>(std::move(text), rows, stride, from, to);
}

std::unique_ptr<RowSource> make_table_windows(std::shared_ptr<const CsvTable> table,
                                              std::vector<int64_t> columns, bool single,
                                              int64_t window, int64_t stride, int64_t from,
                                              int64_t to) {
  int64_t rows = windows_in(table->rows(), window, stride, table->name());
  check_range(window, from, to, table->name());
  auto rows_of_table = make_columns(std::move(table), std::move(columns), single);
  return std::make_unique<TableWindows>(std::move(rows_of_table), rows, stride, from, to);
}

}  // namespace gradus::runtime
