// Names of attributes in text.
#include "graph/attrs.h"

#include <array>

namespace gradus {

namespace {

constexpr std::array<std::string_view, 17> kNames = {
    "name", "value", "values", "dims", "keep",   "axis",  "perm",  "start",    "step",
    "low",  "high",  "ta",     "tb",   "stream", "order", "chunk", "exclusive"};
static_assert(kNames.size() == static_cast<size_t>(AttrName::Exclusive) + 1);

}  // namespace

std::string_view attr_text(AttrName name) { return kNames[static_cast<size_t>(name)]; }

std::optional<AttrName> attr_from_text(std::string_view text) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == text) return static_cast<AttrName>(i);
  }
  return std::nullopt;
}

void Attrs::set(AttrName name, AttrValue value) {
  for (Attr& item : items_) {
    if (item.name == name) {
      item.value = std::move(value);
      return;
    }
  }
  items_.push_back({name, std::move(value)});
}

}  // namespace gradus
