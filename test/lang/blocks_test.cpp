// The data and train blocks as structures.
#include <gtest/gtest.h>

#include "lang/load.h"

namespace gradus::lang {
namespace {

Model model(const std::string& blocks) {
  Loaded loaded = load_text(
      "const rows = 64\nmodel m(x: float[batch, 4], k: int[batch]) { metric a = mean(x); loss "
      "mean(x) }\n" +
      blocks);
  EXPECT_EQ(loaded.messages, "");
  return loaded.model ? std::move(*loaded.model) : Model();
}

TEST(DataBlock, TableColumnsAndShares) {
  DataBlock data = model(
                       "data { from csv(\"a.csv\"); x = columns[0:3, 7] / rows; k = "
                       "columns[\"kind\"]; validation = 0.25; shuffle = false }")
                       .data;
  ASSERT_TRUE(data.from);
  EXPECT_EQ(data.from->path, "a.csv");
  ASSERT_EQ(data.bindings.size(), 2u);
  const DataExpr& x = data.bindings[0].value;
  EXPECT_EQ(x.kind, DataExpr::Kind::Binary);
  EXPECT_EQ(x.name, "/");
  ASSERT_EQ(x.operands[0].columns.size(), 2u);
  EXPECT_EQ(x.operands[0].columns[0].to, 3);
  EXPECT_EQ(x.operands[0].columns[1].from, 7);
  EXPECT_FALSE(x.operands[0].single);
  EXPECT_EQ(x.operands[1].number, 64);
  EXPECT_TRUE(data.bindings[1].value.single);
  EXPECT_EQ(data.bindings[1].value.columns[0].column, "kind");
  EXPECT_EQ(data.validation_share, 0.25);
  EXPECT_FALSE(data.shuffle);
}

TEST(DataBlock, FunctionsAndArrays) {
  DataBlock data = model(
                       "data { x = standardize(fill_missing(idx(\"a.gz\", test: \"b.gz\"), "
                       "\"median\")); k = category(npy(\"k.npy\"), unknown: 0) }")
                       .data;
  const DataExpr& fill = data.bindings[0].value.operands[0];
  EXPECT_EQ(data.bindings[0].value.name, "standardize");
  EXPECT_EQ(std::get<std::string>(fill.options.at("with")), "median");
  EXPECT_EQ(fill.operands[0].kind, DataExpr::Kind::Array);
  EXPECT_EQ(std::get<std::string>(fill.operands[0].options.at("test")), "b.gz");
  EXPECT_EQ(std::get<double>(data.bindings[1].value.options.at("unknown")), 0);
}

TEST(DataBlock, WindowsOfText) {
  Loaded loaded = load_text(input_text("chars.grad"));
  ASSERT_TRUE(loaded.model) << loaded.messages;
  const DataExpr& next = loaded.model->data.bindings[1].value;
  EXPECT_TRUE(next.window);
  EXPECT_EQ(next.time_from, 1);
  EXPECT_EQ(next.time_to, 65);
  EXPECT_EQ(loaded.model->inputs[0].index_limit, 65);
  EXPECT_EQ(loaded.model->inputs[1].index_limit, 65);
}

TEST(TrainBlock, KeysAndStopping) {
  TrainBlock train = model(
                         "train { batch = rows; steps = 100; seed = 7; "
                         "restore_best_weights = false; validate_every = 5\n"
                         "early_stopping(patience: 3, monitor: \"a\", mode: \"max\") }")
                         .train_block;
  EXPECT_EQ(train.batch, 64);
  EXPECT_EQ(train.steps, 100);
  EXPECT_EQ(train.seed, 7u);
  EXPECT_EQ(train.restore_best_weights, false);
  EXPECT_EQ(train.validate_every, 5);
  ASSERT_TRUE(train.early_stopping);
  EXPECT_EQ(train.early_stopping->monitor, "a");
  EXPECT_TRUE(train.early_stopping->maximize);
}

}  // namespace
}  // namespace gradus::lang
