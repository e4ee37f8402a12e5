// Shape arithmetic: text both ways, checked products, broadcasting.
#include "tensor/type.h"

#include <gtest/gtest.h>

#include "support/check.h"

namespace gradus {
namespace {

Shape shape(const std::string& text) { return type_from_string("f32" + text)->shape; }

TEST(Type, text_reads_back) {
  for (const char* text : {"f32[]", "f64[3]", "i32[batch]", "i64[64*batch,128]", "bool[1,batch,2]",
                           "f32[4611686018427387904]"}) {
    std::optional<TensorType> type = type_from_string(text);
    ASSERT_TRUE(type) << text;
    EXPECT_EQ(to_string(*type), text);
  }
}

TEST(Type, refuses_what_is_no_type) {
  for (const char* text : {"",
                           "f32",
                           "[",
                           "f32[",
                           "f32]",
                           "f16[3]",
                           "f32[0]",
                           "f32[-1]",
                           "f32[3,]",
                           "f32[,3]",
                           "f32[,]",
                           "f32[3 ]",
                           "f32[batch*2]",
                           "f32[0*batch]",
                           "f32[2*batches]",
                           "f32[+3]",
                           "f32[4611686018427387905]",
                           "f32[9223372036854775808]",
                           "f32[3]]",
                           "f32[1e3]"}) {
    EXPECT_FALSE(type_from_string(text)) << text;
  }
}

TEST(Type, counts_are_checked) {
  EXPECT_EQ(checked_count(shape("[3,4,5]")), Dim::fixed(60));
  EXPECT_EQ(checked_count(shape("[2,batch,5]")), Dim::batches(10));
  EXPECT_EQ(checked_count({}), Dim::fixed(1));
  int64_t big = int64_t{1} << 31;
  EXPECT_EQ(checked_count({Dim::fixed(big), Dim::fixed(big)}), Dim::fixed(int64_t{1} << 62));
  EXPECT_FALSE(checked_count({Dim::fixed(big), Dim::fixed(big), Dim::fixed(2)}));
  EXPECT_FALSE(checked_count({Dim::fixed(INT64_MAX), Dim::fixed(INT64_MAX)}));
  EXPECT_FALSE(checked_count({Dim::fixed(INT64_MAX)}));
  EXPECT_FALSE(checked_count({Dim::fixed(3), Dim::fixed(0)}));
  EXPECT_FALSE(checked_count({Dim::fixed(-1), Dim::fixed(-1)}));
  EXPECT_FALSE(checked_count({Dim::batches(), Dim::batches()}));
}

TEST(Type, sizes_at_n_rows) {
  EXPECT_EQ(element_count(shape("[64*batch,128]"), 3), 64 * 3 * 128);
  EXPECT_EQ(byte_size({DType::F64, shape("[batch,2]")}, 5), 80);
  EXPECT_EQ(byte_size({DType::Bool, shape("[7]")}, 5), 7);
  EXPECT_THROW(element_count(shape("[4611686018427387904*batch]"), 3), InternalError);
  EXPECT_THROW(byte_size({DType::F64, shape("[4611686018427387904]")}, 1), InternalError);
  EXPECT_EQ(dense_strides(shape("[batch,3,4]"), 7), (std::vector<int64_t>{12, 4, 1}));
  EXPECT_EQ(dense_strides(shape("[2,batch,4]"), 7), (std::vector<int64_t>{28, 4, 1}));
  EXPECT_TRUE(dense_strides({}, 7).empty());
}

TEST(Type, broadcasts_as_numpy) {
  struct Case {
    const char *a, *b, *expected;
  };
  for (const Case& c : {Case{"[3,4]", "[4]", "[3,4]"}, Case{"[3,1]", "[1,4]", "[3,4]"},
                        Case{"[]", "[batch,2]", "[batch,2]"}, Case{"[batch,1]", "[7]", "[batch,7]"},
                        Case{"[1]", "[batch]", "[batch]"}, Case{"[2,1,3]", "[5,1]", "[2,5,3]"}}) {
    EXPECT_EQ(broadcast_shapes(shape(c.a), shape(c.b)), shape(c.expected)) << c.a << c.b;
    EXPECT_EQ(broadcast_shapes(shape(c.b), shape(c.a)), shape(c.expected)) << c.b << c.a;
  }
  EXPECT_FALSE(broadcast_shapes(shape("[3]"), shape("[4]")));
  EXPECT_FALSE(broadcast_shapes(shape("[batch]"), shape("[2*batch]")));
  EXPECT_FALSE(broadcast_shapes(shape("[batch]"), shape("[4]")));
  EXPECT_TRUE(broadcasts_to(shape("[3,1]"), shape("[2,3,4]")));
  EXPECT_FALSE(broadcasts_to(shape("[2,3,4]"), shape("[3,4]")));
  EXPECT_FALSE(broadcasts_to(shape("[4]"), shape("[1]")));
}

}  // namespace
}  // namespace gradus
