// The eight programs of the language's description: they elaborate, and their parameters have the
// paths that it promises.
#include <gtest/gtest.h>

#include "lang/load.h"

namespace gradus::lang {
namespace {

Model program(const std::string& name) {
  Loaded loaded = load_text(input_text(name));
  EXPECT_EQ(loaded.messages, "");
  EXPECT_TRUE(loaded.model.has_value());
  if (!loaded.model) return {};
  for (const Graph* graph : {&loaded.model->init, &loaded.model->train, &loaded.model->evaluate,
                             &loaded.model->predict}) {
    EXPECT_EQ(verify_graph(*graph, Stage::Source).value_or(""), "") << print_graph(*graph);
  }
  EXPECT_EQ(verify_graph(loaded.model->metric_finish.finish, Stage::Source).value_or(""), "");
  return std::move(*loaded.model);
}

TEST(Programs, Line) { EXPECT_EQ(paths(program("line.grad")), "w b"); }

TEST(Programs, Digits) {
  EXPECT_EQ(paths(program("digits.grad")), "hidden.w hidden.b logits.w logits.b");
}

TEST(Programs, FashionNumbersRounds) {
  EXPECT_EQ(paths(program("fashion.grad")),
            "dense.0.w dense.0.b dense.1.w dense.1.b logits.w logits.b");
}

TEST(Programs, AutoencoderTiesWeights) {
  EXPECT_EQ(paths(program("autoencoder.grad")),
            "wide.w wide.b narrow.w narrow.b hidden.b logits.b");
}

TEST(Programs, VaeSharesItsDecoder) {
  EXPECT_EQ(paths(program("vae.grad")),
            "hidden.w hidden.b mu.w mu.b log_var.w log_var.b decode.dense.w decode.dense.b "
            "decode.dense_1.w decode.dense_1.b");
}

TEST(Programs, CharsNamesBlocksAndMakers) {
  std::string list = paths(program("chars.grad"));
  EXPECT_EQ(list.substr(0, 21), "position token.table ");  // a layer is made at its first call
  for (const char* path : {"block.0.mixed.layer_norm.gain", "block.0.mixed.attention.qkv.w",
                           "block.0.mixed.attention.projected.b", "block.0.wide.layer_norm.bias",
                           "block.0.wide.dense.w", "block.3.narrow.w", "final.gain"}) {
    EXPECT_NE(list.find(path), std::string::npos) << path << " in " << list;
  }
}

TEST(Programs, OscillatorDifferentiatesInItsBody) {
  EXPECT_EQ(paths(program("oscillator.grad")),
            "x.dense.w x.dense.b x.dense_1.w x.dense_1.b x.dense_2.w x.dense_2.b");
}

TEST(Programs, SignalHasItsOwnOptimizer) {
  Model model = program("signal.grad");
  EXPECT_EQ(paths(model),
            "sine.0.w sine.0.b sine.1.w sine.1.b sine.2.w sine.2.b prediction.w prediction.b");
  bool momentum = false;
  for (const Variable& v : model.variables)
    momentum |= v.path == "sine.0.w@momentum" && v.is_state && v.of_optimizer;
  EXPECT_TRUE(momentum);
}

}  // namespace
}  // namespace gradus::lang
