// GRADUS_CHECK: what must hold if this program is right. A failed check is our bug, never the user's:
// it throws InternalError, which the driver turns into exit code 70 with the pass and graph at hand.
#pragma once

#include <stdexcept>
#include <string>

namespace gradus {

class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& message);

}  // namespace gradus

/// GRADUS_CHECK(condition, message): message is a std::string (built with fmt::format where useful).
#define GRADUS_CHECK(condition, message)                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      ::gradus::check_failed(__FILE__, __LINE__, #condition, message);         \
    }                                                                          \
  } while (false)
