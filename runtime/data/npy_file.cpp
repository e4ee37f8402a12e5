// NumPy's .npy files (NEP 1), and .npz, which are zip archives of them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "runtime/data/array_source.h"
#include "runtime/data/format.h"
#include "runtime/data/zip.h"
#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

/// The value of `'key': ` in the header's dictionary, up to the comma or bracket that ends it.
std::string_view header_value(std::string_view header, std::string_view key,
                              const std::string& name) {
  size_t at = header.find(fmt::format("'{}'", key));
  if (at == std::string_view::npos)
    throw FileError(FileProblem::Array, fmt::format("{}: the header has no '{}'", name, key));
  at = header.find(':', at);
  if (at == std::string_view::npos)
    throw FileError(FileProblem::Array,
                    fmt::format("{}: the header's '{}' has no value", name, key));
  std::string_view rest = header.substr(at + 1);
  size_t begin = rest.find_first_not_of(' ');
  if (begin == std::string_view::npos)
    throw FileError(FileProblem::Array,
                    fmt::format("{}: the header's '{}' has no value", name, key));
  rest.remove_prefix(begin);
  char close = rest.front() == '(' ? ')' : rest.front() == '\'' ? '\'' : ',';
  size_t end = rest.find(close, 1);
  if (end == std::string_view::npos)
    throw FileError(FileProblem::Array,
                    fmt::format("{}: the header's '{}' does not end", name, key));
  return rest.substr(0, end);
}

/// "'<f4": the order of bytes, then the kind and size of elements.
void read_descr(std::string_view descr, const std::string& name, ArrayLayout& layout) {
  static const std::map<std::string_view, Element> elements = {
      {"f2", Element::F16}, {"f4", Element::F32}, {"f8", Element::F64}, {"i1", Element::I8},
      {"i2", Element::I16}, {"i4", Element::I32}, {"i8", Element::I64}, {"u1", Element::U8},
      {"u2", Element::U16}, {"u4", Element::U32}, {"u8", Element::U64}, {"b1", Element::U8}};
  descr.remove_prefix(1);
  bool ordered =
      !descr.empty() && std::string_view("<>=|").find(descr[0]) != std::string_view::npos;
  auto found = ordered ? elements.find(descr.substr(1)) : elements.end();
  if (found == elements.end()) {
    throw FileError(
        FileProblem::Array,
        fmt::format(
            "{}: elements of '{}', expected f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8 or b1", name,
            descr));
  }
  layout.element = found->second;
  layout.big_endian = descr[0] == '>';
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
        throw FileError(FileProblem::Array,
                        fmt::format("{}: a size in its header is too large", name));
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
    throw FileError(FileProblem::Array,
                    fmt::format("{}: {} axes, at most 8 are read", name, sizes.size()));
  return sizes;
}

/// The archive's arrays: its members without ".npy".
std::map<std::string, ZipMember> arrays_of(const std::vector<ZipMember>& members) {
  std::map<std::string, ZipMember> arrays;
  for (const ZipMember& member : members) {
    if (!member.name.ends_with(".npy")) continue;
    arrays.emplace(member.name.substr(0, member.name.size() - 4), member);
  }
  return arrays;
}

}  // namespace

std::unique_ptr<RowSource> read_npy(Bytes bytes, std::string name) {
  if (bytes.size() < 10 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0) {
    throw FileError(FileProblem::Array,
                    fmt::format("{}: byte 0: no .npy file{}", name, looks_like(bytes)));
  }
  bool long_header = bytes[6] >= 2;
  if (bytes[6] < 1 || bytes[6] > 3 || (long_header && bytes.size() < 12)) {
    throw FileError(FileProblem::Array,
                    fmt::format("{}: byte 6: version {}, expected 1 to 3", name, bytes[6]));
  }
  size_t prefix = long_header ? 12 : 10;
  auto length = static_cast<size_t>(long_header ? load_element(Element::U32, &bytes[8], false)
                                                : load_element(Element::U16, &bytes[8], false));
  if (length > bytes.size() - prefix) {
    throw FileError(FileProblem::Array,
                    fmt::format("{}: byte 8: a header of {} bytes, the file has {}", name, length,
                                bytes.size() - prefix));
  }
  std::string_view header(reinterpret_cast<const char*>(bytes.data()) + prefix, length);
  ArrayLayout layout;
  layout.begin = prefix + length;
  read_descr(header_value(header, "descr", name), name, layout);
  layout.column_order = header_value(header, "fortran_order", name).substr(0, 4) == "True";
  std::string_view shape = header_value(header, "shape", name);
  if (shape.front() != '(')
    throw FileError(FileProblem::Array, fmt::format("{}: shape `{}` of its header", name, shape));
  layout.sizes = npy_sizes(shape, name);
  return make_array(std::move(bytes), std::move(name), layout);
}

std::unique_ptr<RowSource> read_npz(const Bytes& bytes, const std::string& name,
                                    const std::string& array, const std::string& input) {
  std::map<std::string, ZipMember> arrays = arrays_of(zip_members(bytes, name));
  auto found = arrays.find(array.empty() && arrays.size() > 1 ? input : array);
  if (array.empty() && arrays.size() == 1) found = arrays.begin();
  if (found == arrays.end()) {
    std::vector<std::string> names;
    for (const auto& [key, member] : arrays) names.push_back("`" + key + "`");
    throw FileError(
        FileProblem::Array,
        fmt::format("{}: {}{}", name,
                    names.empty()   ? "an archive without arrays of NumPy" + looks_like(bytes)
                    : array.empty() ? "several arrays; `array:` chooses one of "
                                    : fmt::format("no array `{}`; it has ", array),
                    fmt::join(names, ", ")));
  }
  return read_npy(unpack_member(bytes, found->second, name),
                  fmt::format("{}: {}", name, found->first));
}

}  // namespace gradus::runtime
