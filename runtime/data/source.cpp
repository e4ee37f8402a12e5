// What all sources share.
#include "runtime/data/source.h"

#include <fmt/format.h>

#include "runtime/file_error.h"

namespace gradus::runtime {

std::string RowSource::text(int64_t row) const {
  throw FileError(FileProblem::Table, fmt::format("{}: there is no text here", place(row, 0)));
}

int64_t RowSource::width() const {
  int64_t product = 1;
  for (int64_t size : row_sizes()) product *= size;
  return product;
}

// Groups of axes with one product are paired off from the left; within a pair one side is a single
// axis.
bool same_order(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  std::vector<int64_t> left = a, right = b;
  std::erase(left, 1);
  std::erase(right, 1);
  size_t i = 0, j = 0;
  while (i < left.size() && j < right.size()) {
    size_t i_begin = i, j_begin = j;
    int64_t p = left[i++], q = right[j++];
    while (p != q) {
      if (p < q && i < left.size())
        p *= left[i++];
      else if (q < p && j < right.size())
        q *= right[j++];
      else
        return false;
    }
    if (i - i_begin > 1 && j - j_begin > 1) return false;
  }
  return i == left.size() && j == right.size();
}

}  // namespace gradus::runtime
