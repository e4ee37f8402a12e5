// Texts go to the reader of their kind; a text that does not read back to itself is told with the
// line.
#include "pipeline/reprint.h"

#include <gtest/gtest.h>

namespace gradus::pipeline {
namespace {

const char* const kKernel =
    "kernel @k scalar {block=4096 unroll=4}:\n"
    "  cost fma=0 simple=0 divide=0 transcendental=0 bytes=4 items=1\n"
    "  y: out f32[]\n"
    "  store y[], 1.0\n";

TEST(Reprint, TheFirstWordSaysWhatATextHolds) {
  EXPECT_EQ(text_kind("graph @g {"), TextKind::Graphs);
  EXPECT_EQ(text_kind("// program one\n\n  // kernel\n \t\nkernel @k"), TextKind::Kernels);
  EXPECT_EQ(text_kind("program @p {capacity=1}:"), TextKind::Programs);
  EXPECT_EQ(text_kind("programs"), TextKind::Graphs);
  EXPECT_EQ(text_kind("graph @g {\n}\nkernel @k"), TextKind::Graphs);
  EXPECT_EQ(text_kind("graph @g {\n}\ncluster @0 rows(%1) {"), TextKind::Clusters);
  EXPECT_EQ(text_kind("graph @g {\n}\n cluster @0"), TextKind::Graphs);
  EXPECT_EQ(text_kind("graph @g {\n}\ncopy @0 %x into"), TextKind::Clusters);
  EXPECT_EQ(text_kind(""), TextKind::Graphs);
  EXPECT_EQ(text_kind("\n"), TextKind::Graphs);
  EXPECT_EQ(text_kind("// kernel"), TextKind::Graphs);
}

TEST(Reprint, PrintedTextsReadBack) {
  EXPECT_EQ(find_roundtrip_problem(kKernel), std::nullopt);
  EXPECT_EQ(find_roundtrip_problem("graph @g {\n  %x = input \"x\" : f32[4]\n  return %x\n}\n"),
            std::nullopt);
  EXPECT_EQ(
      find_roundtrip_problem("program @p {capacity=1}:\n"
                             "  0 kernels, 0 launches, 2 blocks, 0 bytes of scratch a worker\n"),
      std::nullopt);
  EXPECT_EQ(find_roundtrip_problem(""), std::nullopt);
}

TEST(Reprint, TheFirstLineThatDiffersIsTold) {
  std::string text = kKernel;
  text.replace(text.find("1.0"), 3, "1.00");
  EXPECT_EQ(find_roundtrip_problem(text),
            "line 4 reads back to another\n  printed   `  store y[], 1.00`\n  read back `  store "
            "y[], 1.0`");
  EXPECT_EQ(find_roundtrip_problem("kernel  " + std::string(kKernel).substr(7)),
            "line 1 reads back to another\n  printed   `kernel  @k scalar {block=4096 unroll=4}:`\n"
            "  read back `kernel @k scalar {block=4096 unroll=4}:`");
  EXPECT_EQ(find_roundtrip_problem(std::string(kKernel) + "\n"),
            "line 5 reads back to another\n  printed   ``\n  read back ``");
}

TEST(Reprint, ATextThatDoesNotReadIsToldWithItsMessage) {
  const std::string problem = find_roundtrip_problem("kernel k").value_or("nothing");
  EXPECT_EQ(problem.substr(0, problem.find("]\n") + 1),
            "the text does not read\nprinted:1:8: error: found `k`, expected the kernel's name, "
            "`@name` [graph-syntax]");
}

}  // namespace
}  // namespace gradus::pipeline
