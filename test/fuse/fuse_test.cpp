// What fuses and what does not: clusters as text, and graphs whose bits are checked in test/kernel.
#include "fuse/fuse.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "fuse/text.h"
#include "graph/text.h"

namespace gradus::fuse {
namespace {

struct Fused {
  Graph graph;
  Clustering clustering;
  Remarks remarks;
  std::string text;

  size_t count() const { return clustering.clusters.size(); }
  bool says(const std::string& words) const {
    return std::any_of(remarks.begin(), remarks.end(), [&](const std::string& remark) {
      return remark.find(words) != std::string::npos;
    });
  }
  bool has(const std::string& words) const { return text.find(words) != std::string::npos; }
};

Fused fused(const std::string& body) {
  SourceMap sources;
  DiagEngine diags(sources);
  auto graphs = read_graphs(sources, sources.add("t.gir", "graph @g {\n" + body + "}\n"), diags);
  if (!graphs) throw std::runtime_error(diags.render(false));
  Fused result;
  result.graph = graphs->front();
  Target target;
  frozen_target("test-avx2", target);
  result.clustering = fuse(result.graph, target, 32, &result.remarks);
  result.text = print_clustering(result.graph, result.clustering);
  const auto breach = verify_clustering(result.graph, result.clustering);
  EXPECT_FALSE(breach) << *breach << result.text;
  return result;
}

TEST(FuseContract, TakesBiasActivationAndMask) {
  const Fused f = fused(
      "%x = input \"x\" : f32[batch,784]\n"
      "%w = param \"w\" : f32[784,256]\n"
      "%b = param \"b\" : f32[256]\n"
      "%0 = matmul %x, %w : f32[batch,256]\n"
      "%1 = add %0, %b : f32[batch,256]\n"
      "%2 = less_equal %1, 0.0 : bool[batch,256]\n"
      "%3 = select %2, 0.0, %1 : f32[batch,256]\n"
      "return %3\n");
  EXPECT_EQ(f.count(), 1u) << f.text;
  EXPECT_TRUE(f.has("cluster @0 contract(%0) {")) << f.text;
  EXPECT_TRUE(f.has("} yields %3\n")) << f.text;
  EXPECT_TRUE(f.says("saves 32768 B"));
}

const char* const kUpdates =
    "%x = input \"x\" : f32[batch,784]\n"
    "%w = param \"w\" : f32[784,256]\n"
    "%m = state \"m\" : f32[784,256]\n"
    "%z = input \"z\" : f32[batch,256]\n"
    "%0 = matmul %z, %w {tb=true} : f32[batch,784]\n"
    "%1 = matmul %x, %z {ta=true} : f32[784,256]\n"
    "%2 = mul %m, 0.9 : f32[784,256]\n"
    "%3 = add %2, %1 : f32[784,256]\n"
    "%4 = mul %3, 0.01 : f32[784,256]\n"
    "%5 = sub %w, %4 : f32[784,256]\n"
    "return output \"dx\" %0, update \"m\" %3, update \"w\" %5\n";

TEST(FuseContract, UpdatesJoinTheProductThatGivesTheGradient) {
  const Fused f = fused(kUpdates);
  EXPECT_EQ(f.count(), 2u) << f.text;
  EXPECT_TRUE(f.has("} yields %3, %5 updates %m = %3, %w = %5")) << f.text;
}

TEST(FuseContract, AReaderOfTheOldValueRunsBeforeTheUpdate) {
  const Fused f = fused(kUpdates);
  EXPECT_EQ(f.clustering.clusters[ClusterId(0)].members.front(), NodeId(4)) << f.text;
}

std::string clip_text(const std::string& columns, const std::string& count) {
  const std::string matrix = "[8," + columns + "]";
  return "%x = input \"x\" : f32[batch,8]\n"
         "%z = input \"z\" : f32[batch," +
         columns +
         "]\n"
         "%w = param \"w\" : f32" +
         matrix +
         "\n"
         "%0 = matmul %x, %z {ta=true} : f32" +
         matrix +
         "\n"
         "%1 = mul %0, %0 : f32" +
         matrix +
         "\n"
         "%2 = reshape %1 : f32[" +
         count +
         "]\n"
         "%3 = sum %2 {dims=[0], order=lanes} : f32[]\n"
         "%4 = sqrt %3 : f32[]\n"
         "%5 = div %0, %4 : f32" +
         matrix +
         "\n"
         "%6 = sub %w, %5 : f32" +
         matrix +
         "\n"
         "return update \"w\" %6\n";
}

TEST(FuseContract, AClipByTheNormKeepsTheUpdateApart) {
  const Fused f = fused(clip_text("16", "128"));
  EXPECT_EQ(f.count(), 2u) << f.text;
  EXPECT_TRUE(f.has("%0 = matmul %x, %z : f32[8,16]\n} yields %0\n")) << f.text;
}

TEST(FuseRows, TheNormOfALargeTensorDoesNotTakeWhatFollowsIt) {
  const Fused f = fused(clip_text("4096", "32768"));
  EXPECT_EQ(f.count(), 3u) << f.text;
  EXPECT_TRUE(f.has("} yields %6 updates %w = %6\n")) << f.text;
}

TEST(FuseContract, APathThroughAnotherClusterIsRefused) {
  const Fused f = fused(
      "%x = input \"x\" : f32[batch,8]\n"
      "%w = param \"w\" : f32[8,8]\n"
      "%0 = matmul %x, %w : f32[batch,8]\n"
      "%1 = matmul %0, %w : f32[batch,8]\n"
      "%2 = cumulative_sum %1 {axis=1} : f32[batch,8]\n"
      "%3 = sub %0, %2 : f32[batch,8]\n"
      "return %3\n");
  EXPECT_EQ(f.count(), 4u) << f.text;
  EXPECT_TRUE(f.says("keep %3 apart from %0: L1 through %1")) << f.text;
}

TEST(FuseRows, WhatServesAFoldAloneIsNotStoredByTheProduct) {
  const Fused f = fused(
      "%x = input \"x\" : f32[batch,8]\n"
      "%w = param \"w\" : f32[8,16]\n"
      "%g = param \"g\" : f32[16]\n"
      "%0 = matmul %x, %w : f32[batch,16]\n"
      "%1 = mul %0, %g : f32[batch,16]\n"
      "%2 = sum %1 {dims=[1], order=lanes} : f32[batch]\n"
      "return output \"a\" %0, output \"b\" %2\n");
  EXPECT_TRUE(f.has("%0 = matmul %x, %w : f32[batch,16]\n} yields %0\n")) << f.text;
}

TEST(FuseContract, ASumOfTwoProductsJoinsTheLater) {
  const Fused f = fused(
      "%x = input \"x\" : f32[batch,8]\n"
      "%y = input \"y\" : f32[batch,8]\n"
      "%w = param \"w\" : f32[8,16]\n"
      "%0 = matmul %x, %w : f32[batch,16]\n"
      "%1 = matmul %y, %w : f32[batch,16]\n"
      "%2 = add %0, %1 : f32[batch,16]\n"
      "return %2\n");
  EXPECT_EQ(f.count(), 2u);
  EXPECT_TRUE(f.has("cluster @1 contract(%1)")) << f.text;
  EXPECT_TRUE(f.has("} yields %2\n")) << f.text;
}

TEST(FuseContract, RowsOfBatchAndTimeReadAResidualThroughItsReshape) {
  const Fused f = fused(
      "%x = input \"x\" : f32[batch,4,8]\n"
      "%w = param \"w\" : f32[8,16]\n"
      "%r = input \"r\" : f32[batch,4,16]\n"
      "%0 = reshape %x : f32[4*batch,8]\n"
      "%1 = matmul %0, %w : f32[4*batch,16]\n"
      "%2 = reshape %1 : f32[batch,4,16]\n"
      "%3 = add %2, %r : f32[batch,4,16]\n"
      "return %3\n");
  EXPECT_EQ(f.count(), 1u) << f.text;
}

TEST(FuseContract, APositionalTableDoesNotFitRowsOfTheProduct) {
  const Fused f = fused(
      "%x = input \"x\" : f32[batch,4,8]\n"
      "%w = param \"w\" : f32[8,16]\n"
      "%p = param \"p\" : f32[4,16]\n"
      "%0 = reshape %x : f32[4*batch,8]\n"
      "%1 = matmul %0, %w : f32[4*batch,16]\n"
      "%2 = reshape %1 : f32[batch,4,16]\n"
      "%3 = add %2, %p : f32[batch,4,16]\n"
      "return %3\n");
  EXPECT_EQ(f.count(), 2u) << f.text;
  EXPECT_TRUE(f.says("L2")) << f.text;
}

TEST(FuseRows, LayerNormForwardIsOneCluster) {
  const Fused f = fused(
      "%x = input \"x\" : f32[batch,4,128]\n"
      "%r = input \"r\" : f32[batch,4,128]\n"
      "%g = param \"g\" : f32[128]\n"
      "%b = param \"b\" : f32[128]\n"
      "%0 = add %x, %r : f32[batch,4,128]\n"
      "%1 = sum %0 {dims=[2], keep=true, order=lanes} : f32[batch,4,1]\n"
      "%2 = mul %1, 0.0078125 : f32[batch,4,1]\n"
      "%3 = sub %0, %2 : f32[batch,4,128]\n"
      "%4 = mul %3, %3 : f32[batch,4,128]\n"
      "%5 = sum %4 {dims=[2], keep=true, order=lanes} : f32[batch,4,1]\n"
      "%6 = mul %5, 0.0078125 : f32[batch,4,1]\n"
      "%7 = add %6, 0.00001 : f32[batch,4,1]\n"
      "%8 = sqrt %7 : f32[batch,4,1]\n"
      "%9 = div %3, %8 : f32[batch,4,128]\n"
      "%10 = fma %9, %g, %b : f32[batch,4,128]\n"
      "return %0, %10\n");
  EXPECT_EQ(f.count(), 1u) << f.text;
}

TEST(FuseRows, ASumOverTheBatchIsNotReadInside) {
  const Fused f = fused(
      "%x = input \"x\" : f32[batch,10]\n"
      "%0 = exp %x : f32[batch,10]\n"
      "%1 = sum %0 {dims=[0], order=chain} : f32[10]\n"
      "%2 = div %0, %1 : f32[batch,10]\n"
      "return %2\n");
  EXPECT_GE(f.count(), 2u) << f.text;
}

TEST(FuseUpdates, AReaderThatNeedsTheNewValueForcesACopy) {
  const Fused f = fused(
      "%a = state \"a\" : f32[4]\n"
      "%x = input \"x\" : f32[4]\n"
      "%0 = add %a, %x : f32[4]\n"
      "%1 = sum %0 {dims=[0], order=lanes} : f32[]\n"
      "%2 = mul %a, %1 : f32[4]\n"
      "return update \"a\" %0, output \"y\" %2\n");
  EXPECT_TRUE(f.says("copy %0 into %a"));
  EXPECT_TRUE(f.has("copy @2 %0 into update \"a\"") || f.has("copy @1 %0 into update \"a\""))
      << f.text;
}

TEST(FuseResults, LeavesViewsAndRepeatedResultsAreCopied) {
  const Fused f = fused(
      "%x = input \"x\" : f32[batch,4]\n"
      "%0 = exp %x : f32[batch,4]\n"
      "%1 = transpose %0 {perm=[0,1]} : f32[batch,4]\n"
      "return output \"a\" %x, output \"b\" %0, output \"c\" %0, output \"d\" %1\n");
  EXPECT_TRUE(f.has("copy @1 %x into output \"a\"")) << f.text;
  EXPECT_TRUE(f.has("into output \"c\"")) << f.text;
  EXPECT_TRUE(f.has("copy @3 %1 into output \"d\"")) << f.text;
}

TEST(FuseScalar, ScalarsOfScalarsAreOneCluster) {
  const Fused f = fused(
      "%t = step_number : f64[]\n"
      "%s = state \"s\" : f32[]\n"
      "%x = input \"x\" : f32[8]\n"
      "%0 = neg %t : f64[]\n"
      "%1 = exp %0 : f64[]\n"
      "%2 = convert %1 : f32[]\n"
      "%3 = add %s, %2 : f32[]\n"
      "%4 = mul %x, %2 : f32[8]\n"
      "return update \"s\" %3, output \"y\" %4\n");
  EXPECT_EQ(f.count(), 2u) << f.text;
  EXPECT_TRUE(f.has("cluster @0 scalar(%1)")) << f.text;
}

const char* const kBias =
    "%x = input \"x\" : f32[batch,64]\n"
    "%w = param \"w\" : f32[64,256]\n"
    "%s = input \"s\" : f32[batch,256]\n"
    "%0 = matmul %x, %w : f32[batch,256]\n"
    "%1 = mul %0, %s : f32[batch,256]\n";

TEST(FuseColumnSums, JoinTheProductThatStoresTheRows) {
  const Fused f = fused(std::string(kBias) +
                        "%2 = partial_sum %1 {dims=[0], chunk=16} : f32[2,256]\n"
                        "return %1, %2\n");
  EXPECT_EQ(f.count(), 1u) << f.text;
  EXPECT_TRUE(f.has("cluster @0 strip(%0) by rows {")) << f.text;
  EXPECT_TRUE(f.has("} yields %1, %2\n")) << f.text;
  EXPECT_TRUE(f.says("1 sums of columns"));
}

TEST(FuseColumnSums, StayApartFromAProductWhereTheyReadFurtherRows) {
  const Fused f = fused(std::string(kBias) +
                        "%h = input \"h\" : f32[batch,256]\n"
                        "%2 = mul %1, %h : f32[batch,256]\n"
                        "%3 = partial_sum %2 {dims=[0], chunk=16} : f32[2,256]\n"
                        "return %1, %3\n");
  EXPECT_FALSE(f.has("by rows")) << f.text;
}

TEST(FuseColumnSums, JoinRowsThatReadTheSame) {
  const Fused f = fused(
      "%g = input \"g\" : f32[batch,256]\n"
      "%h = input \"h\" : f32[batch,256]\n"
      "%0 = mul %g, %h : f32[batch,256]\n"
      "%1 = sum %0 {dims=[1], keep=true, order=lanes} : f32[batch,1]\n"
      "%2 = fma %1, %h, %g : f32[batch,256]\n"
      "%3 = partial_sum %g {dims=[0], chunk=16} : f32[2,256]\n"
      "return %2, %3\n");
  EXPECT_EQ(f.count(), 1u) << f.text;
  EXPECT_TRUE(f.has("by rows")) << f.text;
}

TEST(FuseColumnSums, StayApartWhereTheRowsAreFewAndShort) {
  const Fused f = fused(
      "%x = input \"x\" : f32[batch,10]\n"
      "%0 = sum %x {dims=[1], keep=true, order=lanes} : f32[batch,1]\n"
      "%1 = mul %x, %0 : f32[batch,10]\n"
      "%2 = partial_sum %1 {dims=[0], chunk=16} : f32[2,10]\n"
      "return %1, %2\n");
  EXPECT_FALSE(f.has("by rows")) << f.text;
}

TEST(VerifyClustering, FindsSeededFaults) {
  Fused f = fused(kUpdates);
  Clustering late = f.clustering;
  std::swap(late.clusters[ClusterId(0)], late.clusters[ClusterId(1)]);
  for (auto& id : late.cluster_of) {
    if (id.valid()) id = ClusterId(1 - id.index());
  }
  EXPECT_NE(verify_clustering(f.graph, late).value_or("").find("overwritten"), std::string::npos);
  Clustering twice = f.clustering;
  twice.clusters[ClusterId(0)].members.push_back(NodeId(9));
  EXPECT_TRUE(verify_clustering(f.graph, twice));
  Clustering silent = f.clustering;
  silent.clusters[ClusterId(0)].yields.clear();
  EXPECT_TRUE(verify_clustering(f.graph, silent));
  Clustering unstored = f.clustering;
  unstored.clusters[ClusterId(1)].updates.clear();
  EXPECT_NE(verify_clustering(f.graph, unstored).value_or("").find("stored by nobody"),
            std::string::npos);
}

const char* const kScores =
    "%q = input \"q\" : f32[batch,4,16,8]\n"
    "%k = input \"k\" : f32[batch,4,16,8]\n"
    "%v = input \"v\" : f32[batch,4,16,8]\n"
    "%0 = matmul %q, %k {tb=true} : f32[batch,4,16,16]\n"
    "%1 = exp %0 : f32[batch,4,16,16]\n"
    "%2 = sum %1 {dims=[3], keep=true, order=lanes} : f32[batch,4,16,1]\n"
    "%3 = div %1, %2 : f32[batch,4,16,16]\n";

TEST(FuseStrips, RowsBetweenProductsOfTheSameItems) {
  const Fused f = fused(std::string(kScores) +
                        "%4 = matmul %3, %v : f32[batch,4,16,8]\n"
                        "return %4\n");
  EXPECT_EQ(f.count(), 1u) << f.text;
  EXPECT_TRUE(f.has("cluster @0 strip(%0) over [batch,4] {")) << f.text;
  EXPECT_TRUE(f.has("  } yields %3\n  part contract(%4)")) << f.text;
  EXPECT_TRUE(f.has("} yields %4\n")) << f.text;
  EXPECT_TRUE(f.says("strip of 3 clusters over [batch,4]"));
}

/// Why the clusters are refused once `words` of their text are `others`; empty where they are not.
std::string refusal(const Fused& f, const std::string& words, const std::string& others) {
  std::string text = f.text;
  const size_t at = text.find(words);
  if (at == std::string::npos) return "no `" + words + "` in\n" + text;
  text.replace(at, words.size(), others);
  SourceMap sources;
  DiagEngine diags(sources);
  const bool read = read_clustering(f.graph, sources, sources.add("t", text), 0, diags).has_value();
  EXPECT_EQ(read, !diags.has_errors());
  return diags.render(false);
}

TEST(VerifyClustering, MembersOfPartsStandInOrder) {
  const Fused f = fused(std::string(kScores) +
                        "%4 = matmul %3, %v : f32[batch,4,16,8]\n"
                        "return %4\n");
  const std::string sum = "    %2 = sum %1 : f32[batch,4,16,1]\n";
  const std::string share = "    %3 = div %1, %2 : f32[batch,4,16,16]\n";
  EXPECT_EQ(refusal(f, sum + share, sum + share), "");
  EXPECT_NE(refusal(f, sum + share, share + sum).find("members of a part of @0 are out of order"),
            std::string::npos);
}

TEST(VerifyClustering, ItemsLeadTheShapesOfParts) {
  const Fused f = fused(std::string(kScores) +
                        "%4 = matmul %3, %v : f32[batch,4,16,8]\n"
                        "return %4\n");
  EXPECT_EQ(refusal(f, "over [batch,4]", "over [batch]"), "");
  for (const char* items : {"[4,batch]", "[batch,2]", "[batch,4,16,16]", "[batch,4,16,8,2]"}) {
    const std::string problem = refusal(f, "over [batch,4]", std::string("over ") + items);
    EXPECT_NE(problem.find("a part of @0 does not run over its items"), std::string::npos)
        << items << ": " << problem;
  }
}

TEST(FuseStrips, ValuesOfAPartAreStoredWhereTheyAreMoved) {
  const Fused f = fused(std::string(kScores) +
                        "%4 = matmul %3, %v : f32[batch,4,16,8]\n"
                        "%5 = transpose %4 {perm=[0,2,1,3]} : f32[batch,16,4,8]\n"
                        "%6 = reshape %5 : f32[batch,16,32]\n"
                        "return %6\n");
  EXPECT_EQ(f.count(), 1u) << f.text;
  EXPECT_TRUE(f.has("  } moves %6 = %4\n")) << f.text;
}

TEST(FuseStrips, SharesThatAreAResultAreStoredOnce) {
  const Fused f = fused(std::string(kScores) +
                        "%4 = matmul %3, %v : f32[batch,4,16,8]\n"
                        "return %4, %3\n");
  EXPECT_TRUE(f.has("} yields %3, %4\n")) << f.text;
}

TEST(FuseStrips, NoneWhereRowsAreNoItems) {
  const Fused f = fused(
      "%x = input \"x\" : f32[batch,16]\n"
      "%w = param \"w\" : f32[16,16]\n"
      "%0 = matmul %x, %w : f32[batch,16]\n"
      "%1 = exp %0 : f32[batch,16]\n"
      "%2 = sum %1 {dims=[1], keep=true, order=lanes} : f32[batch,1]\n"
      "%3 = div %1, %2 : f32[batch,16]\n"
      "%4 = matmul %3, %w : f32[batch,16]\n"
      "return %4\n");
  EXPECT_FALSE(f.has("strip")) << f.text;
}

TEST(FuseStrips, NoneWhereAPartWaitsForWhatTheStripGives) {
  const Fused f = fused(std::string(kScores) +
                        "%4 = sum %3 {dims=[1,2,3], order=lanes} : f32[batch]\n"
                        "%5 = partial_sum %4 {dims=[0], chunk=32} : f32[1]\n"
                        "%6 = sum %5 {dims=[0], order=chain} : f32[]\n"
                        "%7 = mul %v, %6 : f32[batch,4,16,8]\n"
                        "%8 = matmul %3, %7 : f32[batch,4,16,8]\n"
                        "return %8\n");
  EXPECT_FALSE(f.has("part contract(%8)")) << f.text;
}

}  // namespace
}  // namespace gradus::fuse
