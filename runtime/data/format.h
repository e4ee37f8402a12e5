// What a file looks like, from its first bytes: for messages where another format was expected.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace gradus::runtime {

/// "an empty file", "an .npz archive of NumPy (zip)", "text in UTF-16" ..; empty where the bytes
/// look like nothing known.
std::string describe_format(std::span<const uint8_t> bytes);

/// Whether the bytes begin with the marks of UTF-16 or UTF-32, or have its zeros.
bool is_wide_text(std::span<const uint8_t> bytes);

/// ", it looks like an empty file"; empty where describe_format() is.
std::string looks_like(std::span<const uint8_t> bytes);

/// "text in UTF-16, expected UTF-8; `iconv -f UTF-16 -t UTF-8` converts it": for text that is read
/// as UTF-8.
std::string wide_text_problem();

}  // namespace gradus::runtime
