// Memory grows with what is really unpacked, never with what a header claims.
#include "runtime/data/bytes.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <zlib.h>

#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

constexpr size_t kChunk = size_t{1} << 20;
/// No file of a thousandfold ratio is data; deflate's own limit is about 1030.
constexpr size_t kMaxRatio = 1100;
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

}  // namespace

Bytes unpack(std::span<const uint8_t> bytes, const std::string& name) {
  if (bytes.size() < 2 || bytes[0] != 0x1F || bytes[1] != 0x8B) return {bytes.begin(), bytes.end()};
  Inflater inflater;
  z_stream& stream = inflater.stream();
  stream.next_in = const_cast<uint8_t*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  Bytes out;
  int status = Z_OK;
  while (true) {
    size_t have = out.size();
    out.resize(have + kChunk);
    stream.next_out = out.data() + have;
    stream.avail_out = static_cast<uInt>(kChunk);
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(have + kChunk - stream.avail_out);
    if (out.size() / kMaxRatio > bytes.size()) throw FileError(fmt::format("{}: unpacks to more than gzip can hold", name));
    if (status == Z_STREAM_END && stream.avail_in > 0) {
      inflateReset(&stream);
      continue;
    }
    if (status == Z_STREAM_END) return out;
    if (status != Z_OK) {
      throw FileError(fmt::format("{}: byte {} of the gzip stream: {}", name, stream.total_in,
                                  stream.msg ? stream.msg : "the stream ends too soon"));
    }
  }
}

Bytes read_bytes(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw FileError(fmt::format("cannot read `{}`: {}", path, std::strerror(errno)));
  Bytes bytes;
  size_t got = 0;
  do {
    size_t have = bytes.size();
    bytes.resize(have + kChunk);
    got = std::fread(bytes.data() + have, 1, kChunk, file.get());
    bytes.resize(have + got);
  } while (got > 0);
  if (std::ferror(file.get()) != 0) throw FileError(fmt::format("cannot read `{}`: {}", path, std::strerror(errno)));
  return unpack(bytes, path);
}

}  // namespace gradus::runtime
