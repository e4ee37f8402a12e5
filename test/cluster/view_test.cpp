// Views against element-by-element evaluation: a chain of layout operators is run on an array that
// holds its own places, and every element has to be the place that the strides name.
#include <gtest/gtest.h>

#include "cluster/cluster.h"
#include "eval/eval.h"
#include "graph/builder.h"
#include "graph/text.h"

namespace gradus {
namespace {

using Ints = std::vector<int64_t>;

Shape shape(const std::string& text) { return type_from_string("f32" + text)->shape; }

struct Chain {
  Graph graph;
  GraphBuilder g{graph};
  NodeId x;

  explicit Chain(const std::string& text) {
    TensorType type{DType::F32, shape(text)};
    x = g.make(OpKind::Input, {}, {{AttrName::Name, std::string("x")}}, &type);
  }
  Chain& reshape(const std::string& to) { return x = g.reshape(x, shape(to)), *this; }
  Chain& transpose(Ints perm) { return x = g.transpose(x, std::move(perm)), *this; }
  Chain& broadcast(const std::string& to) { return x = g.broadcast(x, shape(to)), *this; }
  Chain& slice(Ints start, Ints step, const std::string& to) {
    TensorType type{DType::F32, shape(to)};
    x = g.make(OpKind::Slice, {x}, {{AttrName::Start, start}, {AttrName::Step, step}}, &type);
    return *this;
  }
  View view() const { return resolve_view(graph, x); }

  /// Each element of the result is the place in `x` that it came from: the evaluator says so.
  void expect_places(const View& view) const {
    for (int64_t n : {1, 3}) {
      Array<double> places{.dtype = DType::F32, .sizes = {}, .floats = {}, .integers = {}};
      for (const Dim& dim : graph.type(NodeId(0)).shape) places.sizes.push_back(dim.at(n));
      for (int64_t i = 0; i < places.count(); ++i) places.floats.push_back(static_cast<double>(i));
      EvalContext context;
      context.n = context.capacity = n;
      IdVector<NodeId, Array<double>> values = eval<double>(graph, {{"x", places}}, context);
      const Array<double>& result = values[x];
      ASSERT_EQ(view.extents, graph.type(x).shape);
      Ints index(result.sizes.size(), 0);
      for (int64_t i = 0; i < result.count(); ++i) {
        int64_t place = view.offset, rest = i;
        for (size_t d = index.size(); d-- > 0; rest /= result.sizes[d]) {
          place += rest % result.sizes[d] * view.strides[d];
        }
        ASSERT_EQ(result.floats[static_cast<size_t>(i)], static_cast<double>(place))
            << "element " << i << " at n = " << n;
      }
    }
  }
  void expect_view(const Ints& strides, int64_t offset = 0) const {
    View found = view();
    EXPECT_EQ(found.source, NodeId(0));
    EXPECT_EQ(found.strides, strides);
    EXPECT_EQ(found.offset, offset);
    expect_places(found);
  }
  void expect_own_buffer() const {
    View found = view();
    EXPECT_EQ(found.source, x);
    EXPECT_EQ(found.strides, dense_strides(graph.type(x).shape, 1));
  }
};

TEST(View, dense) { Chain("[batch,3,4]").expect_view({12, 4, 1}); }

TEST(View, transpose) {
  Chain("[batch,3,4]").transpose({0, 2, 1}).expect_view({12, 1, 4});
  Chain("[batch,3,4]").transpose({2, 0, 1}).transpose({1, 2, 0}).expect_view({12, 4, 1});
}

TEST(View, slice_moves_the_offset_and_scales_strides) {
  Chain("[batch,5]").slice({0, 1}, {1, 2}, "[batch,2]").expect_view({5, 2}, 1);
  Chain("[7,3]").slice({6, 0}, {-2, 1}, "[3,3]").expect_view({-6, 1}, 18);
  Chain("[7,3]").transpose({1, 0}).slice({1, 2}, {1, 3}, "[2,2]").expect_view({1, 9}, 7);
}

TEST(View, broadcast_has_stride_zero) {
  Chain("[4]").broadcast("[batch,4]").expect_view({0, 1});
  Chain("[3,1]").broadcast("[2,3,4]").expect_view({0, 1, 0});
  Chain("[]").broadcast("[batch,2]").expect_view({0, 0});
}

TEST(View, merges_rows_of_a_batch_and_splits_them_again) {
  Chain("[batch,64,128]").reshape("[64*batch,128]").expect_view({128, 1});
  Chain("[batch,64,128]")
      .reshape("[64*batch,128]")
      .reshape("[batch,64,128]")
      .expect_view({8192, 128, 1});
  Chain("[64*batch,128]").reshape("[32*batch,2,128]").expect_view({256, 128, 1});
  Chain("[batch,6]").reshape("[6*batch]").expect_view({1});
}

TEST(View, heads_of_attention) {
  Chain("[batch,64,128]")
      .reshape("[batch,64,4,32]")
      .transpose({0, 2, 1, 3})
      .expect_view({8192, 32, 128, 1});
  Chain("[64*batch,128]")
      .reshape("[batch,64,4,32]")
      .transpose({0, 2, 3, 1})
      .expect_view({8192, 32, 1, 128});
}

TEST(View, sizes_of_one_come_and_go) {
  Chain("[batch,1,4]").reshape("[1,batch,4,1]").expect_view({0, 4, 1, 0});
  Chain("[1,1]").reshape("[]").expect_view({});
  Chain("[]").reshape("[1,1]").expect_view({0, 0});
}

TEST(View, reshape_through_strides_where_they_can_say_it) {
  Chain("[6,4]").slice({0, 0}, {1, 1}, "[6,2]").reshape("[2,3,2]").expect_view({12, 4, 1});
  Chain("[6,4]").slice({5, 0}, {-1, 1}, "[6,4]").reshape("[3,2,4]").expect_view({-8, -4, 1}, 20);
  Chain("[4]").broadcast("[6,4]").reshape("[2,3,2,2]").expect_view({0, 0, 2, 1});
  Chain("[2,3]").transpose({1, 0}).reshape("[3,2,1]").expect_view({1, 3, 0});
}

TEST(View, reshape_that_strides_cannot_say_is_a_buffer) {
  Chain("[2,3]").transpose({1, 0}).reshape("[6]").expect_own_buffer();
  Chain("[6,4]").slice({0, 0}, {1, 1}, "[6,2]").reshape("[12]").expect_own_buffer();
  Chain("[4]").broadcast("[6,4]").reshape("[24]").expect_own_buffer();
}

TEST(View, no_view_where_a_stride_would_depend_on_n) {
  View dense{NodeId(0), shape("[batch,4]"), {4, 1}, 0};
  EXPECT_FALSE(reshape_view(dense, shape("[4,batch]")));
  View rows{NodeId(0), shape("[6*batch]"), {1}, 0};
  EXPECT_FALSE(reshape_view(rows, shape("[2,3*batch]")));
  EXPECT_FALSE(reshape_view(rows, shape("[batch,5]")));
  EXPECT_TRUE(reshape_view(rows, shape("[3*batch,2]")));
}

TEST(View, uneven_cuts_are_no_view) {
  View view{NodeId(0), shape("[4,6]"), {9, 1}, 0};
  EXPECT_FALSE(reshape_view(view, shape("[6,4]")));
  EXPECT_TRUE(reshape_view(view, shape("[2,2,3,2]")));
  View dense{NodeId(0), shape("[4,6]"), {6, 1}, 0};
  EXPECT_EQ(reshape_view(dense, shape("[6,4]"))->strides, (Ints{4, 1}));
}

TEST(View, others_are_their_own_buffer) {
  Chain chain("[batch,4]");
  chain.x = chain.g.neg(chain.x);
  chain.expect_own_buffer();
}

TEST(View, long_chains_do_not_recurse) {
  Chain chain("[3,4]");
  for (int i = 0; i < 200000; ++i) chain.transpose({1, 0});
  EXPECT_EQ(chain.view().strides, (Ints{4, 1}));
}

TEST(View, broadcast_view_of_a_strided_view) {
  View view{NodeId(0), shape("[3,1]"), {-5, 7}, 11};
  View out = broadcast_view(view, shape("[2,3,4]"));
  EXPECT_EQ(out.strides, (Ints{0, -5, 0}));
  EXPECT_EQ(out.offset, 11);
  EXPECT_EQ(out.extents, shape("[2,3,4]"));
}

/// The evaluator says where each element of x ends up in the chain's last value.
void expect_stored(const Chain& chain) {
  const std::optional<View> view = stored_view(chain.graph, NodeId(0), chain.x);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->source, chain.x);
  for (int64_t n : {1, 3}) {
    Array<double> x{.dtype = DType::F32, .sizes = {}, .floats = {}, .integers = {}};
    for (const Dim& dim : chain.graph.type(NodeId(0)).shape) x.sizes.push_back(dim.at(n));
    for (int64_t i = 0; i < x.count(); ++i) x.floats.push_back(static_cast<double>(i + 1));
    EvalContext context;
    context.n = context.capacity = n;
    const auto values = eval<double>(chain.graph, {{"x", x}}, context);
    for (int64_t i = 0; i < x.count(); ++i) {
      int64_t place = view->offset, rest = i;
      for (size_t d = x.sizes.size(); d-- > 0; rest /= x.sizes[d]) {
        place += rest % x.sizes[d] * view->strides[d];
      }
      ASSERT_EQ(values[chain.x].floats[static_cast<size_t>(place)], static_cast<double>(i + 1));
    }
  }
}

TEST(StoredView, heads_side_by_side) {
  Chain chain("[batch,4,3,5]");
  expect_stored(chain.transpose({0, 2, 1, 3}).reshape("[3*batch,20]"));
}

TEST(StoredView, a_dimension_cut_and_joined_again) {
  Chain chain("[6,4]");
  expect_stored(chain.reshape("[2,3,4]").transpose({2, 0, 1}).reshape("[4,6]"));
}

TEST(StoredView, a_part_of_a_concatenation) {
  Chain chain("[batch,2,3]");
  chain.transpose({0, 2, 1}).reshape("[batch,6]");
  const NodeId other = chain.g.zeros({DType::F32, shape("[batch,5]")});
  chain.x = chain.g.make(OpKind::Concat, {other, chain.x}, {{AttrName::Axis, int64_t{1}}});
  expect_stored(chain);
}

TEST(StoredView, none_where_no_stride_says_it) {
  Chain uneven("[4,6]");
  uneven.transpose({1, 0}).reshape("[8,3]");
  EXPECT_FALSE(stored_view(uneven.graph, NodeId(0), uneven.x));
  Chain computed("[4,6]");
  computed.x = computed.g.neg(computed.x);
  computed.reshape("[6,4]");
  EXPECT_FALSE(stored_view(computed.graph, NodeId(0), computed.x));
}

}  // namespace
}  // namespace gradus
