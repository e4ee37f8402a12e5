// Memory grows with what is really read or unpacked, never with what a header claims; at its end a
// buffer is about as large as its contents.
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

#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

constexpr size_t kChunk = size_t{1} << 20;
/// Deflate packs up to 1030 to 1. Real data stays far below; what does not must be small.
constexpr size_t kFreeSize = size_t{64} << 20;
constexpr size_t kMaxRatio = 200;
constexpr int kGzipWindow = 15 + 16;

class Inflater {
 public:
  Inflater() {
    if (inflateInit2(&stream_, kGzipWindow) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_ = {};
};

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

Bytes unpack(std::span<const uint8_t> bytes, const std::string& name) {
  if (!is_gzip(bytes)) return {bytes.begin(), bytes.end()};
  Inflater inflater;
  z_stream& stream = inflater.stream();
  const size_t limit = std::max(kFreeSize, bytes.size() * kMaxRatio);
  size_t taken = 0;
  Bytes out;
  while (true) {
    size_t have = out.size();
    auto input =
        static_cast<uInt>(std::min<size_t>(bytes.size() - taken, std::numeric_limits<uInt>::max()));
    grow(out, kChunk);
    stream.next_in = const_cast<uint8_t*>(bytes.data() + taken);
    stream.avail_in = input;
    stream.next_out = out.data() + have;
    stream.avail_out = static_cast<uInt>(kChunk);
    int status = inflate(&stream, Z_NO_FLUSH);
    taken += input - stream.avail_in;
    out.resize(have + kChunk - stream.avail_out);
    if (out.size() > limit) {
      throw FileError(FileProblem::Archive, fmt::format("{}: byte {}: unpacks to more than {} MiB, {} times its size",
                                  name, taken, kFreeSize >> 20, kMaxRatio));
    }
    if (status == Z_STREAM_END) {
      if (taken == bytes.size()) return out;
      // A file may hold several streams, one after the other.
      inflateReset(&stream);
    } else if (status != Z_OK) {
      const char* problem = status == Z_NEED_DICT ? "it needs a dictionary"
                            : stream.msg          ? stream.msg
                                                  : "the stream ends too soon";
      throw FileError(FileProblem::Archive, fmt::format("{}: byte {} of the gzip stream: {}", name, taken, problem));
    }
  }
}

Bytes read_bytes(const std::string& path) {
  Bytes bytes = read_raw(path);
  return is_gzip(bytes) ? unpack(bytes, path) : bytes;
}

}  // namespace gradus::runtime
