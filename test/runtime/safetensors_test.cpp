// Safetensors: the layout as its authors define it, and headers that lie.
#include "runtime/train/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "runtime/temporary_folder.h"

namespace gradus::runtime {
namespace {

std::string raw(const std::string& header, const std::string& data = "") {
  std::string out;
  for (size_t i = 0; i < 8; ++i) out += static_cast<char>(header.size() >> (8 * i));
  return out + header + data;
}

std::string error(const std::string& text) {
  return error_of([&] { SafetensorsFile(bytes_of(text), "f"); });
}

std::string error_of_header(const std::string& header, const std::string& data = "") {
  return error(raw(header, data));
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> bytes_in(const std::string& text) {
  return std::as_bytes(std::span(text));
}

TEST(Safetensors, WritesTheLayoutOfTheFormat) {
  std::string data = "abcdefgh";
  std::string text = write_safetensors({{"w", "F32", {2, 1}, bytes_in(data)}}, {{"k", "v"}});
  std::string header =
      R"({"__metadata__":{"k":"v"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(text, raw(header, data));
}

TEST(Safetensors, ReadsBackWhatItWrites) {
  std::string four = "0123", three = "xyz", none;
  std::map<std::string, std::string> metadata = {{"a \"b\"\n", "\xE2\x82\xAC\x01\\"}, {"", ""}};
  std::string text = write_safetensors({{"b", "BOOL", {3}, bytes_in(three)},
                                        {"layer.0/w@m", "F32", {}, bytes_in(four)},
                                        {"\xC3\xA9\"", "I64", {0, 5}, bytes_in(none)}},
                                       metadata);
  SafetensorsFile file(bytes_of(text), "f");
  EXPECT_EQ(file.metadata(), metadata);
  ASSERT_EQ(file.tensors().size(), 3u);
  EXPECT_EQ(file.tensors()[0].sizes, std::vector<int64_t>{3});
  EXPECT_EQ(text_of(file.tensors()[0].bytes), three);
  EXPECT_EQ(text_of(file.find("layer.0/w@m")->bytes), four);
  EXPECT_EQ(file.find("layer.0/w@m")->dtype, "F32");
  EXPECT_TRUE(file.find("\xC3\xA9\"")->bytes.empty());
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_EQ(write_safetensors(file.tensors(), file.metadata()), text);
}

TEST(Safetensors, ViewsStayGoodWhenMoved) {
  std::string data = "0123";
  SafetensorsFile first(bytes_of(write_safetensors({{"w", "F32", {}, bytes_in(data)}}, {})), "f");
  SafetensorsFile second = std::move(first);
  EXPECT_EQ(text_of(second.find("w")->bytes), data);
}

TEST(Safetensors, ReadsWhatOtherWritersWrite) {
  // Other order of the data, blanks, escapes.
  SafetensorsFile file(
      bytes_of(raw(R"( { "b" : {"shape":[1],"data_offsets":[4,8],"dtype":"I32"},)"
                   R"("\u0061":{"dtype":"F32","shape":[],"data_offsets":[0,4]} } )",
                   "1234abcd")),
      "f");
  EXPECT_EQ(text_of(file.find("a")->bytes), "1234");
  EXPECT_EQ(text_of(file.find("b")->bytes), "abcd");
}

TEST(Safetensors, RefusesToWriteWhatCannotBeRead) {
  EXPECT_NE(error_of([] { write_safetensors({{"\xFF", "F32", {}, {}}}, {}); }), "no error");
  EXPECT_NE(error_of([] { write_safetensors({}, {{"k", "\xC3"}}); }), "no error");
  EXPECT_NE(error_of([] {
              write_safetensors({}, {{"k", std::string(17 << 20, 'x')}});
            }).find("at most 16777216"),
            std::string::npos);
}

TEST(Safetensors, RefusesLengthsThatLie) {
  EXPECT_EQ(error(""), "f: 0 bytes, no safetensors file");
  EXPECT_EQ(error("1234567"), "f: 7 bytes, no safetensors file");
  EXPECT_NE(error(std::string(8, '\xFF') + "{}").find("a header of 18446744073709551615 bytes"),
            std::string::npos);
  EXPECT_NE(
      error(std::string("\x03\0\0\0\0\0\0\0{}", 10)).find("a header of 3 bytes in a file of 10"),
      std::string::npos);
  std::string large((16 << 20) + 1, ' ');
  EXPECT_NE(error_of_header("{}" + large).find("at most 16777216"), std::string::npos);
}

TEST(Safetensors, RefusesHeadersThatAreNone) {
  for (const char* header : {"",
                             " ",
                             "{",
                             "}",
                             "[]",
                             "null",
                             "1",
                             "\"w\"",
                             "{\"w\"}",
                             "{\"w\":}",
                             "{}{}",
                             "{\"w\":1}",
                             "{\"w\":null}",
                             "{\"w\":[]}",
                             "{\"w\":{}}",
                             "{\"w\":\"F32\"}",
                             "{\"__metadata__\":1}",
                             "{\"__metadata__\":[]}",
                             "{\"__metadata__\":{\"a\":1}}",
                             "{\"__metadata__\":{\"a\":{}}}",
                             "{\"\xFF\":{}}",
                             "{,}"}) {
    EXPECT_NE(error_of_header(header), "no error") << header;
  }
  EXPECT_EQ(error_of_header("{\"a\":trx}"), "f: byte 15: its header is no JSON");
  EXPECT_EQ(error_of_header("{\"a\":tru"), "f: byte 16: its header is no JSON");
}

/// The header of one tensor with these fields.
std::string one(const std::string& dtype, const std::string& shape, const std::string& range) {
  return "{\"w\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + range + "}}";
}

TEST(Safetensors, RefusesTensorsThatLie) {
  std::string data(16, 'x');
  EXPECT_EQ(error_of_header(one("\"F32\"", "[4]", "[0,16]"), data), "no error");
  struct Case {
    const char *dtype, *shape, *range, *says;
  };
  for (const Case& c : {Case{"\"F32\"", "[4]", "[0,15]", "does not fit 16 bytes"},
                        {"\"F32\"", "[4]", "[1,17]", "in data of 16"},
                        {"\"F32\"", "[4]", "[16,0]", "its range [16, 0]"},
                        {"\"F32\"", "[4]", "[16]", "its range [16]"},
                        {"\"F32\"", "[4]", "[0,16,16]", "its range [0, 16, 16]"},
                        {"\"F32\"", "[4]", "[]", "its range []"},
                        {"\"F32\"", "[5]", "[0,20]", "in data of 16"},
                        {"\"BF16\"", "[9]", "[0,16]", "does not fit 18 bytes"},
                        {"\"\"", "[8]", "[0,16]", "no type of elements"},
                        {"\"F4\"", "[8]", "[0,17]", "its range [0, 17] does not fit"},
                        {"4", "[8]", "[0,16]", "has 4 at `dtype`"},
                        {"[]", "[8]", "[0,16]", "has a list at `dtype`"},
                        {"\"F32\"", "4", "[0,16]", "has 4 at `shape`"},
                        {"\"F32\"", "\"4\"", "[0,16]", "has a string at `shape`"},
                        {"\"F32\"", "[-4]", "[0,16]", "has -4 at `shape`"},
                        {"\"F32\"", "[4.0]", "[0,16]", "has 4.0 at `shape`"},
                        {"\"F32\"", "[[4]]", "[0,16]", "has a list at `shape`"},
                        {"\"F32\"", "[4]", "[0,1e1]", "has 1e1 at `data_offsets`"},
                        {"\"F32\"", "[true]", "[0,4]", "has a bool"},
                        {"\"F32\"", "[{}]", "[0,4]", "has an object"},
                        {"\"F32\"", "[4611686018427387904,4]", "[0,16]", "its sizes are too large"},
                        {"\"F32\"", "[4611686018427387905]", "[0,16]", "has 4611686018427387905"},
                        {"\"F32\"", "[99999999999999999999]", "[0,16]", "has 99999999999999999999"},
                        {"\"F32\"", "[1,1,1,1,1,1,1,1,4]", "[0,16]", "a list of more than 8"}}) {
    std::string message = error_of_header(one(c.dtype, c.shape, c.range), data);
    EXPECT_NE(message.find(c.says), std::string::npos) << message;
  }
}

TEST(Safetensors, RefusesFieldsThatAreMissingTwiceOrUnknown) {
  EXPECT_NE(
      error_of_header(R"({"w":{"dtype":"F32","shape":[]}})").find("expected `dtype`, `shape` and"),
      std::string::npos);
  EXPECT_NE(error_of_header(R"({"w":{"dtype":"F32","x":1}})").find("the key `x`"),
            std::string::npos);
  EXPECT_EQ(error_of_header(R"({"w":{"dtype":"F32","dtype":"F32"}})"),
            "f: `dtype` stands twice in its header");
  EXPECT_EQ(error_of_header(R"({"__metadata__":{"a":"1","a":"1"}})"),
            "f: `a` stands twice in its header");
  EXPECT_EQ(error_of_header(R"({"__metadata__":{},"__metadata__":{}})"),
            "f: `__metadata__` stands twice in its header");
  std::string w = R"("w":{"dtype":"F32","shape":[],"data_offsets":[0,4]})";
  EXPECT_EQ(error_of_header("{" + w + "," + w + "}", "1234"), "f: `w` stands twice in its header");
}

TEST(Safetensors, RefusesTensorsThatOverlap) {
  auto two = [](const char* a, const char* b) {
    return std::string(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)") + a +
           R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + b + "}}";
  };
  std::string data(16, 'x');
  EXPECT_EQ(error_of_header(two("[8,16]", "[0,8]"), data), "no error");
  EXPECT_EQ(error_of_header(two("[4,12]", "[0,8]"), data), "f: tensors `b` and `a` overlap");
  EXPECT_NE(error_of_header(two("[0,8]", "[0,8]"), data).find("overlap"), std::string::npos);
}

TEST(Safetensors, DeepHeadersEndEarly) {
  for (const char* part : {"[", "{\"a\":", "{\"a\":{\"shape\":["}) {
    std::string deep;
    while (deep.size() < 4000000) deep += part;
    EXPECT_NE(error_of_header(deep), "no error");
  }
}

TEST(Safetensors, RefusesEveryTruncation) {
  std::string whole = raw(one("\"F32\"", "[2]", "[0,8]"), "12345678");
  ASSERT_EQ(error(whole), "no error");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(error(whole.substr(0, size)), "no error") << size;
  }
}

TEST(Safetensors, WidensHalfsExactly) {
  // Values of IEEE 754 and of bfloat16 by their definition; every finite half goes through two
  // formulas.
  auto widened = [](const std::string& dtype, uint16_t bits, const std::string& to) {
    std::byte bytes[] = {std::byte(bits & 0xFF), std::byte(bits >> 8)};
    TensorView tensor{"w", dtype, {1}, bytes};
    EXPECT_TRUE(widens(tensor, to));
    float narrow = 0;
    double wide = 0;
    if (to == "F32")
      copy_tensor(tensor, to, std::as_writable_bytes(std::span(&narrow, 1)));
    else
      copy_tensor(tensor, to, std::as_writable_bytes(std::span(&wide, 1)));
    return to == "F32" ? static_cast<double>(narrow) : wide;
  };
  EXPECT_EQ(widened("BF16", 0x3FC0, "F32"), 1.5);
  EXPECT_EQ(widened("BF16", 0xC2F7, "F64"), -123.5);
  EXPECT_EQ(widened("BF16", 0x7F7F, "F32"), 0x1.FEp127);
  EXPECT_EQ(widened("F16", 0x7C00, "F32"), INFINITY);
  EXPECT_TRUE(std::isnan(widened("F16", 0x7E00, "F32")));
  EXPECT_TRUE(std::signbit(widened("F16", 0x8000, "F32")));
  for (int bits = 0; bits < 0x7C00; ++bits) {
    int exponent = bits >> 10, fraction = bits & 0x3FF;
    double value =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    ASSERT_EQ(widened("F16", static_cast<uint16_t>(bits), "F32"), value);
    ASSERT_EQ(widened("F16", static_cast<uint16_t>(bits | 0x8000), "F64"), -value);
  }
  EXPECT_FALSE(widens({"w", "F32", {1}, {}}, "F64"));
  EXPECT_FALSE(widens({"w", "F16", {1}, {}}, "I32"));
}

}  // namespace
}  // namespace gradus::runtime
