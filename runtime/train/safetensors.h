// Tensors by name in the safetensors format: 8 bytes of header length, a JSON header, the data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/data/bytes.h"

namespace gradus::runtime {

struct TensorView {
  std::string name;
  std::string dtype;  // F32, F64, I32, I64, BOOL; of a file that was read, any
  std::vector<int64_t> sizes;
  std::span<const std::byte> bytes;
};

/// Whether the tensor's elements are floats of 16 bits, which a variable of `dtype` holds exactly.
bool widens(const TensorView& tensor, const std::string& dtype);
/// Copies the elements to a variable of `dtype`, which is the tensor's or one it widens to.
void copy_tensor(const TensorView& tensor, const std::string& dtype, std::span<std::byte> to);

/// The file's bytes; tensors in the order given, metadata as strings. Throws FileError where a name
/// or a string is not UTF-8, or the header grows above 16 MiB.
std::string write_safetensors(const std::vector<TensorView>& tensors,
                              const std::map<std::string, std::string>& metadata);

class SafetensorsFile {
 public:
  /// Reads the header and checks it against the bytes: at most 16 MiB, JSON at most 8 deep, no key
  /// twice, ranges inside the data, as long as dtype and shape say, not overlapping. Throws
  /// FileError.
  SafetensorsFile(Bytes bytes, std::string name);
  // Tensors point into the bytes.
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;
  SafetensorsFile(SafetensorsFile&&) = default;
  SafetensorsFile& operator=(SafetensorsFile&&) = default;

  const std::vector<TensorView>& tensors() const { return tensors_; }
  const TensorView* find(const std::string& tensor) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  Bytes bytes_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace gradus::runtime
