// Fitted constants are JSON strings in the metadata, numbers as hexadecimal floats.
#include "driver/weights.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "runtime/file_error.h"

namespace gradus::driver {

namespace {

using Json = nlohmann::json;

std::vector<int64_t> fixed_sizes(const Shape& shape) {
  std::vector<int64_t> sizes;
  for (const Dim& dim : shape) sizes.push_back(dim.value);
  return sizes;
}

/// FNV-1a over the lines `path : type` (Fowler, Noll and Vo).
std::string graph_hash(const lang::Model& model) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (const lang::Variable& variable : model.variables) {
    if (variable.of_optimizer) continue;
    for (char c : fmt::format("{} : {}\n", variable.path, to_string(variable.type))) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    }
  }
  return fmt::format("{:016x}", hash);
}

/// Names by position; of a table that has more names than a header should hold, none.
Json columns_json(const std::map<int64_t, std::string>& columns) {
  constexpr size_t kMost = size_t{1} << 20;
  Json json = Json::object();
  size_t size = 0;
  for (const auto& [position, name] : columns) {
    json[std::to_string(position)] = name;
    size += name.size() + 12;
  }
  return size <= kMost ? json : Json::object();
}

Json fitted_json(const runtime::Fitted& fitted) {
  Json numbers = Json::object();
  for (const auto& [place, values] : fitted.numbers) {
    Json& list = numbers[place] = Json::array();
    for (double value : values) list.push_back(fmt::format("{:a}", value));
  }
  Json json = {{"numbers", numbers}, {"categories", fitted.categories}, {"expressions", fitted.expressions}};
  Json columns = columns_json(fitted.columns);
  if (!columns.empty()) json["columns"] = columns;
  return json;
}

/// A share of the rows; nothing where the file does not say it.
std::optional<double> share(const std::map<std::string, std::string>& metadata, const std::string& key) {
  auto found = metadata.find(key);
  if (found == metadata.end()) return std::nullopt;
  double value = std::stod(found->second);
  if (!(value >= 0 && value < 1)) throw std::out_of_range(key);
  return value;
}

[[noreturn]] void fail(Session& session, const std::string& message) {
  session.diags.error(Diag::BadWeights, {}, message);
  session.stop_on_errors();
  throw CommandError(kBadFile, message);
}

}  // namespace

bool is_average(const lang::Model& model, const std::string& path) {
  return std::any_of(model.variables.begin(), model.variables.end(), [&](const lang::Variable& variable) {
    return variable.path == path && !variable.average_of.empty();
  });
}

std::vector<runtime::NamedTensor> named_tensors(const lang::Model& model, const pipeline::VariableStore& store) {
  std::vector<runtime::NamedTensor> tensors;
  for (const lang::Variable& variable : model.variables) {
    if (!store.contains(variable.path)) continue;
    tensors.push_back({variable.path, std::string(dtype_def(variable.type.dtype).safetensors), fixed_sizes(variable.type.shape),
                       store.bytes(variable.path), variable.of_optimizer && variable.average_of.empty()});
  }
  return tensors;
}

std::map<std::string, std::string> weights_metadata(const lang::Model& model, const BoundData& data, uint64_t seed,
                                                    int64_t batch) {
  return {{"gradus.model", model.name},
          {"gradus.graph", graph_hash(model)},
          {"gradus.seed", std::to_string(seed)},
          {"gradus.batch", std::to_string(batch)},
          {"gradus.rows", std::to_string(data.source_rows)},
          {"gradus.validation", fmt::format("{:a}", data.validation_share)},
          {"gradus.test", fmt::format("{:a}", data.test_share)},
          {"gradus.fitted", fitted_json(data.fitted).dump()}};
}

SavedData saved_data(Session& session, const runtime::SafetensorsFile& file, const std::string& path) {
  SavedData saved;
  saved.path = path;
  try {
    const auto& metadata = file.metadata();
    if (auto seed = metadata.find("gradus.seed"); seed != metadata.end()) saved.seed = std::stoull(seed->second);
    if (auto rows = metadata.find("gradus.rows"); rows != metadata.end()) saved.rows = std::stoll(rows->second);
    if (auto batch = metadata.find("gradus.batch"); batch != metadata.end()) saved.batch = std::stoll(batch->second);
    saved.validation_share = share(metadata, "gradus.validation");
    saved.test_share = share(metadata, "gradus.test");
    if (saved.validation_share.value_or(0) + saved.test_share.value_or(0) >= 1) throw std::out_of_range("shares");
    auto fitted = metadata.find("gradus.fitted");
    if (fitted == metadata.end()) return saved;
    Json json = Json::parse(fitted->second);
    saved.fitted.categories = json.at("categories").get<std::map<std::string, std::vector<std::string>>>();
    saved.fitted.expressions = json.at("expressions").get<std::map<std::string, std::string>>();
    if (json.contains("columns")) {
      for (const auto& [position, name] : json.at("columns").items()) saved.fitted.columns[std::stoll(position)] = name.get<std::string>();
    }
    for (const auto& [place, list] : json.at("numbers").items()) {
      for (const Json& item : list) saved.fitted.numbers[place].push_back(std::strtod(item.get<std::string>().c_str(), nullptr));
    }
  } catch (const std::exception&) {
    fail(session, fmt::format("{}: its record of the data that it was trained on does not read", path));
  }
  return saved;
}

namespace {

/// The format that the file's first bytes are of, and how to come from it to safetensors; empty for none
/// that is known.
std::string foreign_format(std::span<const uint8_t> bytes) {
  auto begins = [&](std::string_view magic) {
    return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
  };
  auto holds = [&](std::string_view word) {
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 4096));
    return text.find(word) != text.npos;
  };
  constexpr std::string_view kTorch =
      "looks like a file of torch.save, expected safetensors; `safetensors.torch.save_file(torch.load(..), ..)` writes it";
  if (bytes.size() > 8 && bytes[8] == '{') return "";  // a header's length may begin as any of these
  const bool zip = begins("PK\x03\x04");
  if (zip && holds(".npy")) return "looks like a .npz file, expected safetensors; `safetensors.numpy.save_file` writes it";
  if (zip && holds(".json")) return "looks like a .keras file, expected safetensors; `safetensors.numpy.save_file` writes it";
  if (zip || begins("\x80\x02") || begins("\x80\x03") || begins("\x80\x04")) return std::string(kTorch);
  if (begins("\x93NUMPY")) return "looks like a .npy file, expected safetensors; `safetensors.numpy.save_file` writes it";
  if (begins("\x89HDF\r\n")) return "looks like an HDF5 file, expected safetensors; `safetensors.numpy.save_file` writes it";
  return "";
}

}  // namespace

runtime::SafetensorsFile open_weights(Session& session, const std::string& path) {
  try {
    runtime::Bytes bytes = runtime::read_bytes(path);
    if (std::string format = foreign_format(bytes); !format.empty()) {
      throw runtime::FileError(fmt::format("{}: {}", path, format));
    }
    return runtime::SafetensorsFile(std::move(bytes), path);
  } catch (const runtime::FileError& error) {
    session.diags.error(diag_of(error.problem(), Diag::BadWeights), {}, error.what());
    session.stop_on_errors();
    throw;
  }
}

std::string weights_bytes(const lang::Model& model, const std::vector<runtime::NamedTensor>& tensors,
                          const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::span<const std::byte>> averages;
  for (const lang::Variable& variable : model.variables) {
    if (variable.average_of.empty()) continue;
    for (const runtime::NamedTensor& tensor : tensors) {
      if (tensor.path == variable.path) averages[variable.average_of] = tensor.bytes;
    }
  }
  std::vector<runtime::TensorView> views;
  for (const runtime::NamedTensor& tensor : tensors) {
    if (tensor.of_optimizer || is_average(model, tensor.path)) continue;
    auto average = averages.find(tensor.path);
    views.push_back({tensor.path, tensor.dtype, tensor.sizes, average == averages.end() ? tensor.bytes : average->second});
  }
  return runtime::write_safetensors(views, metadata);
}

}  // namespace gradus::driver
