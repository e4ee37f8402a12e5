// Attributes of a node: a short list of named values, in the order of the operator's row.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "support/check.h"
#include "tensor/type.h"

namespace gradus {

/// Names are enumerated so that a misspelt one does not compile; the text form uses the same words.
enum class AttrName : uint8_t {
  Name,     // string: path or input name of a leaf
  Value,    // double: splat constant
  Values,   // doubles: dense constant
  Dims,     // ints: reduced dimensions, ascending, not negative
  Keep,     // bool: reduced dimensions stay as 1
  Axis,     // int: not negative
  Perm,     // ints: result dimension i is operand dimension perm[i]
  Start,    // ints: first index per dimension
  Step,     // ints: step per dimension, may be negative
  Low,      // ints: padding before, per dimension
  High,     // ints: padding after, per dimension
  Ta,       // bool: the left matrix is given transposed
  Tb,       // bool: the right matrix is given transposed
  Stream,   // int: number of a random stream
  Order,    // string: "lanes" or "chain", written by split-reductions
  Chunk,    // int: length of a chunk in a chunked sum; 0 is none
  Exclusive,  // bool: cumulative sum without the element itself
};

std::string_view attr_text(AttrName name);
std::optional<AttrName> attr_from_text(std::string_view text);

using AttrValue =
    std::variant<int64_t, double, bool, std::string, std::vector<int64_t>, std::vector<double>>;

struct Attr {
  AttrName name;
  AttrValue value;
  friend bool operator==(const Attr&, const Attr&) = default;
};

/// An ordered list; absent attributes have the default of the operator's row.
class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<Attr> items) : items_(items) {}

  const AttrValue* find(AttrName name) const {
    for (const Attr& item : items_) {
      if (item.name == name) return &item.value;
    }
    return nullptr;
  }
  template <typename T>
  const T& get(AttrName name) const {
    const AttrValue* value = find(name);
    GRADUS_CHECK(value && std::holds_alternative<T>(*value), std::string(attr_text(name)));
    return std::get<T>(*value);
  }
  template <typename T>
  T get_or(AttrName name, T fallback) const {
    const AttrValue* value = find(name);
    return value && std::holds_alternative<T>(*value) ? std::get<T>(*value) : fallback;
  }
  int64_t integer(AttrName name) const { return get<int64_t>(name); }
  bool flag(AttrName name) const { return get_or<bool>(name, false); }
  const std::vector<int64_t>& integers(AttrName name) const {
    return get<std::vector<int64_t>>(name);
  }
  const std::string& string(AttrName name) const { return get<std::string>(name); }
  void set(AttrName name, AttrValue value);

  const std::vector<Attr>& items() const { return items_; }
  bool empty() const { return items_.empty(); }
  friend bool operator==(const Attrs&, const Attrs&) = default;

 private:
  std::vector<Attr> items_;
};

}  // namespace gradus
