// What is thrown where a file cannot be read or written, or does not hold what it should: the message
// names the file and the place in it.
#pragma once

#include <stdexcept>
#include <string>

namespace gradus::runtime {

/// What is wrong with a file, for those who sort messages.
enum class FileProblem {
  Content,     // it is not what it should be
  Unreadable,  // it cannot be opened or read
  Archive,     // its gzip stream is damaged
  Table,       // rows and cells of a CSV file
  Array,       // header or size of an IDX or .npy file
  Value,       // a single value: missing, no number, not finite, not whole
};

class FileError : public std::runtime_error {
 public:
  explicit FileError(const std::string& message) : FileError(FileProblem::Content, message) {}
  FileError(FileProblem problem, const std::string& message) : std::runtime_error(message), problem_(problem) {}
  FileProblem problem() const { return problem_; }

 private:
  FileProblem problem_;
};

}  // namespace gradus::runtime
