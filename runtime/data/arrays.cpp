// IDX and .npy: a declared size is held against the file's size before anything is read.
#include <fmt/format.h>

#include <cstring>
#include <map>

#include "runtime/data/source.h"
#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

enum class Element { U8, I8, I16, I32, I64, F32, F64 };

int64_t element_size(Element element) {
  switch (element) {
    case Element::U8:
    case Element::I8:
      return 1;
    case Element::I16:
      return 2;
    case Element::I32:
    case Element::F32:
      return 4;
    case Element::I64:
    case Element::F64:
      return 8;
  }
  return 1;
}

template <typename T>
double load(const uint8_t* at, bool big_endian) {
  uint8_t bytes[sizeof(T)];
  for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = at[big_endian ? sizeof(T) - 1 - i : i];
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return static_cast<double>(value);
}

template <typename T>
void load_row(const uint8_t* at, bool big_endian, int64_t count, double* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = load<T>(at + i * int64_t{sizeof(T)}, big_endian);
}

void load_elements(Element element, const uint8_t* at, bool big_endian, int64_t count, double* to) {
  switch (element) {
    case Element::U8:
      return load_row<uint8_t>(at, big_endian, count, to);
    case Element::I8:
      return load_row<int8_t>(at, big_endian, count, to);
    case Element::I16:
      return load_row<int16_t>(at, big_endian, count, to);
    case Element::I32:
      return load_row<int32_t>(at, big_endian, count, to);
    case Element::I64:
      return load_row<int64_t>(at, big_endian, count, to);
    case Element::F32:
      return load_row<float>(at, big_endian, count, to);
    case Element::F64:
      return load_row<double>(at, big_endian, count, to);
  }
}

/// Elements in row-major order from byte `begin` on.
class ArraySource : public RowSource {
 public:
  ArraySource(Bytes bytes, std::string name, size_t begin, Element element, bool big_endian,
              std::vector<int64_t> sizes)
      : bytes_(std::move(bytes)),
        name_(std::move(name)),
        begin_(begin),
        element_(element),
        big_endian_(big_endian),
        sizes_(std::move(sizes)) {
    check_size();
  }

  int64_t rows() const override { return sizes_[0]; }
  std::vector<int64_t> row_sizes() const override { return {sizes_.begin() + 1, sizes_.end()}; }
  void read(int64_t row, double* to) const override {
    const uint8_t* at = bytes_.data() + begin_ + row * row_width_ * element_size(element_);
    load_elements(element_, at, big_endian_, row_width_, to);
  }
  std::string place(int64_t row, int64_t element) const override {
    return fmt::format("{}: row {}, element {}", name_, row + 1, element);
  }

 private:
  void check_size() {
    if (sizes_.empty()) throw FileError(FileProblem::Array, fmt::format("{}: a single number, expected rows", name_));
    int64_t count = 1;
    for (int64_t size : sizes_) {
      if (size < 1 || __builtin_mul_overflow(count, size, &count)) {
        throw FileError(FileProblem::Array, fmt::format("{}: a size of {} in its header", name_, size));
      }
    }
    int64_t bytes = 0;
    bool overflow = __builtin_mul_overflow(count, element_size(element_), &bytes);
    auto have = static_cast<int64_t>(bytes_.size() - begin_);
    if (overflow || bytes != have) {
      throw FileError(FileProblem::Array, fmt::format(
          "{}: byte {}: the header declares {} elements of {} bytes, the file has {} bytes", name_,
          begin_, count, element_size(element_), have));
    }
    row_width_ = count / sizes_[0];
  }

  Bytes bytes_;
  std::string name_;
  size_t begin_;
  Element element_;
  bool big_endian_;
  std::vector<int64_t> sizes_;
  int64_t row_width_ = 1;
};

class Linspace : public RowSource {
 public:
  Linspace(double from, double to, int64_t count) : from_(from), to_(to), count_(count) {}
  int64_t rows() const override { return count_; }
  std::vector<int64_t> row_sizes() const override { return {1}; }
  void read(int64_t row, double* to) const override {
    // Neither end is rounded.
    double share = row == 0 ? 0 : static_cast<double>(row) / static_cast<double>(count_ - 1);
    *to = share == 1 ? to_ : from_ + (to_ - from_) * share;
  }
  std::string place(int64_t row, int64_t) const override {
    return fmt::format("point {} of linspace", row + 1);
  }

 private:
  double from_, to_;
  int64_t count_;
};

/// The value of `'key': ` in the header's dictionary, up to the comma or bracket that ends it.
std::string_view header_value(std::string_view header, std::string_view key,
                              const std::string& name) {
  size_t at = header.find(fmt::format("'{}'", key));
  if (at == std::string_view::npos)
    throw FileError(FileProblem::Array, fmt::format("{}: the header has no '{}'", name, key));
  at = header.find(':', at);
  if (at == std::string_view::npos)
    throw FileError(FileProblem::Array, fmt::format("{}: the header's '{}' has no value", name, key));
  std::string_view rest = header.substr(at + 1);
  size_t begin = rest.find_first_not_of(' ');
  if (begin == std::string_view::npos)
    throw FileError(FileProblem::Array, fmt::format("{}: the header's '{}' has no value", name, key));
  rest.remove_prefix(begin);
  char close = rest.front() == '(' ? ')' : rest.front() == '\'' ? '\'' : ',';
  size_t end = rest.find(close, 1);
  if (end == std::string_view::npos)
    throw FileError(FileProblem::Array, fmt::format("{}: the header's '{}' does not end", name, key));
  return rest.substr(0, end);
}

Element npy_element(std::string_view descr, const std::string& name) {
  static const std::map<std::string_view, Element> elements = {
      {"<f4", Element::F32}, {"<f8", Element::F64}, {"<i2", Element::I16}, {"<i4", Element::I32},
      {"<i8", Element::I64}, {"|i1", Element::I8},  {"|u1", Element::U8},  {"|b1", Element::U8}};
  descr.remove_prefix(1);
  auto found = elements.find(descr);
  if (found == elements.end()) {
    throw FileError(FileProblem::Array, fmt::format(
        "{}: elements of '{}', expected f4, f8, i1, i2, i4, i8, u1 or b1, little-endian", name,
        descr));
  }
  return found->second;
}

std::vector<int64_t> npy_sizes(std::string_view tuple, const std::string& name) {
  std::vector<int64_t> sizes;
  int64_t value = 0;
  bool digits = false;
  for (char c : tuple.substr(1)) {
    if (c >= '0' && c <= '9') {
      digits = true;
      if (__builtin_mul_overflow(value, 10, &value) ||
          __builtin_add_overflow(value, c - '0', &value)) {
        throw FileError(FileProblem::Array, fmt::format("{}: a size in its header is too large", name));
      }
    } else if (c == ',' && digits) {
      sizes.push_back(value);
      value = 0;
      digits = false;
    } else if (c != ' ' || digits) {
      throw FileError(FileProblem::Array, fmt::format("{}: shape `{}` of its header", name, tuple));
    }
  }
  if (digits) sizes.push_back(value);
  if (sizes.size() > 8)
    throw FileError(FileProblem::Array, fmt::format("{}: {} axes, at most 8 are read", name, sizes.size()));
  return sizes;
}

}  // namespace

std::unique_ptr<RowSource> read_idx(Bytes bytes, std::string name) {
  static const std::map<uint8_t, Element> elements = {{0x08, Element::U8},  {0x09, Element::I8},
                                                      {0x0B, Element::I16}, {0x0C, Element::I32},
                                                      {0x0D, Element::F32}, {0x0E, Element::F64}};
  if (bytes.size() < 4 || bytes[0] != 0 || bytes[1] != 0)
    throw FileError(FileProblem::Array, fmt::format("{}: byte 0: no IDX file", name));
  auto element = elements.find(bytes[2]);
  if (element == elements.end())
    throw FileError(FileProblem::Array, fmt::format("{}: byte 2: no element type 0x{:02x}", name, bytes[2]));
  size_t rank = bytes[3];
  if (rank < 1 || rank > 8 || bytes.size() < 4 + 4 * rank) {
    throw FileError(FileProblem::Array, 
        fmt::format("{}: byte 3: {} axes, expected 1 to 8 with their sizes", name, rank));
  }
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < rank; ++i)
    sizes.push_back(static_cast<int64_t>(load<uint32_t>(&bytes[4 + 4 * i], true)));
  return std::make_unique<ArraySource>(std::move(bytes), std::move(name), 4 + 4 * rank,
                                       element->second, true, sizes);
}

std::unique_ptr<RowSource> read_npy(Bytes bytes, std::string name) {
  if (bytes.size() < 10 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0) {
    throw FileError(FileProblem::Array, fmt::format("{}: byte 0: no .npy file", name));
  }
  bool long_header = bytes[6] >= 2;
  if (bytes[6] < 1 || bytes[6] > 3 || (long_header && bytes.size() < 12)) {
    throw FileError(FileProblem::Array, fmt::format("{}: byte 6: version {}, expected 1 to 3", name, bytes[6]));
  }
  size_t prefix = long_header ? 12 : 10;
  auto length = static_cast<size_t>(long_header ? load<uint32_t>(&bytes[8], false)
                                                : load<uint16_t>(&bytes[8], false));
  if (length > bytes.size() - prefix) {
    throw FileError(FileProblem::Array, fmt::format("{}: byte 8: a header of {} bytes, the file has {}", name, length,
                                bytes.size() - prefix));
  }
  std::string_view header(reinterpret_cast<const char*>(bytes.data()) + prefix, length);
  Element element = npy_element(header_value(header, "descr", name), name);
  if (header_value(header, "fortran_order", name).substr(0, 5) != "False") {
    throw FileError(FileProblem::Array, 
        fmt::format("{}: stored in column order, expected row order (fortran_order False)", name));
  }
  std::string_view shape = header_value(header, "shape", name);
  if (shape.front() != '(')
    throw FileError(FileProblem::Array, fmt::format("{}: shape `{}` of its header", name, shape));
  std::vector<int64_t> sizes = npy_sizes(shape, name);
  return std::make_unique<ArraySource>(std::move(bytes), std::move(name), prefix + length, element,
                                       false, sizes);
}

std::unique_ptr<RowSource> make_linspace(double from, double to, int64_t count) {
  if (count < 1 || count > int64_t{1} << 31) {
    throw FileError(FileProblem::Array, 
        fmt::format("linspace of {} points, expected 1 to {}", count, int64_t{1} << 31));
  }
  return std::make_unique<Linspace>(from, to, count);
}

}  // namespace gradus::runtime
