// Whole files in memory; what begins with gzip's magic is unpacked.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gradus::runtime {

using Bytes = std::vector<uint8_t>;

/// Throws FileError where the file cannot be read or its gzip stream is damaged.
Bytes read_bytes(const std::string& path);

/// Unpacks a gzip stream (several members too); other bytes are returned as they are. `name` is for
/// messages. What unpacks to more than 64 MiB and 200 times its size is refused.
Bytes unpack(std::span<const uint8_t> bytes, const std::string& name);

}  // namespace gradus::runtime
