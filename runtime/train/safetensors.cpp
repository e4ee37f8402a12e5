// nlohmann's JSON does the syntax; depth and doubled keys are watched while it parses.
#include "runtime/train/safetensors.h"

#include <algorithm>
#include <cstring>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeader = uint64_t{16} << 20;
constexpr int kMaxDepth = 8;
constexpr size_t kMaxRank = 8;

int64_t element_size(const std::string& dtype) {
  static const std::map<std::string, int64_t> sizes = {{"F32", 4}, {"F64", 8}, {"I32", 4}, {"I64", 8}, {"BOOL", 1}};
  auto found = sizes.find(dtype);
  return found == sizes.end() ? 0 : found->second;
}

Json parse_header(std::string_view text, const std::string& name) {
  std::vector<std::set<std::string>> keys;
  auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth) throw FileError(fmt::format("{}: its header is nested deeper than {}", name, kMaxDepth));
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      throw FileError(fmt::format("{}: `{}` stands twice in its header", name, parsed.get<std::string>()));
    }
    return true;
  };
  try {
    Json header = Json::parse(text, watch);
    if (!header.is_object()) throw FileError(fmt::format("{}: its header is no JSON object", name));
    return header;
  } catch (const Json::parse_error& error) {
    throw FileError(fmt::format("{}: byte {}: its header is no JSON", name, 8 + error.byte));
  }
}

/// A list of whole numbers that are not negative.
std::vector<int64_t> number_list(const Json& entry, const char* key, const std::string& place) {
  std::vector<int64_t> numbers;
  auto found = entry.find(key);
  if (found == entry.end() || !found->is_array()) throw FileError(fmt::format("{}: no list `{}`", place, key));
  for (const Json& item : *found) {
    if (!item.is_number_unsigned() || item.get<uint64_t>() > uint64_t{1} << 62) {
      throw FileError(fmt::format("{}: `{}` holds something other than sizes", place, key));
    }
    numbers.push_back(item.get<int64_t>());
  }
  return numbers;
}

TensorView read_entry(const std::string& tensor, const Json& entry, std::span<const uint8_t> data, const std::string& name) {
  std::string place = fmt::format("{}: tensor `{}`", name, tensor);
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string()) {
    throw FileError(fmt::format("{}: no `dtype`", place));
  }
  TensorView view{tensor, entry["dtype"].get<std::string>(), number_list(entry, "shape", place), {}};
  int64_t bytes = element_size(view.dtype);
  if (bytes == 0) throw FileError(fmt::format("{}: elements of {}, expected F32, F64, I32, I64 or BOOL", place, view.dtype));
  if (view.sizes.size() > kMaxRank) throw FileError(fmt::format("{}: {} axes, at most {} are read", place, view.sizes.size(), kMaxRank));
  for (int64_t size : view.sizes) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) throw FileError(fmt::format("{}: its sizes are too large", place));
  }
  std::vector<int64_t> range = number_list(entry, "data_offsets", place);
  auto have = static_cast<int64_t>(data.size());
  if (range.size() != 2 || range[0] > range[1] || range[1] > have || range[1] - range[0] != bytes) {
    throw FileError(fmt::format("{}: its range does not fit {} bytes of data in a file with {}", place, bytes, have));
  }
  const auto* begin = reinterpret_cast<const std::byte*>(data.data()) + range[0];
  view.bytes = {begin, static_cast<size_t>(bytes)};
  return view;
}

void check_overlap(std::vector<TensorView> tensors, const std::string& name) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) { return a.bytes.data() < b.bytes.data(); });
  for (size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i - 1].bytes.data() + tensors[i - 1].bytes.size() > tensors[i].bytes.data()) {
      throw FileError(fmt::format("{}: tensors `{}` and `{}` overlap", name, tensors[i - 1].name, tensors[i].name));
    }
  }
}

}  // namespace

std::string write_safetensors(const std::vector<TensorView>& tensors, const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t at = 0;
  for (const TensorView& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.sizes}, {"data_offsets", {at, at + tensor.bytes.size()}}};
    at += tensor.bytes.size();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  uint64_t length = text.size();
  std::string out(8, '\0');
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(length >> (8 * i));
  out += text;
  for (const TensorView& tensor : tensors) out.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  return out;
}

SafetensorsFile::SafetensorsFile(Bytes bytes, std::string name) : bytes_(std::move(bytes)) {
  if (bytes_.size() < 8) throw FileError(fmt::format("{}: {} bytes, no safetensors file", name, bytes_.size()));
  uint64_t length = 0;
  for (size_t i = 0; i < 8; ++i) length |= static_cast<uint64_t>(bytes_[i]) << (8 * i);
  if (length > kMaxHeader || length > bytes_.size() - 8) {
    throw FileError(fmt::format("{}: byte 0: a header of {} bytes in a file of {}", name, length, bytes_.size()));
  }
  std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + 8, length);
  std::span<const uint8_t> data(bytes_.data() + 8 + length, bytes_.size() - 8 - length);
  Json header = parse_header(text, name);
  for (const auto& [tensor, entry] : header.items()) {
    if (tensor != "__metadata__") {
      tensors_.push_back(read_entry(tensor, entry, data, name));
      continue;
    }
    if (!entry.is_object()) throw FileError(fmt::format("{}: its metadata is no JSON object", name));
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) throw FileError(fmt::format("{}: metadata `{}` is no string", name, key));
      metadata_[key] = value.get<std::string>();
    }
  }
  check_overlap(tensors_, name);
}

const TensorView* SafetensorsFile::find(const std::string& tensor) const {
  for (const TensorView& view : tensors_) {
    if (view.name == tensor) return &view;
  }
  return nullptr;
}

}  // namespace gradus::runtime
