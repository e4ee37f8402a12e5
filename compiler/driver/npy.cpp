// Both formats as text and bytes in memory; the caller writes them whole.
#include "driver/npy.h"

#include <fmt/format.h>

#include "pipeline/random_data.h"

namespace gradus::driver {

namespace {

std::string element_text(DType dtype, const std::byte* data, int64_t index) {
  double value = pipeline::load_element(dtype, data, index);
  if (!is_float(dtype)) return fmt::format("{}", static_cast<int64_t>(value));
  return dtype == DType::F32 ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value);
}

}  // namespace

std::string npy_bytes(DType dtype, const std::vector<int64_t>& sizes, std::span<const std::byte> data) {
  std::string shape;
  for (int64_t size : sizes) shape += fmt::format("{},", size);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", dtype_def(dtype).npy, shape);
  constexpr size_t kPrefix = 10, kAlign = 64;
  header.append((kAlign - (kPrefix + header.size() + 1) % kAlign) % kAlign, ' ');
  header += '\n';
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(header.size() & 0xFF);
  out += static_cast<char>(header.size() >> 8);
  out += header;
  out.append(reinterpret_cast<const char*>(data.data()), data.size());
  return out;
}

std::string csv_bytes(const std::vector<CsvColumn>& columns, int64_t rows) {
  std::string out;
  for (const CsvColumn& column : columns) {
    for (int64_t i = 0; i < column.width; ++i) {
      out += out.empty() ? "" : ",";
      out += column.width == 1 ? column.name : fmt::format("{}.{}", column.name, i);
    }
  }
  out += '\n';
  for (int64_t row = 0; row < rows; ++row) {
    bool first = true;
    for (const CsvColumn& column : columns) {
      for (int64_t i = 0; i < column.width; ++i) {
        if (!first) out += ',';
        first = false;
        out += element_text(column.dtype, column.data.data(), row * column.width + i);
      }
    }
    out += '\n';
  }
  return out;
}

}  // namespace gradus::driver
