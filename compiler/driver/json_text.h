// JSON as it is printed: always UTF-8, whatever bytes a file's name has.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace gradus::driver {

/// Bytes that are no UTF-8 become U+FFFD. On one line, or indented by `indent`.
inline std::string json_text(const nlohmann::json& json, int indent = -1) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace gradus::driver
