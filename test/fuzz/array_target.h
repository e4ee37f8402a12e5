// Reads the first and the last rows of an array: what lies outside its bytes is seen there.
#pragma once

#include <memory>

#include "fuzz/targets.h"
#include "runtime/data/source.h"
#include "runtime/file_error.h"

namespace gradus::fuzz {

using ReadArray = std::unique_ptr<runtime::RowSource> (*)(runtime::Bytes, std::string);

inline void fuzz_array(ReadArray read, Input input) {
  try {
    auto source = read({input.begin(), input.end()}, "array");
    auto bytes = static_cast<int64_t>(input.size());
    require(source->rows() >= 1 && source->width() >= 1, "an array has rows");
    require(source->rows() * source->width() <= bytes, "an element takes a byte at least");
    std::vector<double> row(static_cast<size_t>(source->width()));
    for (int64_t i : {int64_t{0}, source->rows() / 2, source->rows() - 1}) {
      source->read(i, row.data());
      source->place(i, source->width() - 1);
    }
  } catch (const runtime::FileError&) {
    // Refused with a message.
  }
}

}  // namespace gradus::fuzz
