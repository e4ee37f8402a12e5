// IDX and .npy: what NumPy and MNIST's authors write, and headers that lie.
#include <gtest/gtest.h>
#include <zlib.h>

#include "runtime/data/source.h"
#include "runtime/temporary_folder.h"

namespace gradus::runtime {
namespace {

std::string idx(uint8_t type, const std::vector<uint32_t>& sizes, const std::string& data) {
  std::string out{0, 0, static_cast<char>(type), static_cast<char>(sizes.size())};
  for (uint32_t size : sizes) {
    for (int shift : {24, 16, 8, 0}) out += static_cast<char>(size >> shift);
  }
  return out + data;
}

std::string npy(const std::string& header, const std::string& data, int version = 1) {
  std::string out = "\x93NUMPY";
  out += {static_cast<char>(version), '\0'};
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
    out += static_cast<char>(header.size() >> (8 * i));
  return out + header + data;
}

std::string dictionary(const std::string& descr, const std::string& shape,
                       const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

std::vector<double> row(const RowSource& source, int64_t index) {
  std::vector<double> out(static_cast<size_t>(source.width()));
  source.read(index, out.data());
  return out;
}

using Numbers = std::vector<double>;
using Sizes = std::vector<int64_t>;

TEST(Idx, ReadsBytesRowByRow) {
  auto source = read_idx(bytes_of(idx(8, {2, 1, 3}, "\x01\x02\x03\xFF\x05\x06")), "f");
  EXPECT_EQ(source->rows(), 2);
  EXPECT_EQ(source->row_sizes(), (Sizes{1, 3}));
  EXPECT_EQ(row(*source, 1), (Numbers{255, 5, 6}));
}

TEST(Idx, ReadsEveryElementTypeBigEndian) {
  EXPECT_EQ(row(*read_idx(bytes_of(idx(9, {1}, "\xFE")), "f"), 0), Numbers{-2});
  EXPECT_EQ(row(*read_idx(bytes_of(idx(0x0B, {1}, "\xFF\xFE")), "f"), 0), Numbers{-2});
  EXPECT_EQ(row(*read_idx(bytes_of(idx(0x0C, {1}, std::string("\0\1\0\2", 4))), "f"), 0),
            Numbers{65538});
  EXPECT_EQ(row(*read_idx(bytes_of(idx(0x0D, {1}, std::string("\x3F\xC0\0\0", 4))), "f"), 0),
            Numbers{1.5});
  EXPECT_EQ(
      row(*read_idx(bytes_of(idx(0x0E, {1}, std::string("\xBF\xF8\0\0\0\0\0\0", 8))), "f"), 0),
      Numbers{-1.5});
}

TEST(Idx, RefusesHeadersThatLie) {
  auto error = [](const std::string& text) {
    return error_of([&] { read_idx(bytes_of(text), "f"); });
  };
  EXPECT_EQ(error(""), "f: byte 0: no IDX file, it looks like an empty file");
  EXPECT_EQ(error("PK\3\4"), "f: byte 0: no IDX file, it looks like a zip archive");
  EXPECT_EQ(error("\3\4\5\6"), "f: byte 0: no IDX file");
  EXPECT_EQ(error(idx(7, {1}, "x")), "f: byte 2: no element type 0x07");
  EXPECT_EQ(error(idx(8, {}, "x")), "f: byte 3: 0 axes, expected 1 to 8 with their sizes");
  EXPECT_EQ(error(std::string("\0\0\x08\x03\0\0\0\1", 8)),
            "f: byte 3: 3 axes, expected 1 to 8 with their sizes");
  EXPECT_EQ(error(idx(8, {0, 3}, "")), "f: a size of 0 in its header");
  EXPECT_EQ(error(idx(8, {3}, "xy")),
            "f: byte 8: the header declares 3 elements of 1 bytes, the file has 2 bytes");
  EXPECT_EQ(error(idx(8, {3}, "wxyz")),
            "f: byte 8: the header declares 3 elements of 1 bytes, the file has 4 bytes");
  uint32_t most = 0xFFFFFFFF;
  EXPECT_NE(error(idx(8, {most, most, most}, "x")).find("in its header"), std::string::npos);
  EXPECT_NE(error(idx(0x0E, {most, 0x7FFFFFFF}, "x")).find("the header declares"),
            std::string::npos);
}

TEST(Npy, ReadsWhatNumPyWrites) {
  // np.save of np.array([[1.5, -2], [3, 4e10]], dtype='<f4')
  std::string header = dictionary("<f4", "(2, 2)");
  auto source = read_npy(
      bytes_of(
          npy(header, std::string("\x00\x00\xc0?\x00\x00\x00\xc0\x00\x00@@\xf9\x02\x15Q", 16))),
      "f");
  EXPECT_EQ(source->row_sizes(), Sizes{2});
  EXPECT_EQ(row(*source, 0), (Numbers{1.5, -2}));
  EXPECT_EQ(row(*source, 1), (Numbers{3, 4e10f}));
}

TEST(Npy, ReadsEveryElementTypeAndVersion) {
  struct Case {
    const char* descr;
    std::string data;
    double value;
  };
  for (int version : {1, 2, 3}) {
    for (const Case& c : {Case{"<f8", std::string("\0\0\0\0\0\0\xF8\xBF", 8), -1.5},
                          Case{"<i2", "\xFE\xFF", -2},
                          Case{">f8", std::string("\xBF\xF8\0\0\0\0\0\0", 8), -1.5},
                          Case{">i2", "\xFF\xFE", -2},
                          Case{"=i2", "\xFE\xFF", -2},
                          Case{">u2", "\xFF\xFE", 65534},
                          Case{"<u2", "\xFE\xFF", 65534},
                          Case{"<u4", "\xFF\xFF\xFF\xFE", 4278190079.0},
                          Case{">u4", "\xFE\xFF\xFF\xFF", 4278190079.0},
                          Case{"<u8", std::string("\1\0\0\0\0\0\0\x80", 8), 9223372036854775808.0},
                          Case{">f4", std::string("\xBF\xC0\0\0", 4), -1.5},
                          Case{"<f2", std::string("\0\xBE", 2), -1.5},
                          Case{">f2", std::string("\x3E\0", 2), 1.5},
                          Case{"<f2", std::string("\1\0", 2), 0x1p-24},
                          Case{"<f2", std::string("\xFF\x7B", 2), 65504},
                          Case{"<f2", std::string("\0\x04", 2), 0x1p-14},
                          Case{"<i4", std::string("\2\0\1\0", 4), 65538},
                          Case{"<i8", std::string("\1\0\0\0\1\0\0\0", 8), 4294967297.0},
                          Case{"|i1", "\x80", -128},
                          Case{"|u1", "\x80", 128},
                          Case{"|b1", "\1", 1}}) {
      auto source = read_npy(bytes_of(npy(dictionary(c.descr, "(1,)"), c.data, version)), "f");
      EXPECT_EQ(row(*source, 0), Numbers{c.value}) << c.descr;
    }
  }
}

TEST(Npy, ReadsColumnOrder) {
  // np.asfortranarray(np.arange(24, dtype='u1').reshape(2, 3, 4)): element [i, j, k] stands at i +
  // 2 (j + 3 k).
  std::string data(24, '\0');
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 3; ++j) {
      for (int k = 0; k < 4; ++k)
        data[static_cast<size_t>(i + 2 * (j + 3 * k))] = static_cast<char>(12 * i + 4 * j + k);
    }
  }
  auto source = read_npy(bytes_of(npy(dictionary("|u1", "(2, 3, 4)", "True"), data)), "f");
  EXPECT_EQ(source->row_sizes(), (Sizes{3, 4}));
  EXPECT_EQ(row(*source, 0), (Numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(row(*source, 1), (Numbers{12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}));
  auto pairs = read_npy(
      bytes_of(npy(dictionary(">i2", "(2, 2)", "True"), std::string("\0\1\0\2\0\3\0\4", 8))), "f");
  EXPECT_EQ(row(*pairs, 0), (Numbers{1, 3}));
  EXPECT_EQ(row(*pairs, 1), (Numbers{2, 4}));
  auto line = read_npy(bytes_of(npy(dictionary("|u1", "(3,)", "True"), "\1\2\3")), "f");
  EXPECT_EQ(row(*line, 2), Numbers{3});
}

TEST(Npy, RefusesHeadersThatLie) {
  auto error = [](const std::string& text) {
    return error_of([&] { read_npy(bytes_of(text), "f"); });
  };
  EXPECT_EQ(error(""), "f: byte 0: no .npy file, it looks like an empty file");
  EXPECT_EQ(error(npy("", "", 4)), "f: byte 6: version 4, expected 1 to 3");
  EXPECT_EQ(error(std::string("\x93NUMPY\2\0\xFF\xFF\xFF\x7F", 12)),
            "f: byte 8: a header of 2147483647 bytes, the file has 0");
  EXPECT_EQ(error(npy("{}", "")), "f: the header has no 'descr'");
  EXPECT_EQ(error(npy("{'descr'", "")), "f: the header's 'descr' has no value");
  EXPECT_EQ(error(npy("{'descr':  ", "")), "f: the header's 'descr' has no value");
  EXPECT_EQ(error(npy("{'descr': '<f4", "")), "f: the header's 'descr' does not end");
  EXPECT_NE(error(npy(dictionary("<c8", "(1,)"), "12345678")).find("elements of '<c8'"),
            std::string::npos);
  EXPECT_NE(error(npy(dictionary("xf4", "(1,)"), "1234")).find("elements of 'xf4'"),
            std::string::npos);
  EXPECT_NE(error(npy(dictionary("|O", "(1,)"), "1234")).find("elements of '|O'"),
            std::string::npos);
  EXPECT_EQ(error(npy(dictionary("<f4", "()"), "1234")), "f: a single number, expected rows");
  EXPECT_NE(error(npy(dictionary("<f4", "(-1,)"), "1234")).find("shape `(-1,`"), std::string::npos);
  EXPECT_NE(error(npy(dictionary("<f4", "(1 2,)"), std::string(48, 'x'))).find("shape `(1 2"),
            std::string::npos);
  EXPECT_EQ(error(npy(dictionary("<f4", "(99999999999999999999,)"), "1234")),
            "f: a size in its header is too large");
  EXPECT_NE(error(npy(dictionary("<f4", "(4611686018427387904, 4)"), "1234"))
                .find("a size of 4 in its header"),
            std::string::npos);
  EXPECT_NE(
      error(npy(dictionary("<f4", "(4611686018427387904,)"), "1234")).find("the header declares"),
      std::string::npos);
  EXPECT_EQ(error(npy(dictionary("<f4", "(1,1,1,1,1,1,1,1,1)"), "1234")),
            "f: 9 axes, at most 8 are read");
  EXPECT_NE(error(npy(dictionary("<f4", "(2,)"), "1234"))
                .find("declares 2 elements of 4 bytes, the file has 4 bytes"),
            std::string::npos);
}

TEST(Npy, RefusesEveryTruncation) {
  std::string whole = npy(dictionary("<f4", "(1, 1)"), "1234");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(error_of([&] { read_npy(bytes_of(whole.substr(0, size)), "f"); }), "no error")
        << size;
  }
}

/// One stored member of a zip archive and its line in the list.
struct Member {
  std::string name, bytes;
};
std::string zip(const std::vector<Member>& members) {
  auto number = [](uint64_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(i < 8 ? value >> (8 * i) : 0);
    return out;
  };
  std::string out, list;
  for (const Member& m : members) {
    uint64_t crc =
        crc32(0, reinterpret_cast<const Bytef*>(m.bytes.data()), static_cast<uInt>(m.bytes.size()));
    std::string common = number(0, 8) + number(crc, 4) + number(m.bytes.size(), 4) +
                         number(m.bytes.size(), 4) + number(m.name.size(), 2) + number(0, 2);
    list += "PK\1\2" + number(20, 2) + number(20, 2) + common + number(0, 10) +
            number(out.size(), 4) + m.name;
    out += "PK\3\4" + number(20, 2) + common + m.name + m.bytes;
  }
  std::string count = number(members.size(), 2);
  return out + list + "PK\5\6" + number(0, 4) + count + count + number(list.size(), 4) +
         number(out.size(), 4) + number(0, 2);
}

TEST(Npz, ReadsTheArrayThatIsNamed) {
  std::string a = npy(dictionary("|u1", "(2,)"), "\1\2"), b = npy(dictionary("|u1", "(1,)"), "\7");
  Bytes both = bytes_of(zip({{"a.npy", a}, {"b.npy", b}, {"note.txt", "x"}})),
        one = bytes_of(zip({{"a.npy", a}}));
  EXPECT_EQ(row(*read_npz(both, "f", "b", ""), 0), Numbers{7});
  EXPECT_EQ(row(*read_npz(both, "f", "", "a"), 1), Numbers{2});
  EXPECT_EQ(row(*read_npz(one, "f", "", "x"), 0), Numbers{1});
  EXPECT_EQ(error_of([&] { read_npz(both, "f", "", "x"); }),
            "f: several arrays; `array:` chooses one of `a`, `b`");
  EXPECT_EQ(error_of([&] { read_npz(both, "f", "c", "a"); }), "f: no array `c`; it has `a`, `b`");
  EXPECT_EQ(error_of([&] { read_npz(one, "f", "c", ""); }), "f: no array `c`; it has `a`");
  EXPECT_EQ(error_of([&] {
              read_npz(bytes_of(zip({{"x", ""}})), "f", "", "");
            }),
            "f: an archive without arrays of NumPy, it looks like a zip archive");
}

TEST(Npz, RefusesEveryTruncationAndOtherBytes) {
  std::string whole = zip({{"a.npy", npy(dictionary("|u1", "(2,)"), "\1\2")}});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(error_of([&] { read_npz(bytes_of(whole.substr(0, size)), "f", "", ""); }), "no error")
        << size;
  }
  size_t data = whole.find(std::string("\1\2", 2), whole.find("NUMPY") + 20);
  whole[data] = 3;
  EXPECT_NE(error_of([&] { read_npz(bytes_of(whole), "f", "", ""); }).find("check sum"),
            std::string::npos);
}

TEST(Linspace, IncludesBothEnds) {
  auto source = make_linspace(0, 3, 4);
  EXPECT_EQ(source->rows(), 4);
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(row(*source, i), Numbers{static_cast<double>(i)});
  EXPECT_EQ(row(*make_linspace(2, 3, 1), 0), Numbers{2});
  EXPECT_NE(error_of([] { make_linspace(0, 1, 0); }), "no error");
  EXPECT_NE(error_of([] { make_linspace(0, 1, int64_t{1} << 40); }), "no error");
  for (double to : {0.7, 1.1, -1e-3, 1e17}) {
    for (int64_t count : {2, 3, 7, 50, 1000}) {
      auto points = make_linspace(0.1, to, count);
      EXPECT_EQ(row(*points, 0), Numbers{0.1});
      EXPECT_EQ(row(*points, count - 1), Numbers{to});
    }
  }
}

}  // namespace
}  // namespace gradus::runtime
