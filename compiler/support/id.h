// Typed indices into vectors: a NodeId cannot be used where a ClusterId is meant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace gradus {

/// An index of kind `Tag`. A default-made id is not valid and names nothing.
template <typename Tag>
class Id {
 public:
  constexpr Id() = default;
  constexpr explicit Id(size_t index) : index_(static_cast<uint32_t>(index)) {}

  constexpr bool valid() const { return index_ != kNone; }
  constexpr size_t index() const { return index_; }
  friend constexpr auto operator<=>(Id, Id) = default;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t index_ = kNone;
};

/// A sequence that is indexed by ids of one kind. With a std::deque as `Items`, references to elements
/// stay valid while others are added.
template <typename IdType, typename T, typename Items = std::vector<T>>
class IdVector {
 public:
  IdVector() = default;
  explicit IdVector(size_t size, const T& value = T()) : items_(size, value) {}

  IdType push_back(T item) {
    items_.push_back(std::move(item));
    return IdType(items_.size() - 1);
  }
  typename Items::reference operator[](IdType id) { return items_[id.index()]; }
  typename Items::const_reference operator[](IdType id) const { return items_[id.index()]; }
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  void resize(size_t size, const T& value = T()) { items_.resize(size, value); }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  Items& items() { return items_; }
  const Items& items() const { return items_; }

 private:
  Items items_;
};

}  // namespace gradus

template <typename Tag>
struct std::hash<gradus::Id<Tag>> {
  size_t operator()(gradus::Id<Tag> id) const { return id.index(); }
};
