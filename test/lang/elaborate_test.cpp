// What elaboration makes of single constructs, seen in the graph's text.
#include <gtest/gtest.h>

#include <array>

#include "lang/load.h"

namespace gradus::lang {
namespace {

/// The text of a graph, or the messages where there is none.
std::string train_text(const Loaded& loaded) {
  return loaded.model ? print_graph(loaded.model->train) : loaded.messages;
}
std::string predict_text(const Loaded& loaded) {
  return loaded.model ? print_graph(loaded.model->predict) : loaded.messages;
}
std::string metric_text(const Loaded& loaded) {
  return loaded.model
             ? print_graph(loaded.model->evaluate) + print_graph(loaded.model->metric_finish.finish)
             : loaded.messages;
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)
#define EXPECT_LACKS(text, part) EXPECT_EQ((text).find(part), std::string::npos) << (text)

TEST(Elaborate, WholePowerMultiplies) {
  std::string text = predict_text(load_body("output y = x ^ 3"));
  EXPECT_HAS(text, "mul %x, %x");
  EXPECT_LACKS(text, "pow");
}

TEST(Elaborate, NegativePowerDivides) {
  EXPECT_HAS(predict_text(load_body("output y = x ^ -1")), "div 1.0, %x");
}

TEST(Elaborate, NumberIsRoundedOnceWhereItMeetsATensor) {
  EXPECT_HAS(predict_text(load_body("output y = (1 / 3) * x")), "mul 0.33333334, %x");
}

TEST(Elaborate, VectorsAreMatricesInAProduct) {
  std::string text = predict_text(load_body("let v = fill(1, [4])\n output y = x @ v"));
  EXPECT_HAS(text, "f32[4,1]");
  EXPECT_HAS(text, ": f32[batch]");
}

TEST(Elaborate, SlicesAndNegativeIndices) {
  std::string text = predict_text(load_body("output y = x[:, ::-2]\n output z = x[:, -1]"));
  EXPECT_HAS(text, "slice %x {start=[0,3], step=[1,-2]} : f32[batch,2]");
  EXPECT_HAS(text, "slice %x {start=[0,3], step=[1,1]} : f32[batch,1]");
}

TEST(Elaborate, ListsTakeTheTypeOfTheTensorTheyMeet) {
  std::string text = predict_text(
      load_text("model m(x: float[batch, 2], k: int[batch, 2]) {\n"
                "output y = x * [1, 2]\n output z = k + [3, 4]\n output v = x @ [5, 6]\n}"));
  EXPECT_HAS(text, "{values=[1.0,2.0]} : f32[2]");
  EXPECT_HAS(text, "{values=[3,4]} : i32[2]");
  EXPECT_HAS(text, "{values=[5.0,6.0]} : f32[2]");
}

TEST(Elaborate, AListChoosesPlaces) {
  std::string text = predict_text(load_body("output y = x[:, [0, -1, 2]]"));
  EXPECT_HAS(text, "{values=[0,3,2]} : i32[3]");
  EXPECT_HAS(text, ": f32[batch,3]");
}

TEST(Elaborate, GatherSetsTheInputsLimit) {
  Loaded loaded =
      load_text("model m(t: int[batch, 3]) { param w: float[7, 2] = zeros(); output y = w[t] }");
  EXPECT_HAS(predict_text(loaded), "gather %w, %t : f32[batch,3,2]");
  EXPECT_EQ(loaded.model->inputs[0].index_limit, 7);
}

TEST(Elaborate, GatherOnALaterAxis) {
  Loaded loaded = load_text(
      "model m(t: int[batch]) { param w: float[5, 7] = zeros(); output y = transpose(w[:, t]) }");
  EXPECT_HAS(predict_text(loaded), "f32[batch,5]");
}

TEST(Elaborate, IndicesThatAModelComputesStayInside) {
  auto text = [](const std::string& taken) {
    return predict_text(load_text("model m(x: float[batch, 4], k: int[batch]) {\n"
                                  "param t: float[3] = zeros()\noutput y = " + taken + "\n}\n"));
  };
  EXPECT_HAS(text("t[k + k]"), "maximum %0, 0");
  EXPECT_HAS(text("t[k + k]"), "minimum %1, 2");
  EXPECT_HAS(text("t[k + k]"), "select %3, %7, nan");
  EXPECT_HAS(text("t[argmax(x, axis: 1)]"), "nan");
  EXPECT_HAS(text("take_along(x, k + 0 * k)"), "nan");
  for (const char* inside : {"t[k]", "t[argmax(x[:, 0:3], axis: 1)]", "t[range(3)]",
                             "t[maximum(minimum(k, 2), 0)]", "take_along(x, stop_gradient(k))"})
    EXPECT_LACKS(text(inside), "nan");
}

TEST(Elaborate, IndicesOfInitialisersStayInside) {
  const Loaded loaded = load_body("param w: float[3] = fill(1, [4])[range(3) + 5]\noutput y = x");
  ASSERT_TRUE(loaded.model) << loaded.messages;
  EXPECT_HAS(print_graph(loaded.model->init), "nan");
}

// The test of a whole input takes the smallest of its axes, which is wrong for columns of several,
// and for columns of numbers.
TEST(Elaborate, PartsOfAnInputThatIndexSeveralAxesAreGuarded) {
  const std::string head = "model m(k: int[batch, 2]) {\nparam a: float[3] = zeros()\n";
  auto text = [&](const std::string& rest) { return predict_text(load_text(head + rest + " }")); };
  EXPECT_HAS(text("param b: float[9] = zeros()\noutput y = a[k[:, 0]] + b[k[:, 1]]"), "nan");
  EXPECT_LACKS(text("param b: float[3] = zeros()\noutput y = a[k[:, 0]] + b[k[:, 1]]"), "nan");
  EXPECT_HAS(text("output y = a[k[:, 0]] * float(k[:, 1])"), "nan");
  // What is no output is used by training: its data may go further here too.
  EXPECT_HAS(text("param b: float[9] = zeros()\noutput y = a[k[:, 0]]\nloss mean(b[k[:, 1]])"), "nan");
}

TEST(Elaborate, FunctionsSeeActualSizes) {
  std::string text = predict_text(
      load_body("output y = half(x)",
                "fn half(x: float[..., D]) -> float[..., D / 2] { return x[..., 0:D / 2] }"));
  EXPECT_HAS(text, "f32[batch,2]");
}

TEST(Elaborate, FunctionsAsArgumentsMakeASetPerCall) {
  Loaded loaded = load_body("let a = twice(x, dense(units: 4))\n output y = a",
                            "fn twice(x: float[..., D], body: fn) { return body(body(x)) }");
  ASSERT_TRUE(loaded.model) << loaded.messages;
  EXPECT_EQ(paths(*loaded.model), "a.body.w a.body.b a.body_1.w a.body_1.b");
}

TEST(Elaborate, LayersShare) {
  Loaded loaded = load_body("layer a = dense(units: 4)\n output y = a(a(x)) @ a.w");
  ASSERT_TRUE(loaded.model) << loaded.messages;
  EXPECT_EQ(paths(*loaded.model), "a.w a.b");
}

TEST(Elaborate, ALayerPassedToALayerKeepsItsOwnSet) {
  Loaded loaded =
      load_body("layer a = dense(units: 4)\n layer r = residual(body: a)\n output y = r(r(x))",
                "fn residual(x: float[..., D], body: fn) { return x + body(dense(x, D)) }");
  ASSERT_TRUE(loaded.model) << loaded.messages;
  EXPECT_EQ(paths(*loaded.model), "r.dense.w r.dense.b a.w a.b");
}

TEST(Elaborate, NestedRepeatsNumberBoth) {
  Loaded loaded =
      load_body("let h = x\n repeat 2 { repeat [3, 4] as n { h = dense(h, n) } }\n output y = h");
  ASSERT_TRUE(loaded.model) << loaded.messages;
  EXPECT_HAS(paths(*loaded.model), "dense.0.0.w");
  EXPECT_HAS(paths(*loaded.model), "dense.1.1.b");
}

TEST(Elaborate, ASecondRepeatGetsANameOfItsOwn) {
  Loaded loaded = load_body(
      "let h = x\n repeat 2 { h = dense(h, 4) }\n repeat 2 { h = dense(h, 4) }\n output y = h");
  ASSERT_TRUE(loaded.model) << loaded.messages;
  EXPECT_EQ(
      paths(*loaded.model),
      "dense.0.w dense.0.b dense.1.w dense.1.b dense_1.0.w dense_1.0.b dense_1.1.w dense_1.1.b");
}

TEST(Elaborate, StateIsUpdatedInTrainingAlone) {
  Loaded loaded = load_body(
      "state m: float[4] = zeros()\n if training { m = 0.9 * m + 0.1 * mean(x, axis: 0) }\n output "
      "y = x - m\n loss mean(x - m)");
  EXPECT_HAS(train_text(loaded), "update \"m\"");
  EXPECT_LACKS(predict_text(loaded), "update");
}

TEST(Elaborate, BatchNormSharesOneStateInOrder) {
  Loaded loaded = load_body("layer n = batch_norm()\n loss mean(n(n(x)))");
  EXPECT_HAS(train_text(loaded), "update \"n.running_mean\"");
  EXPECT_EQ(paths(*loaded.model), "n.gain n.bias n.running_mean n.running_variance");
}

TEST(Elaborate, MetricsRunOverThePass) {
  std::string text = metric_text(load_body("metric rmse = sqrt(mean(x ^ 2))"));
  EXPECT_HAS(text, "accumulate_sum \"rmse.0\"");
  EXPECT_HAS(text, "mul %rows");
  EXPECT_HAS(text, "return output \"rmse\"");
}

TEST(Elaborate, MetricsOfNamedValuesAreAveragedByRows) {
  std::string text = metric_text(load_body("let m = mean(x)\n metric a = 2 * m"));
  EXPECT_HAS(text, "accumulate_sum \"a.0\"");
  EXPECT_HAS(text, "div %a.0, %rows");
}

TEST(Elaborate, MetricsCountInFloats) {
  Loaded loaded = load_body("output y = x\n metric share = sum(x > 1) / sum(x > 0)");
  EXPECT_HAS(metric_text(loaded), "div %share.0, %share.1 : f64[]");
}

TEST(Elaborate, MetricsKeepTheLargest) {
  EXPECT_HAS(metric_text(load_body("metric top = max(x)")), "accumulate_max \"top.0\"");
}

TEST(Elaborate, MetricsMayKeepAVector) {
  std::string text = metric_text(load_body("metric spread = max(mean(x, axis: 0))"));
  EXPECT_HAS(text, "accumulate_sum \"spread.3\"");
  EXPECT_HAS(text, "concat");
}

TEST(Elaborate, ALossOfF64IsAnsweredInF32) {
  Loaded loaded = load_body("param w: float[4] = ones()\n loss mean(f64(x * w) ^ 2)");
  ASSERT_TRUE(loaded.model) << loaded.messages;
  for (const Graph* graph : {&loaded.model->train, &loaded.model->evaluate}) {
    EXPECT_EQ(graph->results[0].kind, ResultKind::Loss);
    EXPECT_EQ(graph->type(graph->results[0].value).dtype, DType::F32);
  }
}

TEST(Elaborate, MetricsMayMakeParameters) {
  Loaded loaded = load_body("metric a = mean(dense(x, 2))");
  ASSERT_TRUE(loaded.model) << loaded.messages;
  EXPECT_EQ(paths(*loaded.model), "dense.w dense.b");
}

TEST(Elaborate, GradientsAreNodes) {
  std::string text = predict_text(
      load_body("let y = sum(x ^ 3)\n let g = grad(y, x)\n output h = grad(sum(g), x)"));
  EXPECT_HAS(text, "= gradient");
  EXPECT_HAS(predict_text(load_body("let y = x ^ 2\n output j = jvp(y, x, x)")), "gradient");
  EXPECT_HAS(predict_text(load_body("let y = x ^ 2\n output j = vjp(y, x, y)")), "gradient");
}

TEST(Elaborate, ForwardDerivativesBySeveralNamesAreAdded) {
  std::string text = predict_text(
      load_body("let h = 2 * x\n let y = h * x\n output d = jvp(y, (x, h), (x, 3 * x))"));
  EXPECT_HAS(text, "gradient %1, %x, %2");
  EXPECT_HAS(text, "gradient %1, %0, %2");
  EXPECT_HAS(text, "gradient %3, %2, %x");
  EXPECT_HAS(text, "add ");
}

TEST(Elaborate, CustomVjpIsKept) {
  std::string text = predict_text(load_body(
      "output y = flip(x)",
      "fn flip(x: float[...]) -> float[...] { return x * 2 }\nvjp(seed) { return -seed }"));
  EXPECT_HAS(text, "custom_vjp");
}

TEST(Elaborate, GroupsChangeArgumentsAndFreezeStops) {
  std::string head =
      "model m(x: float[batch, 4]) { let h = dense(x, 2); let k = dense(h, 2); loss mean(k) }\n";
  Loaded loaded = load_text(
      head + "train { optimizer = sgd(rate: 0.5); group(\"*.b\", rate: 0.25); freeze(\"h.*\") }");
  std::string text = train_text(loaded);
  EXPECT_HAS(text, "mul 0.5, ");
  EXPECT_HAS(text, "mul 0.25, ");
  EXPECT_LACKS(text, "update \"h.w\"");
  EXPECT_TRUE(loaded.model->variables[0].frozen);
}

TEST(Elaborate, AGroupMayHaveSeveralPatterns) {
  const std::string model =
      "model m(x: float[batch, 4]) {\nlet a = dense(x, 2); let b = dense(a, 2); let c = dense(b, 2); "
      "loss mean(c) }\n";
  auto rates = [&](const std::string& settings) {
    const std::string text = train_text(load_text(model + "train { " + settings + " }"));
    std::string found;
    for (size_t at = text.find("mul 0."); at != std::string::npos; at = text.find("mul 0.", at + 1))
      found += text.substr(at + 4, text.find(',', at) - at - 4) + " ";
    return found;
  };
  EXPECT_EQ(rates("optimizer = sgd(rate: 0.5); group(\"a.*\", \"c.w\", rate: 0.25)"),  // b before w
            "0.25 0.25 0.5 0.5 0.5 0.25 ");
  EXPECT_EQ(rates("optimizer = adam(); group(\"*\", \"a.w\", rate: 0.25, optimizer: sgd)"),
            "0.25 0.25 0.25 0.25 0.25 0.25 ");
}

TEST(Elaborate, ClippingSumsOverAllParameters) {
  std::string head = "model m(x: float[batch, 4]) { let h = dense(x, 2); loss mean(h) }\n";
  std::string text = train_text(load_text(
      head +
      "train { optimizer = sgd(rate: 0.5, momentum: 0.9); gradient = clip_by_norm(limit: 1) }"));
  EXPECT_HAS(text, "= minimum %");
  EXPECT_HAS(text, "update \"h.w@velocity\"");
}

TEST(Elaborate, AveragesAreKeptBesideTheParameters) {
  std::string head = "model m(x: float[batch, 4]) { let h = dense(x, 2); loss mean(h) }\n";
  std::string text = train_text(load_text(
      head + "train { optimizer = sgd(rate: 0.5); average = moving_average(decay: 0.9) }"));
  EXPECT_HAS(text, "update \"h.w@average\"");
  EXPECT_HAS(text, "update \"h.w@average.total\"");
}

TEST(Elaborate, SchedulesAreNumbersOfEachStep) {
  std::string head =
      "model m(x: float[batch, 4]) { let h = dense(x, 2); loss mean(h) }\ntrain { optimizer = "
      "sgd(rate: ";
  for (const char* rate :
       {"cosine(peak: 1, warmup: 5)", "one_cycle(peak: 1)", "step_decay(peak: 1, every: 10)",
        "exponential(peak: 1, every: 10)", "warmup(peak: 1, warmup: 10)", "constant_rate(1)"}) {
    Loaded loaded = load_text(head + std::string(rate) + ") }");
    EXPECT_EQ(loaded.messages, "") << rate;
  }
}

TEST(Elaborate, RateOnTheCommandLineWins) {
  ElaborateOptions options;
  options.rate = 0.125;
  EXPECT_HAS(train_text(load_text("model m(x: float[batch, 4]) { let h = dense(x, 2); loss mean(h) "
                                  "}\ntrain { optimizer = sgd(rate: 1) }",
                                  options)),
             "mul 0.125");
}

TEST(Elaborate, ConstantsAreSetFromOutside) {
  ElaborateOptions options;
  options.constants["width"] = "3";
  EXPECT_HAS(predict_text(load_text(
                 "const width = 2\nmodel m(x: float[batch, width]) { output y = x }", options)),
             "f32[batch,3]");
}

TEST(Elaborate, ListsAndBoolsAreSetFromOutside) {
  std::string text =
      "const widths = [4, 3]\nconst deep = true\nmodel m(x: float[batch, 4]) {\n"
      "let h = x\nif deep { repeat widths as w { h = dense(h, w, bias: false) } }\noutput y = h\n}";
  ElaborateOptions options;
  options.constants["widths"] = "[5, 6, 7]";
  Loaded loaded = load_text(text, options);
  ASSERT_TRUE(loaded.model) << loaded.messages;
  EXPECT_EQ(paths(*loaded.model), "dense.0.w dense.1.w dense.2.w");
  options.constants["deep"] = "false";
  EXPECT_EQ(paths(*load_text(text, options).model), "");
  for (const auto& [name, value, expected] :
       {std::array{"widths", "7", "expected a list as in `[256, 128]`"},
        std::array{"widths", "[7, x]", "expected a list"},
        std::array{"deep", "1", "expected `true` or `false`"}}) {
    ElaborateOptions wrong;
    wrong.constants[name] = value;
    EXPECT_HAS(load_text(text, wrong).messages, expected);
  }
}

TEST(Elaborate, LibraryElaboratesAsAWhole) {
  const char* calls[] = {"relu(x)",
                         "leaky_relu(x)",
                         "gelu(x)",
                         "gelu_tanh(x)",
                         "silu(x)",
                         "softplus(x)",
                         "elu(x)",
                         "mish(x)",
                         "selu(x)",
                         "log_sigmoid(x)",
                         "relu6(x)",
                         "hard_sigmoid(x)",
                         "hard_swish(x)",
                         "softmax(x)",
                         "log_softmax(x)",
                         "sigmoid(x)",
                         "normal_cdf(x)",
                         "normal_density(x)",
                         "tanh(x)",
                         "dense(x, 3, bias: false)",
                         "dropout(x, 0.5)",
                         "layer_norm(x)",
                         "rms_norm(x)",
                         "batch_norm(x)",
                         "mse(x, x)",
                         "mae(x, x)",
                         "huber(x, x)",
                         "binary_cross_entropy(x, x)",
                         "cross_entropy(x, argmax(x, axis: 1), smoothing: 0.1)",
                         "attention(reshape(x, [batch, 2, 2]), heads: 2, causal: true)",
                         "concat([x, x], axis: 1)",
                         "stack([x, x], axis: 1)",
                         "pad(x, 1, 2)",
                         "pad(x, 1, 2, value: 3)",
                         "cumsum(x, axis: 1)",
                         "one_hot(argmax(x, axis: 1), 4)",
                         "take_along(x, argmax(x, axis: 1))",
                         "embedding(argmax(x, axis: 1), 4, 8)",
                         "broadcast(x, [2, batch, 4])[0]",
                         "reshape(x, [batch * 2, 2])",
                         "permute(x, [0, 1])"};
  for (const char* call : calls) {
    Loaded loaded = load_body(std::string("let y = ") + call + "\n loss mean(y * y)");
    EXPECT_EQ(loaded.messages, "") << call;
  }
}

TEST(Elaborate, InitialisersFillTheirParameter) {
  for (const char* init : {"zeros()", "ones()", "constant(0.5)", "uniform(-1, 1)", "normal(0, 2)",
                           "glorot_uniform()", "glorot_normal()", "he_uniform()", "he_normal()"}) {
    Loaded loaded =
        load_body(std::string("param w: float[4, 3] = ") + init + "\n output y = x @ w");
    ASSERT_TRUE(loaded.model) << loaded.messages;
    EXPECT_EQ(loaded.model->init.type(loaded.model->init.results[0].value),
              (TensorType{DType::F32, {Dim::fixed(4), Dim::fixed(3)}}))
        << init;
  }
}

TEST(Elaborate, InitialValuesHangOnThePathAlone) {
  std::string one = print_graph(load_body("let a = dense(x, 3)\n output y = a").model->init);
  std::string two = print_graph(
      load_body("let b = dense(x, 3)\n let a = dense(x, 3)\n output y = a + b").model->init);
  std::string stream = one.substr(one.find("stream="), 16);
  EXPECT_HAS(two, stream);
}

TEST(Elaborate, PredictionAsksForWhatItNeeds) {
  Loaded loaded = load_text(
      "model m(x: float[batch, 4], t: float[batch]) { output y = sum(x, axis: 1); loss mse(y, t) "
      "}");
  EXPECT_LACKS(predict_text(loaded), "\"t\"");
}

}  // namespace
}  // namespace gradus::lang
