// UTF-8, read one character at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace gradus::runtime {

/// The code point at `at`, which moves behind it; nothing where the bytes are no UTF-8 (overlong
/// forms and surrogates are none).
std::optional<uint32_t> next_code_point(std::span<const uint8_t> bytes, size_t& at);

std::string utf8_text(uint32_t code_point);

}  // namespace gradus::runtime
