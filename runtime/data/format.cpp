// Magic numbers as the formats' authors published them.
#include "runtime/data/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace gradus::runtime {

namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view bytes;
  const char* format;
};
constexpr Magic kMagics[] = {
    {"\x93NUMPY"sv, "an .npy file of NumPy"},
    {"\x1F\x8B"sv, "a gzip stream"},
    {"\x89HDF\r\n"sv, "an HDF5 file"},
    {"PAR1"sv, "a Parquet file"},
    {"\x89PNG"sv, "a PNG picture"},
    {"\xFF\xD8\xFF"sv, "a JPEG picture"},
    {"BZh"sv, "a bzip2 stream"},
    {"\xFD"
     "7zXZ"sv,
     "an xz stream"},
    {"\x28\xB5\x2F\xFD"sv, "a Zstandard stream"},
    {"SQLite format 3"sv, "an SQLite database"},
    {"\x80\x02\x8A"sv, "a file of torch.save"},
};

/// A zip archive by what is in it.
const char* zip_kind(std::string_view text) {
  auto has = [&](std::string_view name) { return text.find(name) != text.npos; };
  if (has("/data.pkl") || has("/version")) return "a file of torch.save (zip)";
  if (has(".npy")) return "an .npz archive of NumPy (zip)";
  if (has("[Content_Types].xml") || has("xl/")) return "a spreadsheet (.xlsx); save it as CSV";
  return "a zip archive";
}

/// {"name":{"dtype":.. behind eight bytes of length.
bool is_safetensors(std::string_view text) {
  return text.size() > 16 && text.substr(8, 2) == "{\"" &&
         text.substr(0, 400).find("dtype") != text.npos;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return static_cast<unsigned char>(c) >= ' ' || c == '\n' || c == '\r' || c == '\t';
  });
}

}  // namespace

bool is_wide_text(std::span<const uint8_t> bytes) {
  if (bytes.size() < 2) return false;
  bool marked = (bytes[0] == 0xFF && bytes[1] == 0xFE) || (bytes[0] == 0xFE && bytes[1] == 0xFF);
  if (marked) return true;
  // ASCII in two bytes each: every other one is zero.
  size_t look = std::min<size_t>(bytes.size(), 64) / 2 * 2;
  if (look < 8) return false;
  for (size_t zero : {0, 1}) {
    bool wide = true;
    for (size_t i = 0; i < look; i += 2) wide &= bytes[i + zero] == 0 && bytes[i + 1 - zero] >= 9;
    if (wide) return true;
  }
  return false;
}

std::string describe_format(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return "an empty file";
  std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                        std::min<size_t>(bytes.size(), 4096));
  if (is_wide_text(bytes)) return "text in UTF-16";
  if (is_printable(text)) return "text";
  for (const Magic& magic : kMagics) {
    if (text.starts_with(magic.bytes)) return magic.format;
  }
  if (text.starts_with("PK\3\4")) return zip_kind(text);
  return is_safetensors(text) ? "a safetensors file" : "";
}

std::string looks_like(std::span<const uint8_t> bytes) {
  std::string format = describe_format(bytes);
  return format.empty() ? "" : ", it looks like " + format;
}

std::string wide_text_problem() {
  return "text in UTF-16, expected UTF-8; `iconv -f UTF-16 -t UTF-8` converts it";
}

}  // namespace gradus::runtime
