// Memory of variables: each on a boundary of its own, zero at first, kept when others are added.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "pipeline/step_runner.h"

namespace gradus::pipeline {
namespace {

constexpr size_t kReadable = 64;  // bytes that a vector may read after the last element

bool all_are(std::span<const std::byte> bytes, std::byte value) {
  return std::all_of(bytes.begin(), bytes.end(), [&](std::byte byte) { return byte == value; });
}

void fill(std::span<std::byte> bytes, int value) { std::memset(bytes.data(), value, bytes.size()); }

/// f32 in `size` elements.
VariableStore::Wanted wanted(const std::string& path, int64_t size) {
  return {path, TensorType{DType::F32, {Dim::fixed(size)}}};
}

TEST(VariableStore, GivesEachVariableBytesOfItsOwn) {
  for (int64_t size : {3, 300000, 3000000}) {  // from the heap, on small pages, on large ones
    VariableStore store;
    store.add({wanted("first", size), wanted("second", 5), wanted("third", size)});
    for (const std::string& path : store.paths()) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(store.bytes(path).data()) % 64, 0u);
      EXPECT_TRUE(all_are(store.bytes(path), std::byte{0}));
    }
    EXPECT_EQ(store.bytes("first").size(), static_cast<size_t>(size) * 4);
    fill(store.bytes("first"), 1);
    fill(store.bytes("third"), 3);
    EXPECT_TRUE(all_are({store.bytes("second").data(), store.bytes("second").size() + kReadable},
                        std::byte{0}));
    EXPECT_TRUE(all_are(store.bytes("first"), std::byte{1}));
    EXPECT_TRUE(all_are({store.bytes("third").data() + store.bytes("third").size(), kReadable},
                        std::byte{0}));
  }
}

TEST(VariableStore, KeepsWhatItHasWhenMoreIsAdded) {
  VariableStore store;
  store.add({wanted("weight", 7)});
  fill(store.bytes("weight"), 9);
  const std::byte* place = store.bytes("weight").data();
  store.add({wanted("moment", 2000000), wanted("weight", 7)});
  EXPECT_EQ(store.bytes("weight").data(), place);
  EXPECT_TRUE(all_are(store.bytes("weight"), std::byte{9}));
  EXPECT_EQ(store.paths(), (std::vector<std::string>{"weight", "moment"}));
}

}  // namespace
}  // namespace gradus::pipeline
