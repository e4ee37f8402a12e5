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
/// messages. Refused as check_unpacked_size() says, before there is memory for it.
Bytes unpack(std::span<const uint8_t> bytes, const std::string& name);

/// Throws FileError for what unpacks to more than 64 MiB and 100 times its size.
void check_unpacked_size(uint64_t packed, uint64_t unpacked, const std::string& name);

}  // namespace gradus::runtime
