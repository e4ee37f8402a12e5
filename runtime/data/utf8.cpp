// RFC 3629.
#include "runtime/data/utf8.h"

namespace gradus::runtime {

std::optional<uint32_t> next_code_point(std::span<const uint8_t> bytes, size_t& at) {
  uint8_t lead = bytes[at];
  size_t more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  if ((lead >= 0x80 && lead < 0xC0) || lead >= 0xF8 || bytes.size() - at <= more)
    return std::nullopt;
  uint32_t code = more == 0 ? lead : lead & (0x3Fu >> more);
  for (size_t i = 1; i <= more; ++i) {
    if ((bytes[at + i] & 0xC0) != 0x80) return std::nullopt;
    code = code << 6 | (bytes[at + i] & 0x3Fu);
  }
  constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
  bool surrogate = code >= 0xD800 && code < 0xE000;
  if (code < kLeast[more] || code > 0x10FFFF || surrogate) return std::nullopt;
  at += more + 1;
  return code;
}

std::string utf8_text(uint32_t code_point) {
  auto part = [&](int shift) { return static_cast<char>(0x80 | (code_point >> shift & 0x3F)); };
  auto lead = [&](int mark, int shift) { return static_cast<char>(mark | code_point >> shift); };
  if (code_point < 0x80) return {lead(0, 0)};
  if (code_point < 0x800) return {lead(0xC0, 6), part(0)};
  if (code_point < 0x10000) return {lead(0xE0, 12), part(6), part(0)};
  return {lead(0xF0, 18), part(12), part(6), part(0)};
}

}  // namespace gradus::runtime
