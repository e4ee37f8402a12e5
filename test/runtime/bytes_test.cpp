// Files and gzip streams, whole and damaged.
#include "runtime/data/bytes.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "runtime/temporary_folder.h"

namespace gradus::runtime {
namespace {

Bytes gzip(const Bytes& bytes) {
  z_stream stream = {};
  deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  Bytes out(deflateBound(&stream, bytes.size()) + 64);
  stream.next_in = const_cast<uint8_t*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Bytes noise(size_t size) {
  Bytes out(size);
  uint32_t state = 1;
  for (uint8_t& byte : out)
    byte = static_cast<uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
  return out;
}

TEST(Bytes, ReadsAFileAsItIs) {
  TemporaryFolder folder;
  std::string path = folder.path("f");
  for (size_t size : {size_t{0}, size_t{1}, size_t{3000000}}) {
    Bytes bytes = noise(size);
    write_text(path, {bytes.begin(), bytes.end()});
    EXPECT_EQ(read_bytes(path), bytes);
  }
}

TEST(Bytes, UnpacksGzip) {
  TemporaryFolder folder;
  Bytes bytes = noise(2500000), packed = gzip(bytes);
  write_text(folder.path("f.gz"), {packed.begin(), packed.end()});
  EXPECT_EQ(read_bytes(folder.path("f.gz")), bytes);
}

TEST(Bytes, UnpacksSeveralMembers) {
  Bytes packed = gzip(bytes_of("one, ")), second = gzip(bytes_of("two"));
  packed.insert(packed.end(), second.begin(), second.end());
  EXPECT_EQ(unpack(packed, "f"), bytes_of("one, two"));
  // The last member's size says nothing of the first's.
  Bytes large = noise(3000000);
  packed = gzip(large);
  packed.insert(packed.end(), second.begin(), second.end());
  large.insert(large.end(), {'t', 'w', 'o'});
  EXPECT_EQ(unpack(packed, "f"), large);
}

TEST(Bytes, UnpacksWhatItsLastBytesLieAbout) {
  // The check of the size fails, wherever it points to.
  for (uint8_t last : {uint8_t{0}, uint8_t{1}, uint8_t{255}}) {
    Bytes packed = gzip(noise(100000));
    packed.back() = last;
    packed[packed.size() - 2] = last;
    if (last == 0) packed[packed.size() - 3] = 0;
    EXPECT_NE(error_of([&] { unpack(packed, "f.gz"); }).find("incorrect length check"),
              std::string::npos);
  }
}

TEST(Bytes, RefusesATruncatedStreamAtAnyPlace) {
  Bytes packed = gzip(noise(300));
  for (size_t size = 2; size < packed.size(); ++size) {
    Bytes part(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_NE(error_of([&] { unpack(part, "f.gz"); }).find("the stream ends too soon"),
              std::string::npos)
        << size;
  }
}

TEST(Bytes, NamesTheByteOfDamage) {
  Bytes packed = gzip(bytes_of("some text"));
  packed[packed.size() - 5] ^= 1;  // the check sum
  EXPECT_NE(
      error_of([&] { unpack(packed, "f.gz"); }).find("of the gzip stream: incorrect data check"),
      std::string::npos);
}

TEST(Bytes, RefusesABomb) {
  Bytes packed = gzip(Bytes(size_t{100} << 20));
  EXPECT_NE(error_of([&] { unpack(packed, "f.gz"); }).find("unpacks to more than 64 MiB"),
            std::string::npos);
}

TEST(Bytes, SaysWhyAFileCannotBeRead) {
  TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { read_bytes(folder.path("none")); }),
            "cannot read `" + folder.path("none") + "`: No such file or directory");
  EXPECT_EQ(error_of([&] { read_bytes(folder.path("")); }),
            "cannot read `" + folder.path("") + "`: Is a directory");
  EXPECT_EQ(error_of([] { read_bytes("/dev/zero"); }),
            "cannot read `/dev/zero`: a device, expected a file");
}

}  // namespace
}  // namespace gradus::runtime
