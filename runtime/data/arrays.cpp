// Arrays, IDX files and points on a line: a declared size is held against the file's size before
// anything is read.
#include <fmt/format.h>

#include <cstring>
#include <map>

#include "runtime/data/array_source.h"
#include "runtime/data/format.h"
#include "runtime/file_error.h"
#include "runtime/half.h"

namespace gradus::runtime {

namespace {

int64_t element_size(Element element) {
  switch (element) {
    case Element::U8:
    case Element::I8:
      return 1;
    case Element::U16:
    case Element::I16:
    case Element::F16:
      return 2;
    case Element::U32:
    case Element::I32:
    case Element::F32:
      return 4;
    case Element::U64:
    case Element::I64:
    case Element::F64:
      return 8;
  }
  return 1;
}

struct Half {
  uint16_t bits;
  explicit operator double() const { return widen_half(bits); }
};

template <typename T>
double load(const uint8_t* at, bool big_endian) {
  uint8_t bytes[sizeof(T)];
  for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = at[big_endian ? sizeof(T) - 1 - i : i];
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return static_cast<double>(value);
}

/// `count` elements from `at` on, each `step` behind the one before it.
template <typename T>
void load_each(const uint8_t* at, bool big_endian, int64_t count, int64_t step, double* to) {
  for (int64_t i = 0; i < count; ++i)
    to[i] = load<T>(at + i * step * int64_t{sizeof(T)}, big_endian);
}

void load_elements(Element element, const uint8_t* at, bool big_endian, int64_t count, int64_t step,
                   double* to) {
  switch (element) {
    case Element::U8:
      return load_each<uint8_t>(at, big_endian, count, step, to);
    case Element::I8:
      return load_each<int8_t>(at, big_endian, count, step, to);
    case Element::U16:
      return load_each<uint16_t>(at, big_endian, count, step, to);
    case Element::I16:
      return load_each<int16_t>(at, big_endian, count, step, to);
    case Element::U32:
      return load_each<uint32_t>(at, big_endian, count, step, to);
    case Element::I32:
      return load_each<int32_t>(at, big_endian, count, step, to);
    case Element::U64:
      return load_each<uint64_t>(at, big_endian, count, step, to);
    case Element::I64:
      return load_each<int64_t>(at, big_endian, count, step, to);
    case Element::F16:
      return load_each<Half>(at, big_endian, count, step, to);
    case Element::F32:
      return load_each<float>(at, big_endian, count, step, to);
    case Element::F64:
      return load_each<double>(at, big_endian, count, step, to);
  }
}

class ArraySource : public RowSource {
 public:
  ArraySource(Bytes bytes, std::string name, ArrayLayout layout)
      : bytes_(std::move(bytes)), name_(std::move(name)), layout_(std::move(layout)) {
    check_size();
  }

  int64_t rows() const override { return layout_.sizes[0]; }
  std::vector<int64_t> row_sizes() const override {
    return {layout_.sizes.begin() + 1, layout_.sizes.end()};
  }
  double rounding() const override {
    return layout_.element == Element::F32 ? 0x1p-24 : RowSource::rounding();
  }
  void read(int64_t row, double* to) const override {
    if (layout_.column_order) return read_column_order(row, to);
    load_elements(layout_.element, element_at(row * row_width_), layout_.big_endian, row_width_, 1,
                  to);
  }
  std::string place(int64_t row, int64_t element) const override {
    return fmt::format("{}: row {}, element {}", name_, row + 1, element);
  }

 private:
  const uint8_t* element_at(int64_t index) const {
    return bytes_.data() + layout_.begin + index * element_size(layout_.element);
  }

  /// Along the last axis, elements are the product of the other sizes apart.
  void read_column_order(int64_t row, double* to) const {
    const std::vector<int64_t>& sizes = layout_.sizes;
    const size_t rank = sizes.size();
    if (rank == 1)
      return load_elements(layout_.element, element_at(row), layout_.big_endian, 1, 1, to);
    const int64_t last = sizes.back(), step = rows() * row_width_ / last;
    std::vector<int64_t> index(rank - 1, 0);
    index[0] = row;
    for (int64_t done = 0; done < row_width_; done += last) {
      int64_t offset = 0;
      for (size_t axis = rank - 1; axis-- > 0;) offset = offset * sizes[axis] + index[axis];
      load_elements(layout_.element, element_at(offset), layout_.big_endian, last, step, to + done);
      for (size_t axis = rank - 1; axis-- > 1 && ++index[axis] == sizes[axis];) index[axis] = 0;
    }
  }

  void check_size() {
    if (layout_.sizes.empty()) {
      throw FileError(FileProblem::Array, fmt::format("{}: a single number, expected rows", name_));
    }
    const int64_t each = element_size(layout_.element);
    int64_t count = 1;
    for (int64_t size : layout_.sizes) {
      if (size < 1 || __builtin_mul_overflow(count, size, &count)) {
        throw FileError(FileProblem::Array, fmt::format("{}: a size of {} in its header", name_, size));
      }
    }
    int64_t bytes = 0;
    bool overflow = __builtin_mul_overflow(count, each, &bytes);
    auto have = static_cast<int64_t>(bytes_.size() - layout_.begin);
    if (overflow || bytes != have) {
      throw FileError(
          FileProblem::Array,
          fmt::format(
              "{}: byte {}: the header declares {} elements of {} bytes, the file has {} bytes",
              name_, layout_.begin, count, each, have));
    }
    row_width_ = count / layout_.sizes[0];
  }

  Bytes bytes_;
  std::string name_;
  ArrayLayout layout_;
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

}  // namespace

double load_element(Element element, const uint8_t* at, bool big_endian) {
  double value = 0;
  load_elements(element, at, big_endian, 1, 1, &value);
  return value;
}

std::unique_ptr<RowSource> make_array(Bytes bytes, std::string name, ArrayLayout layout) {
  return std::make_unique<ArraySource>(std::move(bytes), std::move(name), std::move(layout));
}

std::unique_ptr<RowSource> read_idx(Bytes bytes, std::string name) {
  static const std::map<uint8_t, Element> elements = {{0x08, Element::U8},  {0x09, Element::I8},
                                                      {0x0B, Element::I16}, {0x0C, Element::I32},
                                                      {0x0D, Element::F32}, {0x0E, Element::F64}};
  if (bytes.size() < 4 || bytes[0] != 0 || bytes[1] != 0)
    throw FileError(FileProblem::Array,
                    fmt::format("{}: byte 0: no IDX file{}", name, looks_like(bytes)));
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
    sizes.push_back(static_cast<int64_t>(load_element(Element::U32, &bytes[4 + 4 * i], true)));
  return make_array(
      std::move(bytes), std::move(name),
      {.begin = 4 + 4 * rank, .element = element->second, .big_endian = true, .sizes = sizes});
}

std::unique_ptr<RowSource> make_linspace(double from, double to, int64_t count) {
  if (count < 1 || count > int64_t{1} << 31) {
    throw FileError(FileProblem::Array, 
        fmt::format("linspace of {} points, expected 1 to {}", count, int64_t{1} << 31));
  }
  return std::make_unique<Linspace>(from, to, count);
}

}  // namespace gradus::runtime
