// Attention as strips: the interpreter's bits are those of the exact evaluator for every length,
// and scratch that nobody filled (it begins as NaN) reaches no result.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "kernel/attention_graph.h"
#include "kernel/run_clustering.h"

namespace gradus::kernel {
namespace {

using test::Attention;
using test::graph_of;

Target frozen(const char* cpu) {
  Target target;
  EXPECT_TRUE(frozen_target(cpu, target));
  return target;
}

int64_t strips(const Clustering& clustering) {
  return std::ranges::count(clustering.clusters, ClusterClass::Strip, &Cluster::cls);
}

TEST(Strip, HasTheBitsOfTheGraph) {
  for (const char* cpu : {"test-avx2", "test-avx512"}) {
    for (int64_t length : {2, 5, 8, 9, 16, 17, 31, 32, 33, 48, 65}) {
      for (int kind = 0; kind < 4; ++kind) {
        const bool causal = kind % 2 == 0, dropout = kind / 2 == 1;
        SCOPED_TRACE(fmt::format("{} length {} kind {}", cpu, length, kind));
        const Graph graph = graph_of(
            {.length = length, .width = 4 + length % 3, .causal = causal, .dropout = dropout});
        StepRun run(graph, {.n = 2, .capacity = 3}, frozen(cpu));
        EXPECT_EQ(strips(run.clustering()), 2);
        run.expect_exact();
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Strip, CutsBandsUnderACausalMask) {
  for (bool dropout : {false, true}) {
    const Graph graph = graph_of({.length = 64, .width = 32, .dropout = dropout});
    StepRun run(graph, {.n = 1, .capacity = 1}, frozen("test-avx512"));
    run.expect_exact();
    const auto count = [&](const std::string& text) {
      int64_t found = 0;
      for (size_t at = 0; (at = run.kernels().find(text, at)) != std::string::npos; ++at) ++found;
      return found;
    };
    EXPECT_EQ(count("max 64 step 32 padded"), 3) << run.kernels();  // scores, twice; cotangents
    EXPECT_EQ(count("max 64 padded -> "), 5) << run.kernels();      // softmax, twice; its slope
    EXPECT_EQ(count("sum k_2 0..i_2+8 max 64: "), 1) << run.kernels();  // shares @ values
    EXPECT_EQ(count("i_3..64: "), 1) << run.kernels();                  // shares, transposed
    EXPECT_EQ(count("lanes c 0..64"), 0) << run.kernels();              // no row of a whole matrix
  }
}

TEST(Strip, ComputesAllWithoutAMask) {
  const Graph graph = graph_of({.length = 64, .width = 32, .causal = false});
  StepRun run(graph, {.n = 1, .capacity = 1}, frozen("test-avx512"));
  run.expect_exact();
  EXPECT_EQ(run.kernels().find("padded"), std::string::npos) << run.kernels();
}

TEST(Strip, SharesThePlacesOfMatrices) {
  // Shares take the place of scores; with the cotangents of the shares there are two at a time.
  const Graph graph = graph_of({.length = 64, .width = 32});
  StepRun run(graph, {.n = 1, .capacity = 1}, frozen("test-avx512"));
  run.expect_exact();
  int64_t first = 0, second = 0, further = 0;
  std::istringstream lines(run.kernels());
  for (std::string line; std::getline(lines, line);) {
    if (line.find(": worker f32[64,64] at ") == std::string::npos) continue;
    const int64_t place = std::stoll(line.substr(line.rfind(' ')));
    (place == 0 ? first : place <= 64 * 64 * 4 + 64 ? second : further) += 1;
  }
  EXPECT_GE(first, 4);
  EXPECT_EQ(second, 1);
  EXPECT_EQ(further, 0) << run.kernels();
}

TEST(Strip, StoresNoMatrixOfScores) {
  for (bool dropout : {false, true}) {
    const Graph graph = graph_of({.length = 64, .heads = 4, .dropout = dropout});
    StepRun run(graph, {.n = 1, .capacity = 1}, frozen("test-avx2"));
    run.expect_exact();
    for (const Cluster& cluster : run.clustering().clusters) {
      for (NodeId yield : cluster.yields) {
        const std::string type = to_string(graph.type(yield));
        EXPECT_FALSE(type.ends_with("[batch,4,64,64]")) << type;
      }
    }
  }
}

/// What is written after attention, up to `o`; it names the results.
Graph graph_after(const Attention& attention, const std::string& more) {
  std::string text = attention.text();
  text.resize(text.rfind("return "));
  SourceMap sources;
  DiagEngine diags(sources);
  auto graphs =
      read_graphs(sources, sources.add("t.gir", "graph @g {\n" + text + more + "}\n"), diags);
  if (!graphs) throw std::runtime_error(diags.render(false));
  return graphs->front();
}

TEST(Strip, CutsNoTermsOfPartsOfMatrices) {
  // Columns that are left out end a row before the diagonal does, rows a column.
  const Graph graph =
      graph_after({.length = 16, .backward = false},
                  "%vs = slice %v {start=[0,0,0,0], step=[1,1,1,1]} : f32[batch,2,5,16]\n"
                  "%left = slice %p {start=[0,0,0,0], step=[1,1,1,1]} : f32[batch,2,16,5]\n"
                  "%upper = slice %p {start=[0,0,0,0], step=[1,1,1,1]} : f32[batch,2,5,16]\n"
                  "%before = matmul %left, %vs : f32[batch,2,16,16]\n"
                  "%above = matmul %upper, %vs {ta=true} : f32[batch,2,16,16]\n"
                  "return output \"o\" %o, output \"b\" %before, output \"a\" %above\n");
  for (const char* cpu : {"test-avx2", "test-avx512"}) {
    StepRun run(graph, {.n = 2, .capacity = 3}, frozen(cpu));
    EXPECT_EQ(strips(run.clustering()), 1);
    run.expect_exact();
  }
}

TEST(Strip, LeavesProductsOfOneElementOutside) {
  const Graph graph =
      graph_after({.length = 16, .backward = false},
                  "%first = slice %p {start=[0,0,3,0], step=[1,1,1,1]} : f32[batch,2,1,16]\n"
                  "%column = slice %v {start=[0,0,0,2], step=[1,1,1,1]} : f32[batch,2,16,1]\n"
                  "%one = matmul %first, %column : f32[batch,2,1,1]\n"
                  "%times = matmul %one, %first : f32[batch,2,1,16]\n"
                  "return output \"o\" %o, output \"times\" %times\n");
  StepRun run(graph, {.n = 2, .capacity = 3}, frozen("test-avx512"));
  EXPECT_EQ(strips(run.clustering()), 1);
  run.expect_exact();
}

TEST(Strip, StoresAValueThatIsJoinedWithItself) {
  for (const char* second : {"%o0", "%turned"}) {
    const Graph graph =
        graph_after({.length = 16, .backward = false},
                    fmt::format("%turned = transpose %o0 {{perm=[0,1,3,2]}} : f32[batch,2,16,16]\n"
                                "%two = concat %o0, {} {{axis=3}} : f32[batch,2,16,32]\n"
                                "return output \"two\" %two\n",
                                second));
    StepRun run(graph, {.n = 2, .capacity = 3}, frozen("test-avx2"));
    EXPECT_EQ(strips(run.clustering()), 1);
    run.expect_exact();
  }
}

/// A layer's backward pass: a product with a slope, and the sums of what it stores; norms that read
/// what is summed.
std::string sums_text(int64_t columns, int64_t chunk, int64_t chunks) {
  const std::string rows = fmt::format("f32[batch,{}]", columns);
  const std::string sums = fmt::format("partial_sum {{}} {{{{dims=[0], chunk={}}}}} : f32[{},{}]\n",
                                       chunk, chunks, columns);
  const auto sum = [&](const char* of) { return fmt::format(fmt::runtime(sums), of); };
  return fmt::format(
      "%x = input \"x\" : f32[batch,24]\n%w = param \"w\" : f32[24,{0}]\n"
      "%s = input \"s\" : {1}\n%h = input \"h\" : {1}\n"
      "%0 = matmul %x, %w : {1}\n%1 = mul %0, %s : {1}\n%2 = {2}"
      "%3 = mul %1, %h : {1}\n%4 = sum %3 {{dims=[1], keep=true, order=lanes}} : "
      "f32[batch,1]\n%5 = fma %4, %h, %1 : {1}\n%6 = {3}%7 = {4}"
      "return %1, %2, %5, %6, %7\n",
      columns, rows, sum("%1"), sum("%3"), sum("%5"));
}

TEST(RowStrip, HasTheBitsOfTheGraph) {
  for (const char* cpu : {"test-avx2", "test-avx512"}) {
    for (int64_t columns : {1, 7, 16, 33, 100}) {
      for (auto [n, capacity] :
           {std::pair{1024, 1024}, std::pair{1, 1024}, std::pair{600, 1024}, std::pair{700, 800}}) {
        const int64_t chunk = capacity / 32 < 16 ? 16 : 32;
        SCOPED_TRACE(fmt::format("{} columns {} n {} of {}", cpu, columns, n, capacity));
        const std::string text = sums_text(columns, chunk, capacity / chunk);
        SourceMap sources;
        DiagEngine diags(sources);
        auto graphs =
            read_graphs(sources, sources.add("t.gir", "graph @g {\n" + text + "}\n"), diags);
        ASSERT_TRUE(graphs) << diags.render(false);
        StepRun run(graphs->front(), {.n = n, .capacity = capacity}, frozen(cpu));
        EXPECT_GE(strips(run.clustering()), columns > 1 ? 1 : 0);
        run.expect_exact();
        if (HasFatalFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace gradus::kernel
