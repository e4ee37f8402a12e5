// The list of members stands at the end of the file; sizes of 4 GiB and more stand in an extra
// field (zip64). Every offset is held against the file's size.
#include "runtime/data/zip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>

#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

constexpr uint64_t kEndSize = 22, kEntrySize = 46, kLocalSize = 30;
constexpr uint32_t kEnd = 0x06054B50, kEnd64Place = 0x07064B50, kEnd64 = 0x06064B50;
constexpr uint32_t kEntry = 0x02014B50, kLocal = 0x04034B50, kElsewhere = 0xFFFFFFFF;

/// Little-endian numbers at checked places.
class ZipReader {
 public:
  ZipReader(std::span<const uint8_t> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  [[noreturn]] void fail(uint64_t at, const char* problem) const {
    throw FileError(FileProblem::Archive, fmt::format("{}: byte {}: {}", name_, at, problem));
  }
  std::span<const uint8_t> slice(uint64_t at, uint64_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) fail(at, "the archive ends too soon");
    return bytes_.subspan(at, size);
  }
  uint64_t number(uint64_t at, uint64_t size) const {
    uint64_t value = 0;
    std::span<const uint8_t> digits = slice(at, size);
    for (size_t i = 0; i < digits.size(); ++i) value |= uint64_t{digits[i]} << (8 * i);
    return value;
  }
  uint64_t size() const { return bytes_.size(); }

 private:
  std::span<const uint8_t> bytes_;
  const std::string& name_;
};

/// The record at the end of the archive; a comment of up to 65535 bytes may follow it.
uint64_t find_end(const ZipReader& reader) {
  if (reader.size() < kEndSize) reader.fail(0, "no zip archive");
  uint64_t last = reader.size() - kEndSize;
  for (uint64_t back = 0; back <= std::min<uint64_t>(last, 0xFFFF); ++back) {
    if (reader.number(last - back, 4) == kEnd) return last - back;
  }
  reader.fail(last, "a zip archive without its list of members");
}

/// Puts the numbers of the zip64 field in place of those that say they stand elsewhere.
void take_wide_sizes(const ZipReader& reader, uint64_t at, uint64_t end, ZipMember& member) {
  while (at + 4 <= end) {
    uint64_t kind = reader.number(at, 2), next = at + 4 + reader.number(at + 2, 2);
    at += 4;
    for (uint64_t* value : {&member.size, &member.packed, &member.begin}) {
      if (kind != 1 || *value != kElsewhere || at + 8 > std::min(next, end)) continue;
      *value = reader.number(at, 8);
      at += 8;
    }
    at = next;
  }
}

Bytes inflate_member(std::span<const uint8_t> packed, uint64_t size, const std::string& name) {
  Bytes out(size);
  z_stream stream = {};
  if (inflateInit2(&stream, -15) != Z_OK) throw std::bad_alloc();
  int status = Z_OK;
  uint64_t taken = 0, made = 0;
  constexpr uint64_t kMost = std::numeric_limits<uInt>::max();
  while (status == Z_OK && made <= size) {
    auto input = static_cast<uInt>(std::min(packed.size() - taken, kMost));
    auto room = static_cast<uInt>(std::min(size - made, kMost));
    stream.next_in = const_cast<uint8_t*>(packed.data() + taken);
    stream.next_out = out.data() + made;
    stream.avail_in = input;
    stream.avail_out = room;
    status = inflate(&stream, Z_NO_FLUSH);
    taken += input - stream.avail_in;
    made += room - stream.avail_out;
    if (input == stream.avail_in && room == stream.avail_out) break;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || made != size) {
    throw FileError(FileProblem::Archive, fmt::format("{}: its packed bytes are damaged", name));
  }
  return out;
}

}  // namespace

bool is_zip(std::span<const uint8_t> bytes) {
  return bytes.size() >= 4 && bytes[0] == 'P' && bytes[1] == 'K' && bytes[2] < 8;
}

std::vector<ZipMember> zip_members(std::span<const uint8_t> bytes, const std::string& name) {
  ZipReader reader(bytes, name);
  uint64_t end = find_end(reader);
  uint64_t count = reader.number(end + 10, 2), at = reader.number(end + 16, 4);
  if (at == kElsewhere && end >= 20 && reader.number(end - 20, 4) == kEnd64Place) {
    uint64_t wide = reader.number(end - 12, 8);
    if (reader.number(wide, 4) != kEnd64)
      reader.fail(wide, "no list of members where one is announced");
    count = reader.number(wide + 32, 8);
    at = reader.number(wide + 48, 8);
  }
  std::vector<ZipMember> members;
  for (uint64_t i = 0; i < count; ++i) {
    if (reader.number(at, 4) != kEntry) reader.fail(at, "no member where one is listed");
    ZipMember member;
    member.method = static_cast<uint16_t>(reader.number(at + 10, 2));
    member.crc = static_cast<uint32_t>(reader.number(at + 16, 4));
    member.packed = reader.number(at + 20, 4);
    member.size = reader.number(at + 24, 4);
    member.begin = reader.number(at + 42, 4);
    uint64_t name_size = reader.number(at + 28, 2), extra_size = reader.number(at + 30, 2);
    std::span<const uint8_t> text = reader.slice(at + kEntrySize, name_size);
    member.name.assign(text.begin(), text.end());
    uint64_t extra = at + kEntrySize + name_size;
    take_wide_sizes(reader, extra, extra + extra_size, member);
    members.push_back(std::move(member));
    at = extra + extra_size + reader.number(at + 32, 2);
  }
  return members;
}

Bytes unpack_member(std::span<const uint8_t> bytes, const ZipMember& member,
                    const std::string& name) {
  ZipReader reader(bytes, name);
  if (reader.number(member.begin, 4) != kLocal)
    reader.fail(member.begin, "no member where one is listed");
  if (reader.number(member.begin + 6, 2) & 1) reader.fail(member.begin, "an encrypted member");
  uint64_t at = member.begin + kLocalSize + reader.number(member.begin + 26, 2) +
                reader.number(member.begin + 28, 2);
  std::span<const uint8_t> packed = reader.slice(at, member.packed);
  Bytes out;
  if (member.method == 0 && member.size == member.packed) {
    out.assign(packed.begin(), packed.end());
  } else if (member.method == 8) {
    check_unpacked_size(packed.size(), member.size, name);
    out = inflate_member(packed, member.size, name);
  } else {
    reader.fail(member.begin, "a member that is neither stored nor deflated");
  }
  uLong crc = crc32_z(0, out.data(), out.size());
  if (crc != member.crc) reader.fail(at, "the bytes of the member do not have its check sum");
  return out;
}

}  // namespace gradus::runtime
