// Arrays of elements in memory: how they are laid out, whatever the file around them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/data/source.h"

namespace gradus::runtime {

enum class Element { U8, I8, U16, I16, U32, I32, U64, I64, F16, F32, F64 };

struct ArrayLayout {
  size_t begin = 0;  // the byte of the first element
  Element element = Element::U8;
  bool big_endian = false;
  bool column_order = false;   // Fortran's: the first axis runs fastest
  std::vector<int64_t> sizes;  // the first axis counts rows
};

/// One element as a double.
double load_element(Element element, const uint8_t* at, bool big_endian);

/// Throws FileError where the sizes do not fit the bytes.
std::unique_ptr<RowSource> make_array(Bytes bytes, std::string name, ArrayLayout layout);

}  // namespace gradus::runtime
