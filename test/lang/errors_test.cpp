// Wrong model files: each message with its place and its words.
#include <gtest/gtest.h>

#include "lang/load.h"

namespace gradus::lang {
namespace {

struct Wrong {
  const char* text;
  const char* expected;  // "line:column: error: beginning" and further parts, parted by `|`
};

void expect_messages(const Wrong& wrong) {
  Loaded loaded = load_text(wrong.text);
  EXPECT_FALSE(loaded.model.has_value()) << wrong.text;
  std::string rest = wrong.expected;
  while (!rest.empty()) {
    size_t bar = rest.find('|');
    std::string part = rest.substr(0, bar);
    EXPECT_NE(loaded.messages.find(part), std::string::npos) << "expected: " << part << "\nfound:\n"
                                                             << loaded.messages << wrong.text;
    rest = bar == std::string::npos ? "" : rest.substr(bar + 1);
  }
}

class Errors : public testing::TestWithParam<Wrong> {};
TEST_P(Errors, AreToldWithTheirPlace) { expect_messages(GetParam()); }

// Each text begins with its model; the statement in question stands on line 2.
#define IN_MODEL(statement) "model m(x: float[batch, 4], k: int[batch]) {\n" statement "\n}\n"

INSTANTIATE_TEST_SUITE_P(
    Syntax, Errors,
    testing::Values(
        Wrong{IN_MODEL("output y = x $ 2"),
              "2:14: error: unexpected character `$` [unexpected-character]"},
        Wrong{IN_MODEL("output y = x +"),
              "3:1: error: found `}`, expected an expression [unexpected-token]"},
        Wrong{IN_MODEL("let a = x < 1 < 2"),
              "2:15: error: comparisons do not chain|[unexpected-token]"},
        Wrong{IN_MODEL("let a = \"abc"),
              "2:9: error: a string without its closing `\"` [unclosed-string]"},
        Wrong{IN_MODEL("let a = 1e999"), "2:9: error: `1e999` is larger|[bad-number]"},
        Wrong{IN_MODEL("let A = x"), "2:5: error: `A` begins with a capital|[bad-name]"},
        Wrong{IN_MODEL("let step = x"), "2:5: error: `step` has a meaning of its own|[bad-name]"},
        Wrong{"model m(x: floot[4]) { output y = x }",
              "1:12: error: `floot` is no type; did you mean `float`? [unknown-type]"},
        Wrong{"const a = 2", "no `model` in this file|[no-model]"},
        Wrong{"include \"nowhere.grad\"\nmodel m(x: float[4]) { output y = x }",
              "1:9: error: cannot read \"nowhere.grad\": No such file or directory [unreadable-file]"},
        Wrong{IN_MODEL("outptu y = x"),
              "2:1: error: found `outptu`, expected a statement; did you mean `output`?"},
        Wrong{"model m(x: float[4]) { output y = x }\ntrian { batch = 3 }",
              "2:1: error: found `trian`, expected|did you mean `train`? [unexpected-token]"},
        Wrong{IN_MODEL("let a = x\n+ x"),
              "3:1: error: found `+`, expected a statement; a line that goes on ends in its operator"},
        Wrong{IN_MODEL("let a = .5"), "2:9: error: found `.`|a number begins with a digit, as in `0.5`"},
        Wrong{IN_MODEL("let a = 1. + 2"), "2:12: error: found `+`, expected digits after the point"},
        Wrong{IN_MODEL("let a = )\nlet b = ]"), "2:9: error|3:9: error"}));

INSTANTIATE_TEST_SUITE_P(
    SpellingsFromElsewhere, Errors,
    testing::Values(
        Wrong{IN_MODEL("let a = Linear(x, 10)"),
              "2:9: error: `Linear` is not a function known here; did you mean `dense`?"},
        Wrong{IN_MODEL("let a = LayerNorm(x)"), "2:9: error: `LayerNorm`|did you mean `layer_norm`?"},
        Wrong{IN_MODEL("let a = BatchNorm1d(x)"), "2:9: error: `BatchNorm1d`|did you mean `batch_norm`?"},
        Wrong{IN_MODEL("let a = ReLU(x)"), "2:9: error: `ReLU`|did you mean `relu`?"},
        Wrong{IN_MODEL("let a = CrossEntropyLoss(x, k)"), "did you mean `cross_entropy`?"},
        Wrong{IN_MODEL("let a = nn.Linear(x, 10)"),
              "2:12: error: found a call of `.Linear`|functions stand alone"},
        Wrong{IN_MODEL("let a = x.mean()"), "2:11: error: found a call of `.mean`|as in `mean(x)`"},
        Wrong{IN_MODEL("let a = x.T"), "2:11: error: found `T`|`transpose(x)`"},
        Wrong{IN_MODEL("let a = x.shape"), "`x` is no layer; a size is `size(x, axis: 0)`"},
        Wrong{IN_MODEL("let a = sum(x, axis=1)"),
              "2:20: error: found `=`, expected `,` or `)`; an argument's name ends in a colon, `axis: ..`"},
        Wrong{IN_MODEL("let a = sum(x, dim: 1)"), "`sum` has no argument `dim`; did you mean `axis`?"},
        Wrong{IN_MODEL("loss mean(x)") "train { optimizer = adam(lr: 1e-3) }",
              "`adam` has no argument `lr`; did you mean `rate`?"},
        Wrong{IN_MODEL("let a = x ** 2"), "2:11: error: found `**`|; a power is `x ^ y` [unexpected-token]"},
        Wrong{IN_MODEL("let a = k % 2"), "2:11: error: found `%`|; the remainder of ints is `mod(x, y)`"},
        Wrong{IN_MODEL("let a = (x > 1 & x < 2)"), "2:16: error: found `&`|; it is written `and`"},
        Wrong{IN_MODEL("let a = x > 1 || x < 2"), "2:15: error: found `||`|; it is written `or`"},
        Wrong{IN_MODEL("let a = !(x > 1)"), "2:9: error: found `!`|; it is written `not`"},
        Wrong{IN_MODEL("let a = x\na += 1"), "3:3: error: found `+=`|; write `x = x + y`"},
        Wrong{IN_MODEL("loss = mean(x)"),
              "2:6: error: found `=`, expected a value; `loss` has no name and no `=`"},
        Wrong{IN_MODEL("output mean(x)"), "2:12: error: found `(`, expected `=`, as in `output name = ..`"},
        Wrong{IN_MODEL("let a = reshape(x, [-1, 2])"),
              "2:20: error: a size is at least 1, found -1; the one that is inferred is `_`"},
        Wrong{IN_MODEL("let a = sum(x, axis: 1, keep: True)"), "2:31: error: no argument binds the size `True`|`true`"},
        Wrong{IN_MODEL("let a = conv2d(x, 8)"), "`conv2d` is not a function known here; convolutions come with a later version"},
        Wrong{IN_MODEL("let a = LSTM(x, 8)"), "`LSTM` is not a function known here; loops over time|`repeat 16 as t"},
        Wrong{IN_MODEL("let a = 'abc'"), "2:9: error: unexpected character `'`; a string stands in double quotes"},
        Wrong{IN_MODEL("let a = x # the input"), "2:11: error: unexpected character `#`; a comment begins with `//`"},
        Wrong{IN_MODEL("for i in range(4) { let a = x }"), "2:1: error: found `for`|did you mean `repeat`?"},
        Wrong{IN_MODEL("if training: { }"), "2:12: error: found `:`, expected `{`; a block stands in braces"},
        Wrong{"def f(x: float[...]) { return x }\nmodel m(x: float[4]) { output y = x }",
              "1:1: error: found `def`|did you mean `fn`?"},
        Wrong{IN_MODEL("loss mean(x)") "train { memory = \"64MiB\" }",
              "4:9: error: `memory` is no limit that this version keeps|[bad-setting]"},
        Wrong{IN_MODEL("let a = \"\xff\""), "2:9: error: a string that is no UTF-8 [unexpected-character]"}));

/// What is told once, and how often.
size_t count_of(const std::string& part, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Notes, ACommentThatReadsAsADivisionIsTold) {
  const char* divisions[] = {"let a = x + size(x, 1) // 2", "let n = 4\nlet a = x + 2 // n",
                             "let a = sum(x, axis: (size(x, 1) // 4))", "let a = reshape(x, [batch, 4 // other])\nlet b = 2)])"};
  for (const char* text : divisions) {
    EXPECT_EQ(count_of("note: `//` begins a comment and divides nothing", load_body(text).messages), 1u) << text;
  }
}

TEST(Notes, NothingIsToldOfWords) {
  const char* comments[] = {"let a = x // twice",      "let a = x // 2 of them", "let a = 28 // 28x28",
                            "let a = x // x, then y",  "let a = x\n// 2",        "let a = x + // 2\n1",
                            "let a = x // the input (4)"};
  for (const char* text : comments) EXPECT_EQ(load_body(text).messages, "") << text;
}

TEST(Notes, AnErrorIsToldOnceWhoeverMeetsIt) {
  SourceMap sources;
  const int32_t file = sources.add("m.grad", "abc\n");
  DiagEngine diags(sources);
  for (int i = 0; i < 3; ++i) diags.error(Diag::NoDerivative, {file, 0, 1}, "no path").note({}, "why");
  diags.error(Diag::NoDerivative, {file, 1, 2}, "no path");
  EXPECT_EQ(diags.count(), 2u);
  EXPECT_EQ(count_of("note: why", diags.render(false)), 1u);
}

TEST(Notes, ControlCharactersReachNoTerminal) {
  SourceMap sources;
  const int32_t file = sources.add("m\x1b.grad", std::string("a\0\x1b" "b\tc\n", 6));
  DiagEngine diags(sources);
  diags.error(Diag::UnexpectedToken, {file, 3, 4}, std::string("found `\0`", 9));
  EXPECT_EQ(diags.render(false),
            "m\\x1b.grad:1:4: error: found `\\x00` [unexpected-token]\n  a??b\tc\n     ^\n");
}

INSTANTIATE_TEST_SUITE_P(
    Names, Errors,
    testing::Values(
        Wrong{IN_MODEL("output y = relo(x)"),
              "2:12: error: `relo` is not a function known here; did you mean `relu`? "
              "[unknown-name]"},
        Wrong{IN_MODEL("output y = cumulative_sum(x)"), "2:12: error: `cumulative_sum` is|did you mean `cumsum`?"},
        Wrong{IN_MODEL("output y = select(x > 0, x, 0)"), "2:12: error: `select` is|did you mean `where`?"},
        Wrong{IN_MODEL("output y = matmul(x, x)"), "2:12: error: `matmul` is|did you mean `x @ y`?"},
        Wrong{IN_MODEL("output y = grad(sum(x), x, x)"), "2:12: error: `grad` takes (y, x) arguments, found 3"},
        Wrong{IN_MODEL("output y = vjp(x, x, tangent: x)"), "error: `vjp` has no argument `tangent` here"},
        Wrong{IN_MODEL("output y = xx"),
              "2:12: error: `xx` is not a value known here; did you mean `x`?"},
        Wrong{IN_MODEL("let a = x\nlet a = x"),
              "3:5: error: `a` is declared already|[redefined]|2:5: note"},
        Wrong{IN_MODEL("let a = x\noutput a = a"),
              "3:8: error: `a` is declared already; take another name|[redefined]|2:5: note"},
        Wrong{IN_MODEL("output a = x\nmetric a = mean(x)"),
              "3:8: error: `a` is declared already; take another name|[redefined]"},
        Wrong{IN_MODEL("output a = mean(x)"),
              "2:12: error: output `a` is float[], but is made of the rows|[batch-misuse]"},
        Wrong{IN_MODEL("output a = 2.0 * fill(batch, [3])"), "made of the rows of a batch|[batch-misuse]"},
        Wrong{IN_MODEL("output a = concat([])"),
              "2:19: error: `concat` takes a list|found an empty one [type-mismatch]"},
        Wrong{IN_MODEL("output y = dense(x, unit: 4)"),
              "2:21: error: `dense` has no argument `unit`; did you mean `units`? [bad-argument]"},
        Wrong{IN_MODEL("output y = dense(x)"),
              "2:12: error: `dense` misses its argument `units` [bad-argument]"},
        Wrong{IN_MODEL("output y = relu(x, 2, 3)"), "2:20: error: too many arguments"},
        Wrong{IN_MODEL("output y = dense(x, untis: 3)"),
              "2:21: error: `dense` has no argument `untis`; did you mean `units`? [bad-argument]"},
        Wrong{IN_MODEL("output y = b"), "2:12: error: `b` is not a value known here [unknown-name]"},
        Wrong{IN_MODEL("return x"), "2:1: error: `return` in the model|[bad-statement]"},
        Wrong{IN_MODEL("param w: float[4] = zeros()\nw = x"),
              "3:1: error: `w` is a parameter|[bad-assignment]"},
        Wrong{IN_MODEL("b = x"), "2:1: error: `b` is not declared|[unknown-name]"},
        Wrong{IN_MODEL("layer a = dense(units: 2)\nlet b = a(x) @ a.v"),
              "3:18: error: layer `a` has no parameter `v`|[unknown-name]"},
        Wrong{IN_MODEL("let a = f(x)") "fn f(x: float[...]) -> float[...] { return f(x) }",
              "4:44: error: `f` calls itself|[recursion]"},
        Wrong{IN_MODEL("let a = f(x)") "fn f(x: float[...]) -> float[...] { let b = x }",
              "`f` ends without `return` [missing-return]"}));

INSTANTIATE_TEST_SUITE_P(
    Sizes, Errors,
    testing::Values(
        Wrong{IN_MODEL("output y = x @ fill(1, [3, 2])"),
              "2:14: error: inner sizes of `@` differ: 4 in float[batch, 4] and 3 in float[3, 2] "
              "[shape-mismatch]"},
        Wrong{IN_MODEL("output y = x + fill(1, [3])"),
              "2:14: error: sizes [batch, 4] and [3] do not fit [shape-mismatch]"},
        Wrong{IN_MODEL("loss mse(x, k)"),
              "2:13: error: argument `target` of `mse` is int[batch], expected float[...]; convert "
              "it with `float(..)` [type-mismatch]"},
        Wrong{IN_MODEL("loss mse(x, float(k))"),
              "2:13: error: argument `target` of `mse` is float[batch]: leading sizes [batch], "
              "expected [batch, 4] [shape-mismatch]"},
        Wrong{IN_MODEL("output y = attention(reshape(x, [batch, 1, 4]), heads: 3)"),
              "2:12: error: `D / heads` is 4 / 3, not whole [not-whole]|<library>/layers.grad|in "
              "the library, here"},
        Wrong{IN_MODEL("output y = reshape(x, [batch, 5])"),
              "2:12: error: float[batch, 4] has 4*batch elements"},
        Wrong{IN_MODEL("let a = fill(0, [0])"),
              "2:17: error: a size is at least 1, found 0 [bad-size]"},
        Wrong{IN_MODEL("let a = zeros()"), "2:9: error: `...` has no sizes here|[unbound-size]"},
        Wrong{IN_MODEL("let a = x[:, 4]"), "2:14: error: index 4 of an axis of 4 [bad-index]"},
        Wrong{IN_MODEL("let a = x[:, 2:9]"), "2:16: error: bound 9 of an axis of 4 [bad-index]"},
        Wrong{IN_MODEL("let a = sum(x, axis: 2)"),
              "2:22: error: axis 2 of a tensor of rank 2|[bad-axis]"},
        Wrong{IN_MODEL("let a = max(x, 0)"),
              "2:16: error: `max` names its `axis:`, as in `max(x, axis: 1)`; of two values take "
              "`maximum` [bad-axis]"},
        Wrong{IN_MODEL("let a = sum(x, axis: 1, true)"), "2:25: error: an argument by position"},
        Wrong{IN_MODEL("let a = x[:, [0, 4]]"), "2:14: error: index 4 of an axis of 4 [bad-index]"},
        Wrong{IN_MODEL("let a = dense(x, 4 / 3)"),
              "2:18: error: argument `units` of `dense`: `4 / 3` is 1.3333333333333333, not whole [not-whole]"},
        Wrong{IN_MODEL("repeat 99999 { let a = x }"),
              "2:8: error: `repeat` takes 0 to 10000 rounds|[too-large]"},
        Wrong{IN_MODEL("repeat 3 as i { let a = x[:, i + 2] }"),
              "index 4 of an axis of 4 (round 2 of `repeat`)"}));

INSTANTIATE_TEST_SUITE_P(
    Batch, Errors,
    testing::Values(
        Wrong{IN_MODEL("let a = float(k) - reshape(float(k), [batch, 1])"),
              "2:18: error: [batch] and [batch, 1] give [batch, batch], which has `batch` "
              "twice|[two-batches]|take the one column"},
        Wrong{IN_MODEL("let a = x[0]"), "2:11: error: an index along `batch`|[batch-misuse]"},
        Wrong{IN_MODEL("let a = x[1:]"), "2:11: error: a slice along `batch`|[batch-misuse]"},
        Wrong{IN_MODEL("let a = concat([x, x])"), "`concat` along `batch`|[batch-misuse]"},
        Wrong{IN_MODEL("param w: float[batch] = zeros()"),
              "2:10: error: a `param` cannot have the size `batch`|[batch-misuse]"},
        Wrong{IN_MODEL("let a = dense(float(k), 2)"),
              "2:9: error: a `param` cannot have the size `batch`|makes a column of rows"},
        Wrong{IN_MODEL("loss mse(dense(x, 1), float(k))"),
              "2:23: error: argument `target` of `mse` is float[batch]: leading sizes [batch], "
              "expected [batch, 1]; index `prediction` with `[..., 0]` to drop its last size"},
        Wrong{IN_MODEL("loss mean(cross_entropy(dense(x, 3), reshape(k, [batch, 1])))"),
              "expected [batch]; index `label` with `[..., 0]` to drop its last size"},
        Wrong{IN_MODEL("let a = fill(0, [batch + 1])"),
              "a size is a number, or a whole multiple of `batch`|[batch-misuse]"},
        Wrong{IN_MODEL("output y = transpose(x)"), "an output has `batch` first|[batch-misuse]"}));

INSTANTIATE_TEST_SUITE_P(
    Types, Errors,
    testing::Values(
        Wrong{IN_MODEL("let a = k / 2"), "2:11: error: `/` on int tensors|[integer-division]"},
        Wrong{IN_MODEL("let a = k + 0.5"), "2:13: error: 0.5 does not fit int|[type-mismatch]"},
        Wrong{IN_MODEL("let a = f64(x) + x"),
              "2:18: error: found float[batch, 4], expected f64; convert it with `f64(..)`"},
        Wrong{IN_MODEL("let a = x + 2 * [1, 2]"),
              "2:17: error: a list of numbers meets no tensor here|[type-mismatch]"},
        Wrong{IN_MODEL("let a = reshape(k, [batch, 1]) + [1.5, 2]"),
              "2:34: error: a list with fractions does not fit int [type-mismatch]"},
        Wrong{IN_MODEL("let h = x ^ 2\nlet d = jvp(h, (x, h), x)"),
              "3:24: error: `jvp` by 2 names takes as many tangents in brackets|[bad-argument]"},
        Wrong{IN_MODEL("let a = f(x)")
              "fn f(x: float[..., D]) -> float[..., D] { param w: float[D] = ones(); return x * w } "
              "vjp(seed) { return seed }",
              "4:43: error: `param` in a function with a custom vjp|[bad-statement]"},
        Wrong{IN_MODEL("let a = x + float"),
              "2:13: error: `float` is a function, expected a value"},
        Wrong{IN_MODEL("if x > 0 { let a = x }"),
              "2:4: error: the condition of `if` is decided when compiling|[not-constant]"},
        Wrong{IN_MODEL("loss x"),
              "2:6: error: a loss has rank 0, found float[batch, 4]|[not-scalar]"},
        Wrong{IN_MODEL("let g = grad(x, x)"),
              "2:14: error: `grad` is of a value of rank 0|[not-scalar]"},
        Wrong{IN_MODEL("let g = grad(sum(x), 2 * x)"),
              "2:22: error: `grad` is by a name, found `2 * x`; bind it with `let` [bad-argument]"},
        Wrong{IN_MODEL("param w: float[] = mean(x)"),
              "2:20: error: an initialiser cannot use a value of the step|[bad-initialiser]"},
        Wrong{IN_MODEL("let a = random_uniform([4])"),
              "2:9: error: a draw exists in training steps only|[not-in-training]"},
        Wrong{IN_MODEL("metric a = mean(x - mean(x))"), "one of the whole pass|[nested-reduction]"},
        Wrong{IN_MODEL("let e = sqrt(mean(x ^ 2))\nmetric a = e"),
              "3:12: error: a value of each step, whose mean over the steps depends on how many rows they "
              "have; write its reduction over `batch` in the metric itself [batch-misuse]"},
        Wrong{IN_MODEL("let e = sum(x)\nmetric a = e"), "3:12: error: a value of each step|[batch-misuse]"},
        Wrong{IN_MODEL("let e = max(x)\nmetric a = mean(x) + e"), "error: a value of each step|[batch-misuse]"},
        Wrong{IN_MODEL("param w: f64[4] = zeros()\nloss mean(f64(x) * w)"),
              "2:10: error: `param w` of f64; parameters are float of 32 bits, as initialisers, losses and "
              "optimizers are; compute with `f64(w)` where 32 bits are too few [type-mismatch]"},
        Wrong{IN_MODEL("if training { let a = dense(x, 2) }"),
              "is not the same with `training` true and false|[modes-differ]"},
        Wrong{IN_MODEL("layer a = dense(units: 2)\nlet b = a(x)\nlet c = a(b)"),
              "4:9: error: `w` is float[2, 2] in this call of the layer|[layer-mismatch]"}));

// The number is told at the argument that gives it, in the model or in a function of the file.
INSTANTIATE_TEST_SUITE_P(
    Bounds, Errors,
    testing::Values(
        Wrong{IN_MODEL("loss mean(dropout(x, rate: 1))"),
              "2:28: error: argument `rate` of `dropout` is 1, expected a number from 0 to below 1 [bad-argument]"},
        Wrong{IN_MODEL("output y = dropout(x, 3 / 2)"), "2:23: error: argument `rate` of `dropout` is 1.5, expected"},
        Wrong{IN_MODEL("output y = dropout(x, -0.1)"), "2:23: error: argument `rate` of `dropout` is -0.1, expected"},
        Wrong{IN_MODEL("output y = dropout(x, 0 / 0)"), "2:23: error: argument `rate` of `dropout` is |nan, expected"},
        Wrong{IN_MODEL("layer d = dropout(rate: 2)\noutput y = d(x)"), "2:11: error: argument `rate` of `dropout` is 2, expected"},
        Wrong{IN_MODEL("output y = f(x, 7)") "fn f(x: float[...], r: float) { return dropout(x, rate: r) }",
              "4:57: error: argument `rate` of `dropout` is 7, expected"},
        Wrong{IN_MODEL("output y = attention(reshape(x, [batch, 1, 4]), heads: 2, dropout: -1)"),
              "2:68: error: argument `dropout` of `attention` is -1, expected a number from 0 to below 1 [bad-argument]"},
        Wrong{IN_MODEL("loss mean(huber(x, 0 * x, delta: 0))"),
              "2:34: error: argument `delta` of `huber` is 0, expected a number above 0 [bad-argument]"},
        Wrong{IN_MODEL("param w: float[4] = normal(std: -1)\nloss mean(x * w)"),
              "argument `std` of `random_normal` is -1, expected a number from 0 on [bad-argument]"},
        Wrong{IN_MODEL("output y = batch_norm(x, momentum: 1.5)"),
              "2:36: error: argument `momentum` of `batch_norm` is 1.5, expected a number from 0 to 1 [bad-argument]"},
        Wrong{IN_MODEL("output y = layer_norm(x, epsilon: -1)"),
              "2:35: error: argument `epsilon` of `layer_norm` is -1, expected a number from 0 on [bad-argument]"},
        Wrong{IN_MODEL("output y = x * positive(-2)"),
              "2:25: error: `-2` is -2, expected a number above 0 [bad-argument]"},
        Wrong{IN_MODEL("param w: float[] = 1\nloss mean(w * x)") "train { optimizer = adam(b1: 1) }",
              "5:21: error: argument `b1` of `adam` is 1, expected a number from 0 to below 1 [bad-argument]"},
        Wrong{IN_MODEL("output y = x * within(2 + 1, -1, 3)"),
              "2:23: error: `2 + 1` is 3, expected a number from -1 to below 3 [bad-argument]"},
        Wrong{IN_MODEL("output y = x * within(1, 0, x)"), "2:29: error: |[not-constant]"}));

INSTANTIATE_TEST_SUITE_P(
    Blocks, Errors,
    testing::Values(Wrong{IN_MODEL("loss mean(x)") "train { optimiser = sgd() }",
                          "4:9: error: `optimiser` is no setting of `train`; did you mean "
                          "`optimizer`? [bad-setting]"},
                    Wrong{
                        IN_MODEL("let h = dense(x, 2)\nloss mean(h)") "train { optimizer = sgd(); "
                                                                      "group(\"q.*\", rate: 1) }",
                        "\"q.*\" matches no trained parameter|[bad-pattern]"},
                    Wrong{IN_MODEL("loss mean(x)") "train { optimizer = sgd(rates: 1) }",
                          "`sgd` has no argument `rates`; did you mean `rate`? [bad-argument]"},
                    Wrong{IN_MODEL("loss mean(x)") "train { epochs = 3; batch = 2; steps = 9 }",
                          "4:32: error: `epochs` and `steps` both say how long|4:9: note"},
                    Wrong{IN_MODEL("loss mean(x)") "train { early_stopping(patiance: 3) }",
                          "4:24: error: `early_stopping` takes|did you mean `patience`?"},
                    Wrong{IN_MODEL("loss mean(x)") "train { early_stopping = 3 }",
                          "4:9: error: `early_stopping` is no setting of `train`; it is written "
                          "`early_stopping(..)` [bad-setting]"},
                    Wrong{IN_MODEL("loss mean(x)") "train { adam(rate: 3) }",
                          "an optimizer is set by `optimizer = adam(..)` [bad-setting]"},
                    Wrong{IN_MODEL("loss mean(dense(x, 2))") "train { group(\"*.b\") }",
                          "4:9: error: `group` changes nothing here|[bad-setting]"},
                    Wrong{IN_MODEL("loss mean(dense(x, 2))") "train { group(\"*.b\", \"*.v\", rate: 1) }",
                          "4:22: error: \"*.v\" matches no trained parameter|[bad-pattern]"},
                    Wrong{IN_MODEL("loss mean(dense(x, 2))") "train { group(\"*.b\", sgd) }",
                          "4:22: error: `group` takes patterns, then arguments|[bad-setting]"},
                    Wrong{IN_MODEL("loss mean(dense(x, 2))") "train { freeze(\"*.b\", \"dense.v\") }",
                          "4:23: error: \"dense.v\" matches no parameter; did you mean|[bad-pattern]"},
                    Wrong{IN_MODEL("loss mean(dense(x, 2))") "train { freeze(\"*\") }",
                          "4:1: error: `freeze` takes every parameter|[bad-pattern]"},
                    Wrong{IN_MODEL("loss mean(x)") "data { x = column[0:4]; from csv(\"a.csv\") }",
                          "4:12: error: only `columns` and `window` are indexed in the data block; "
                          "did you mean `columns`?"},
                    Wrong{IN_MODEL("loss mean(x)")
                          "data { from csv(\"a.csv\", window: 9); x = columns[0:4] }",
                          "4:42: error: rows are windows here|[bad-setting]"},
                    Wrong{IN_MODEL("loss mean(x)") "data { from csv(\"a.csv\"); z = columns[0] }",
                          "4:27: error: `z` is no input of the model|[bad-setting]"},
                    Wrong{IN_MODEL("loss mean(x)") "data { x = columns[0] }",
                          "4:12: error: `columns` without `from csv(..)`|[bad-setting]"},
                    Wrong{IN_MODEL("loss mean(x)") "data { validation = 0.7; test = 0.5 }",
                          "nothing is left to train on|[bad-setting]"}));

TEST(Errors, SetOfAConstantThatIsNotThere) {
  ElaborateOptions options;
  options.constants["widt"] = "3";
  Loaded loaded =
      load_text("const width = 2\nmodel m(x: float[batch, width]) { output y = x }", options);
  EXPECT_NE(loaded.messages.find("did you mean `width`? [bad-constant]"), std::string::npos)
      << loaded.messages;
}

TEST(Errors, OfASourceAreToldOnce) {
  Loaded loaded = load_text(IN_MODEL("loss mean(x)") "data { from cvs(\"a.csv\"); x = columns[0:4] }");
  EXPECT_NE(loaded.messages.find("did you mean `csv`?"), std::string::npos) << loaded.messages;
  EXPECT_EQ(loaded.messages.find("without"), std::string::npos) << loaded.messages;
}

TEST(Errors, SeveralInOneFile) {
  Loaded loaded = load_text(IN_MODEL("let a = aa\nlet b = a + 1\nlet c = cc"));
  EXPECT_NE(loaded.messages.find("2:9: error"), std::string::npos) << loaded.messages;
  EXPECT_EQ(loaded.messages.find("3:"), std::string::npos)
      << "what follows from the first is not told: " << loaded.messages;
  EXPECT_NE(loaded.messages.find("4:9: error"), std::string::npos) << loaded.messages;
}

std::string repeated(const std::string& piece, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += piece;
  return text;
}

TEST(Errors, HostileTextEndsInAMessage) {
  for (const char* piece :
       {"(", "[", "-", "not ", "f(", "x[", "{", "2 ^ ", "x + ", "if true { ", "a.", "x[0]"}) {
    Loaded loaded = load_body("let a = " + repeated(piece, 20000) + "1");
    EXPECT_FALSE(loaded.model.has_value()) << piece;
    EXPECT_NE(loaded.messages, "") << piece;
  }
}

TEST(Errors, ExplodingModelsAreBounded) {
  Loaded loaded =
      load_body("let a = x\nrepeat 10000 { repeat 10000 { a = a + 1 } }\n output y = a");
  EXPECT_NE(loaded.messages.find("too-large"), std::string::npos) << loaded.messages;
}

}  // namespace
}  // namespace gradus::lang
