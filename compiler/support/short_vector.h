// A vector whose first elements stand in place: for short lists of plain values that are made
// often. It is a contiguous range, which that of Boost 1.74 is not for std::span.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

namespace gradus {

/// Allocates nothing for up to `InPlace` elements. Elements are copied as bytes.
template <typename T, size_t InPlace>
class ShortVector {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;
  using reference = T&;
  using const_reference = const T&;

  ShortVector() = default;
  explicit ShortVector(size_t size, const T& value = T()) { resize(size, value); }
  template <std::input_iterator Iterator>
  ShortVector(Iterator first, Iterator last) {
    for (; first != last; ++first) push_back(*first);
  }
  ShortVector(const ShortVector& other) { copy(other); }
  ShortVector(ShortVector&& other) noexcept { take(other); }
  ShortVector& operator=(const ShortVector& other) {
    if (this != &other) copy(other);
    return *this;
  }
  ShortVector& operator=(ShortVector&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }
  ~ShortVector() = default;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return more_ ? more_.get() : reinterpret_cast<T*>(in_place_); }
  const T* data() const { return more_ ? more_.get() : reinterpret_cast<const T*>(in_place_); }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  T& back() { return data()[size_ - 1]; }
  const T& back() const { return data()[size_ - 1]; }

  void push_back(const T& value) {
    const T kept = value;  // it may be one of the elements
    reserve(size_ + 1);
    data()[size_++] = kept;
  }
  void insert(const T* before, const T& value) {
    const auto place = before - data();
    push_back(value);
    std::rotate(begin() + place, end() - 1, end());
  }
  void erase(const T* first, const T* last) {
    std::copy(last, static_cast<const T*>(end()), begin() + (first - data()));
    size_ -= static_cast<size_t>(last - first);
  }
  void resize(size_t size, const T& value = T()) {
    const T kept = value;  // it may be one of the elements
    reserve(size);
    if (size > size_) std::fill(end(), data() + size, kept);
    size_ = size;
  }
  void reserve(size_t capacity) {
    if (capacity <= capacity_) return;
    capacity = std::max(capacity, 2 * capacity_);
    std::unique_ptr<T[]> grown(new T[capacity]);
    std::copy(begin(), end(), grown.get());
    more_ = std::move(grown);
    capacity_ = capacity;
  }
  friend bool operator==(const ShortVector& a, const ShortVector& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  void copy(const ShortVector& other) {
    size_ = 0;
    reserve(other.size_);
    std::copy(other.begin(), other.end(), data());
    size_ = other.size_;
  }
  /// What stands in place is copied, what does not changes hands.
  void take(ShortVector& other) {
    if (!other.more_) return copy(other);
    more_ = std::move(other.more_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, InPlace);
  }

  alignas(T) std::byte in_place_[InPlace * sizeof(T)];
  std::unique_ptr<T[]> more_;  // all elements, once there are more than fit in place
  size_t size_ = 0;
  size_t capacity_ = InPlace;
};

}  // namespace gradus
