// Text to a standard stream. fmt::print throws where the stream takes no more (a full disk, a closed pipe);
// here that is left in the stream's error flag, which the program looks at once, at its end: a run does
// not end because nobody reads what it says.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace gradus {

template <typename... T>
void print_to(std::FILE* stream, fmt::format_string<T...> format, T&&... values) {
  const std::string text = fmt::format(format, std::forward<T>(values)...);
  // What did not arrive is in ferror(stream).
  static_cast<void>(std::fwrite(text.data(), 1, text.size(), stream));
}

template <typename... T>
void print_out(fmt::format_string<T...> format, T&&... values) {
  print_to(stdout, format, std::forward<T>(values)...);
}

template <typename... T>
void print_error(fmt::format_string<T...> format, T&&... values) {
  print_to(stderr, format, std::forward<T>(values)...);
}

namespace runtime {

/// A terminal that knows colours and moves its cursor: TERM=dumb says that it does not.
inline bool takes_escape_codes(std::FILE* stream) {
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal != nullptr && std::string_view(terminal) == "dumb";
  return !dumb && ::isatty(::fileno(stream)) != 0;
}

}  // namespace runtime

}  // namespace gradus
