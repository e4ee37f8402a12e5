// The header is read by events (nlohmann's SAX), straight into tensors: only its own shape is
// accepted, so depth and memory are bounded by it, and a key that stands twice is seen.
#include "runtime/train/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "runtime/file_error.h"
#include "runtime/half.h"

namespace gradus::runtime {

namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeader = uint64_t{16} << 20;
constexpr size_t kMaxRank = 8;
constexpr uint64_t kMaxNumber = uint64_t{1} << 62;

/// 0 for types that the format did not have when this was written.
int64_t element_size(std::string_view dtype) {
  static const std::map<std::string_view, int64_t> sizes = {
      {"F64", 8},     {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1},
      {"F8_E5M2", 1}, {"I64", 8}, {"I32", 4}, {"I16", 2},  {"I8", 1},
      {"U64", 8},     {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}};
  auto found = sizes.find(dtype);
  return found == sizes.end() ? 0 : found->second;
}

/// One tensor of the header as it stands there.
struct Entry {
  std::string name, dtype;
  std::vector<int64_t> shape, range;
  bool has_dtype = false, has_shape = false, has_range = false;
};

/// {"name": {"dtype": "F32", "shape": [..], "data_offsets": [a, b]}, ..., "__metadata__": {"key":
/// "text"}}
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  using Take = std::function<void(Entry&)>;

  HeaderReader(std::string name, std::map<std::string, std::string>& metadata, Take take)
      : file_(std::move(name)), metadata_(metadata), take_(std::move(take)) {}

  bool start_object(size_t) override {
    if (state_ == State::Begin) return go(State::Names);
    if (state_ == State::Names && in_name_) {
      in_name_ = false;
      if (entry_.name == "__metadata__") return go(State::Metadata);
      return go(State::Fields);
    }
    return refuse("an object");
  }
  bool end_object() override {
    if (state_ == State::Names) return go(State::End);
    if (state_ == State::Fields) take_(entry_);
    return go(State::Names);
  }
  bool start_array(size_t) override {
    bool sizes = state_ == State::Fields && (field_ == "shape" || field_ == "data_offsets");
    return sizes ? go(State::Numbers) : refuse("a list");
  }
  bool end_array() override { return go(State::Fields); }
  bool key(std::string& text) override {
    if (state_ == State::Names) {
      if (!names_.insert(text).second) twice(text);
      entry_ = {};
      entry_.name = text;
      in_name_ = true;
    } else if (state_ == State::Metadata) {
      if (metadata_.count(text) > 0) twice(text);
      metadata_[text];
    } else {
      begin_field(text);
    }
    field_ = std::move(text);
    return true;
  }
  bool string(std::string& text) override {
    if (state_ == State::Metadata) {
      metadata_[field_] = std::move(text);
      return true;
    }
    if (state_ != State::Fields || field_ != "dtype") return refuse("a string");
    entry_.dtype = std::move(text);
    return true;
  }
  bool number_unsigned(uint64_t value) override {
    if (state_ != State::Numbers || value > kMaxNumber) return refuse(fmt::format("{}", value));
    std::vector<int64_t>& to = field_ == "shape" ? entry_.shape : entry_.range;
    if (to.size() == kMaxRank) return refuse(fmt::format("a list of more than {}", kMaxRank));
    to.push_back(static_cast<int64_t>(value));
    return true;
  }
  bool number_integer(int64_t value) override { return refuse(fmt::format("{}", value)); }
  bool number_float(double, const std::string& text) override { return refuse(text); }
  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a bool"); }
  bool binary(Json::binary_t&) override { return refuse("binary data"); }
  bool parse_error(size_t at, const std::string&, const Json::exception&) override {
    throw FileError(fmt::format("{}: byte {}: its header is no JSON", file_, 7 + at));
  }

 private:
  enum class State { Begin, Names, Metadata, Fields, Numbers, End };

  bool go(State state) {
    state_ = state;
    return true;
  }
  void begin_field(const std::string& text) {
    bool* has = text == "dtype"          ? &entry_.has_dtype
                : text == "shape"        ? &entry_.has_shape
                : text == "data_offsets" ? &entry_.has_range
                                         : nullptr;
    if (!has) refuse(fmt::format("the key `{}`", text));
    if (*has) twice(text);
    *has = true;
  }
  [[noreturn]] void twice(const std::string& text) const {
    throw FileError(fmt::format("{}: `{}` stands twice in its header", file_, text));
  }
  [[noreturn]] bool refuse(const std::string& found) const {
    std::string place = state_ == State::Begin ? "" : fmt::format(" at `{}`", field_);
    throw FileError(
        fmt::format("{}: its header has {}{}, which does not belong there", file_, found, place));
  }

  std::string file_;
  std::map<std::string, std::string>& metadata_;
  Take take_;
  State state_ = State::Begin;
  bool in_name_ = false;
  std::string field_;
  Entry entry_;
  std::set<std::string> names_;
};

TensorView view_of(Entry& entry, std::span<const uint8_t> data, const std::string& file) {
  auto fail = [&](const std::string& what) {
    throw FileError(fmt::format("{}: tensor `{}`: {}", file, entry.name, what));
  };
  if (!entry.has_dtype || !entry.has_shape || !entry.has_range) {
    fail("expected `dtype`, `shape` and `data_offsets`");
  }
  const std::vector<int64_t>& range = entry.range;
  auto have = static_cast<int64_t>(data.size());
  bool fits = range.size() == 2 && range[0] <= range[1] && range[1] <= have;
  // A type that is not known may stand in the file; whoever wants its tensor refuses it.
  int64_t bytes = element_size(entry.dtype);
  const bool known = bytes > 0;
  if (entry.dtype.empty()) fail("no type of elements");
  for (int64_t size : entry.shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes)) fail("its sizes are too large");
  }
  if (!known && fits) bytes = range[1] - range[0];
  if (!fits || range[1] - range[0] != bytes) {
    fail(fmt::format("its range [{}] does not fit {} bytes in data of {}", fmt::join(range, ", "),
                     bytes, have));
  }
  const auto* begin = reinterpret_cast<const std::byte*>(data.data()) + range[0];
  return {std::move(entry.name),
          std::move(entry.dtype),
          std::move(entry.shape),
          {begin, static_cast<size_t>(bytes)}};
}

void check_overlap(const std::vector<TensorView>& tensors, const std::string& file) {
  std::vector<const TensorView*> order;
  for (const TensorView& tensor : tensors) {
    if (!tensor.bytes.empty()) order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    return a->bytes.data() < b->bytes.data();
  });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->bytes.data() + order[i - 1]->bytes.size() > order[i]->bytes.data()) {
      throw FileError(fmt::format("{}: tensors `{}` and `{}` overlap", file, order[i - 1]->name,
                                  order[i]->name));
    }
  }
}

std::string header_text(const std::vector<TensorView>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) text += fmt::format("\"__metadata__\":{},", Json(metadata).dump());
  size_t at = 0;
  for (const TensorView& tensor : tensors) {
    text += fmt::format("{}:{{\"dtype\":{},\"shape\":[{}],\"data_offsets\":[{},{}]}},",
                        Json(tensor.name).dump(), Json(tensor.dtype).dump(),
                        fmt::join(tensor.sizes, ","), at, at + tensor.bytes.size());
    at += tensor.bytes.size();
  }
  if (text.size() > 1) text.pop_back();
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

}  // namespace

bool widens(const TensorView& tensor, const std::string& dtype) {
  bool half = tensor.dtype == "F16" || tensor.dtype == "BF16";
  return half && (dtype == "F32" || dtype == "F64");
}

void copy_tensor(const TensorView& tensor, const std::string& dtype, std::span<std::byte> to) {
  if (tensor.dtype == dtype) {
    std::memcpy(to.data(), tensor.bytes.data(), tensor.bytes.size());
    return;
  }
  const bool brain = tensor.dtype == "BF16";
  for (size_t i = 0; 2 * i < tensor.bytes.size(); ++i) {
    auto bits = static_cast<uint16_t>(std::to_integer<unsigned>(tensor.bytes[2 * i]) |
                                      std::to_integer<unsigned>(tensor.bytes[2 * i + 1]) << 8);
    float narrow = brain ? widen_bfloat16(bits) : widen_half(bits);
    double wide = narrow;
    if (dtype == "F64")
      std::memcpy(to.data() + i * sizeof wide, &wide, sizeof wide);
    else
      std::memcpy(to.data() + i * sizeof narrow, &narrow, sizeof narrow);
  }
}

std::string write_safetensors(const std::vector<TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::string text;
  try {
    text = header_text(tensors, metadata);
  } catch (const Json::exception&) {
    throw FileError("a name or a text to be saved is not UTF-8");
  }
  if (text.size() > kMaxHeader) {
    throw FileError(
        fmt::format("a header of {} bytes, at most {} are allowed", text.size(), kMaxHeader));
  }
  size_t total = 8 + text.size();
  for (const TensorView& tensor : tensors) total += tensor.bytes.size();
  std::string out(8, '\0');
  out.reserve(total);
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(text.size() >> (8 * i));
  out += text;
  for (const TensorView& tensor : tensors) {
    out.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return out;
}

SafetensorsFile::SafetensorsFile(Bytes bytes, std::string name) : bytes_(std::move(bytes)) {
  if (bytes_.size() < 8) {
    throw FileError(fmt::format("{}: {} bytes, no safetensors file", name, bytes_.size()));
  }
  uint64_t length = 0;
  for (size_t i = 0; i < 8; ++i) length |= static_cast<uint64_t>(bytes_[i]) << (8 * i);
  if (length > kMaxHeader || length > bytes_.size() - 8) {
    throw FileError(fmt::format("{}: byte 0: a header of {} bytes in a file of {}, at most {}",
                                name, length, bytes_.size(), kMaxHeader));
  }
  std::span<const uint8_t> all(bytes_);
  std::span<const uint8_t> text = all.subspan(8, length), data = all.subspan(8 + length);
  HeaderReader reader(name, metadata_,
                      [&](Entry& entry) { tensors_.push_back(view_of(entry, data, name)); });
  Json::sax_parse(text.begin(), text.end(), &reader);
  check_overlap(tensors_, name);
}

const TensorView* SafetensorsFile::find(const std::string& tensor) const {
  for (const TensorView& view : tensors_) {
    if (view.name == tensor) return &view;
  }
  return nullptr;
}

}  // namespace gradus::runtime
