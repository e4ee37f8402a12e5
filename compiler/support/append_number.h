// Numbers in keys: strings of bytes that are equal exactly where what they stand for is.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

namespace gradus {

/// Most numbers are small: a byte each makes short keys. What is appended is no start of what
/// another number appends.
inline void append_number(std::string& key, int64_t number) {
  constexpr int64_t kLarge = 0xff;
  const bool small = number >= 0 && number < kLarge;
  key += static_cast<char>(small ? number : kLarge);
  if (small) return;
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  key.append(bytes, sizeof bytes);
}

}  // namespace gradus
