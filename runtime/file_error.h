// What is thrown where a file cannot be read or written, or does not hold what it should: the message
// names the file and the place in it.
#pragma once

#include <stdexcept>

namespace gradus::runtime {

class FileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace gradus::runtime
