// Zip archives (APPNOTE 6.3), as .npz files are: stored or deflated members, not encrypted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/data/bytes.h"

namespace gradus::runtime {

struct ZipMember {
  std::string name;
  uint16_t method = 0;  // 0 stored, 8 deflated
  uint32_t crc = 0;
  uint64_t packed = 0, size = 0;  // bytes
  uint64_t begin = 0;             // its local header
};

bool is_zip(std::span<const uint8_t> bytes);

/// The archive's list of members. Throws FileError where it does not read.
std::vector<ZipMember> zip_members(std::span<const uint8_t> bytes, const std::string& name);

/// The bytes of a member. Throws FileError where they are damaged.
Bytes unpack_member(std::span<const uint8_t> bytes, const ZipMember& member,
                    const std::string& name);

}  // namespace gradus::runtime
