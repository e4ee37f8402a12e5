// A file's buffer is about as large as its contents, and so is that of what is unpacked: where the
// stream does not end as its last bytes say, it is unpacked twice, and its bytes are only counted
// the first time.
#include "runtime/data/bytes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

constexpr size_t kChunk = size_t{1} << 20;
/// Real data pack far less than Deflate can; what does not must be small.
constexpr size_t kFreeSize = size_t{64} << 20;
constexpr size_t kMaxRatio = 100;
constexpr int kGzipWindow = 15 + 16;

/// A gzip stream of one or several members, unpacked piece by piece.
class Inflater {
 public:
  Inflater(std::span<const uint8_t> bytes, const std::string& name) : bytes_(bytes), name_(name) {
    if (inflateInit2(&stream_, kGzipWindow) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  bool at_end() const { return ended_; }
  /// Fills the front of `to`, as far as this call came; returns its size.
  size_t next(std::span<uint8_t> to) {
    constexpr size_t kMost = std::numeric_limits<uInt>::max();
    auto input = static_cast<uInt>(std::min(bytes_.size() - taken_, kMost));
    auto room = static_cast<uInt>(std::min(to.size(), kMost));
    stream_.next_in = const_cast<uint8_t*>(bytes_.data() + taken_);
    stream_.avail_in = input;
    stream_.next_out = to.data();
    stream_.avail_out = room;
    int status = inflate(&stream_, Z_NO_FLUSH);
    taken_ += input - stream_.avail_in;
    if (status == Z_STREAM_END) {
      ended_ = taken_ == bytes_.size();
      if (!ended_) inflateReset(&stream_);  // another member
    } else if (status != Z_OK) {
      const char* problem = status == Z_NEED_DICT ? "it needs a dictionary"
                            : stream_.msg         ? stream_.msg
                                                  : "the stream ends too soon";
      throw FileError(FileProblem::Archive,
                      fmt::format("{}: byte {} of the gzip stream: {}", name_, taken_, problem));
    }
    return room - stream_.avail_out;
  }

 private:
  std::span<const uint8_t> bytes_;
  const std::string& name_;
  z_stream stream_ = {};
  size_t taken_ = 0;
  bool ended_ = false;
};

bool is_small(uint64_t packed, uint64_t unpacked) {
  return unpacked <= kFreeSize || unpacked / kMaxRatio < packed;
}

/// The size of the last member, as it says itself: of all where there is no other. Deflate packs no
/// more than 1032 to 1.
size_t announced_size(std::span<const uint8_t> bytes) {
  size_t size = 0;
  if (bytes.size() < 4) return size;
  for (size_t i = 4; i > 0; --i) size = size << 8 | bytes[bytes.size() - 5 + i];
  return std::min(size, bytes.size() * 1032);
}

/// The stream unpacked; nothing where it is more than `size` bytes.
std::optional<Bytes> unpack_into(std::span<const uint8_t> bytes, size_t size,
                                 const std::string& name) {
  Bytes out(size + 1);  // the end is seen with room left
  Inflater inflater(bytes, name);
  size_t have = 0;
  while (!inflater.at_end()) {
    if (have == out.size()) return std::nullopt;
    have += inflater.next(std::span(out).subspan(have));
  }
  out.resize(have);
  return out;
}

/// How much the stream unpacks to.
size_t unpacked_size(std::span<const uint8_t> bytes, const std::string& name) {
  Inflater inflater(bytes, name);
  Bytes scratch(kChunk);
  size_t size = 0;
  while (!inflater.at_end()) {
    size += inflater.next(scratch);
    check_unpacked_size(bytes.size(), size, name);
  }
  return size;
}

class Descriptor {
 public:
  explicit Descriptor(const std::string& path)
      : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (file_ >= 0) ::close(file_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return file_; }

 private:
  int file_;
};

bool is_gzip(std::span<const uint8_t> bytes) {
  return bytes.size() >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B;
}

/// Room for more bytes at the end: by a half, so that old and new together stay below 2.5 times.
void grow(Bytes& bytes, size_t more) {
  size_t need = bytes.size() + more;
  if (need > bytes.capacity()) {
    bytes.reserve(std::max(need, bytes.capacity() + bytes.capacity() / 2));
  }
  bytes.resize(need);
}

[[noreturn]] void fail(const std::string& path) {
  throw FileError(FileProblem::Unreadable, fmt::format("cannot read `{}`: {}", path, std::strerror(errno)));
}

Bytes read_raw(const std::string& path) {
  Descriptor file(path);
  struct stat status = {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) fail(path);
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    throw FileError(FileProblem::Unreadable, fmt::format("cannot read `{}`: a device, expected a file", path));
  }
  Bytes bytes;
  // One more byte than the size says: the end is then seen without growing.
  if (S_ISREG(status.st_mode)) bytes.reserve(static_cast<size_t>(status.st_size) + 1);
  while (true) {
    size_t have = bytes.size();
    grow(bytes, std::max<size_t>(1, std::min(kChunk, bytes.capacity() - have)));
    ssize_t got = ::read(file.get(), bytes.data() + have, bytes.size() - have);
    bytes.resize(have + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno != EINTR) fail(path);
    if (got == 0) return bytes;
  }
}

}  // namespace

void check_unpacked_size(uint64_t packed, uint64_t unpacked, const std::string& name) {
  if (is_small(packed, unpacked)) return;
  throw FileError(
      FileProblem::Archive,
      fmt::format("{}: unpacks to more than {} MiB, {} times its size; give it unpacked", name,
                  kFreeSize >> 20, kMaxRatio));
}

Bytes unpack(std::span<const uint8_t> bytes, const std::string& name) {
  if (!is_gzip(bytes)) return {bytes.begin(), bytes.end()};
  size_t announced = announced_size(bytes);
  if (is_small(bytes.size(), announced)) {
    if (std::optional<Bytes> out = unpack_into(bytes, announced, name)) return *std::move(out);
  }
  return *unpack_into(bytes, unpacked_size(bytes, name), name);
}

Bytes read_bytes(const std::string& path) {
  Bytes bytes = read_raw(path);
  return is_gzip(bytes) ? unpack(bytes, path) : bytes;
}

}  // namespace gradus::runtime
