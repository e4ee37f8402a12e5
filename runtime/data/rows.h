// Numbers of rows in order: a list of them, or a stretch, which takes no memory however long it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace gradus::runtime {

class Rows {
 public:
  Rows() = default;
  Rows(std::vector<int64_t> list) : size_(list.size()), list_(std::move(list)) {}
  Rows(std::initializer_list<int64_t> list) : Rows(std::vector<int64_t>(list)) {}
  /// begin, begin + step .. below end
  static Rows stretch(int64_t begin, int64_t end, int64_t step = 1) {
    Rows rows;
    rows.begin_ = begin;
    rows.step_ = step;
    rows.size_ = begin < end ? static_cast<size_t>((end - begin - 1) / step + 1) : 0;
    return rows;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t operator[](size_t i) const {
    return list_.empty() ? begin_ + static_cast<int64_t>(i) * step_ : list_[i];
  }
  std::vector<int64_t> list() const {
    std::vector<int64_t> out(size_);
    for (size_t i = 0; i < size_; ++i) out[i] = (*this)[i];
    return out;
  }
  friend bool operator==(const Rows& a, const Rows& b) { return a.list() == b.list(); }

 private:
  int64_t begin_ = 0, step_ = 1;
  size_t size_ = 0;
  std::vector<int64_t> list_;  // empty for a stretch
};

}  // namespace gradus::runtime
