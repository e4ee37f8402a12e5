// The order of drafts against a list, and that searches for paths stay short in deep models: work is
// counted, not timed.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "fuse/draft_order.h"
#include "fuse/legality.h"
#include "graph/text.h"

namespace gradus::fuse {
namespace {

void expect_order(const DraftOrder& order, const std::vector<DraftId>& list) {
  for (size_t i = 0; i + 1 < list.size(); ++i) {
    ASSERT_TRUE(order.before(list[i], list[i + 1])) << i;
    ASSERT_FALSE(order.before(list[i + 1], list[i])) << i;
  }
}

std::vector<DraftId> first_drafts(size_t count) {
  std::vector<DraftId> list;
  for (size_t i = 0; i < count; ++i) list.push_back(DraftId(i));
  return list;
}

TEST(DraftOrder, IsThatOfAListWithTheSameMoves) {
  std::vector<DraftId> list = first_drafts(200);
  DraftOrder order(list);
  std::mt19937 random(7);
  for (int move = 0; move < 2000; ++move) {
    const DraftId id = list[random() % list.size()], where = list[random() % list.size()];
    if (id == where) continue;
    const bool after = random() % 2 != 0;
    std::erase(list, id);
    const auto place = std::ranges::find(list, where);
    list.insert(after ? place + 1 : place, id);
    after ? order.move_after(id, where) : order.move_before(id, where);
    if (move % 50 == 0) expect_order(order, list);
  }
  expect_order(order, list);
}

TEST(DraftOrder, HasRoomAtOnePlaceForAll) {
  std::vector<DraftId> list = first_drafts(3000);
  DraftOrder order(list);
  for (size_t i = 2; i < list.size(); ++i) order.move_after(list[i], list[0]);
  std::reverse(list.begin() + 1, list.end());
  expect_order(order, list);
  for (size_t i = 0; i + 1 < list.size(); ++i) order.move_before(list[i], list.back());
  expect_order(order, list);
}

/// h + tanh(h @ w) so many times, its derivative and the update of each w.
std::string residual_blocks(int blocks) {
  std::string text = "graph @g {\n%h0 = input \"h0\" : f32[batch,8]\n%one = input \"one\" : f32[8]\n";
  for (int i = 1; i <= blocks; ++i) {
    text += fmt::format("%w{0} = param \"w{0}\" : f32[8,8]\n", i);
  }
  for (int i = 1; i <= blocks; ++i) {
    text += fmt::format(
        "%a{0} = matmul %h{1}, %w{0} : f32[batch,8]\n"
        "%t{0} = tanh %a{0} : f32[batch,8]\n"
        "%h{0} = add %h{1}, %t{0} : f32[batch,8]\n",
        i, i - 1);
  }
  text += fmt::format("%d{} = tanh %h{} : f32[batch,8]\n", blocks, blocks);
  for (int i = blocks; i >= 1; --i) {
    text += fmt::format(
        "%s{0} = mul %t{0}, %t{0} : f32[batch,8]\n"
        "%r{0} = sub %one, %s{0} : f32[batch,8]\n"
        "%u{0} = mul %d{0}, %r{0} : f32[batch,8]\n"
        "%g{0} = matmul %h{1}, %u{0} {{ta=true}} : f32[8,8]\n"
        "%n{0} = sub %w{0}, %g{0} : f32[8,8]\n"
        "%b{0} = matmul %u{0}, %w{0} {{tb=true}} : f32[batch,8]\n"
        "%d{1} = add %d{0}, %b{0} : f32[batch,8]\n",
        i, i - 1);
  }
  text += "return output \"d\" %d0";
  for (int i = 1; i <= blocks; ++i) text += fmt::format(", update \"w{0}\" %n{0}", i);
  return text + "\n}\n";
}

/// Looks of all searches while such a model is fused.
int64_t looks(int blocks) {
  SourceMap sources;
  DiagEngine diags(sources);
  auto graphs = read_graphs(sources, sources.add("t.gir", residual_blocks(blocks)), diags);
  if (!graphs) throw std::runtime_error(diags.render(false));
  const Sources of_graph(graphs->front());
  Drafts drafts(of_graph, 32, nullptr);
  fuse_scalar(drafts);
  fuse_row_cores(drafts);
  fuse_contract(drafts);
  fuse_rows(drafts);
  fuse_pointwise(drafts);
  const int64_t looks = drafts.looks();
  const Clustering clustering = drafts.finish();
  EXPECT_FALSE(verify_clustering(graphs->front(), clustering));
  EXPECT_LE(clustering.clusters.size(), static_cast<size_t>(5 * blocks));
  return looks;
}

TEST(Growth, LooksForPathsGrowWithTheDepth) {
  const int64_t once = looks(100), four_times = looks(400);
  EXPECT_GT(once, 100);
  EXPECT_LE(four_times, 5 * once);
}

}  // namespace
}  // namespace gradus::fuse
