// Arrays out: NumPy's .npy, or CSV.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tensor/type.h"

namespace gradus::driver {

/// The bytes of an .npy file, version 1, C order.
std::string npy_bytes(DType dtype, const std::vector<int64_t>& sizes, std::span<const std::byte> data);

/// Several arrays with the same number of rows side by side: a header, then a line a row.
struct CsvColumn {
  std::string name;
  DType dtype = DType::F32;
  int64_t width = 1;  // numbers a row
  std::span<const std::byte> data;
};
std::string csv_bytes(const std::vector<CsvColumn>& columns, int64_t rows);

}  // namespace gradus::driver
