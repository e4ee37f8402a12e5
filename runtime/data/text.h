// A text as numbers: its bytes, or its characters by their place in a vocabulary.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/data/source.h"

namespace gradus::runtime {

/// The characters that a text has, each once, by code point: a character's number is its place
/// here.
using Vocabulary = std::vector<std::string>;

class TextFile {
 public:
  /// Every byte is its own number, 0 to 255.
  static TextFile of_bytes(Bytes bytes, std::string name);
  /// Characters by their own sorted vocabulary, or by a saved one. Throws FileError with the byte
  /// where the text is not UTF-8, or has a character that the vocabulary lacks.
  static TextFile of_characters(Bytes bytes, std::string name);
  static TextFile of_characters(Bytes bytes, std::string name, const Vocabulary& vocabulary);

  int64_t length() const { return static_cast<int64_t>(numbers_.size() / width_); }
  uint32_t number(int64_t at) const;
  const Vocabulary& vocabulary() const { return vocabulary_; }  // empty for bytes
  const std::string& name() const { return name_; }

 private:
  Bytes numbers_;     // little-endian, `width_` bytes each
  size_t width_ = 1;  // 1 up to 256 characters, 2 or 4 beyond
  Vocabulary vocabulary_;
  std::string name_;
};

/// Stretches of `window` characters, `stride` apart; a row is what stands in [from, to) of one.
std::unique_ptr<RowSource> make_text_windows(std::shared_ptr<const TextFile> text, int64_t window,
                                             int64_t stride, int64_t from, int64_t to);

/// Stretches of `window` rows of a table, `stride` apart: time first, then the columns (no axis of
/// them where `single`).
std::unique_ptr<RowSource> make_table_windows(std::shared_ptr<const CsvTable> table,
                                              std::vector<int64_t> columns, bool single,
                                              int64_t window, int64_t stride, int64_t from,
                                              int64_t to);

}  // namespace gradus::runtime
