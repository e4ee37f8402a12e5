// What each function of the standard library is tested with: whole models that call it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "run/random_parts.h"

namespace gradus::run {

struct LibraryCase {
  std::string function;
  std::string model;
  std::map<std::string, LeafRange> ranges = {};  // of leaves, by name
  bool training = true;
  std::vector<int64_t> steps = {3};  // of 40
};

class LibraryCases {
 public:
  LibraryCases() {
    activations();
    initialisers();
    layers();
    attention();
    losses();
    optimizers();
    gradients_and_averages();
    schedules();
  }
  const std::vector<LibraryCase>& all() const { return cases_; }

 private:
  void add(LibraryCase each) { cases_.push_back(std::move(each)); }

  /// The function of rows x, each element of the result weighed by an input of its own: the
  /// derivative by the weights is the function's value.
  void of_rows(const std::string& function, const std::string& call,
               const std::string& result = "[batch, 7]") {
    add({function, "model m(x: float[batch, 7], weight: float" + result + ") {\n  loss sum(" +
                       call + " * weight)\n}\n"});
  }
  void activations() {
    for (const char* name : {"relu", "leaky_relu", "gelu", "gelu_tanh", "silu", "mish", "softplus",
                             "log_sigmoid", "elu", "selu", "softmax", "log_softmax"})
      of_rows(name, std::string(name) + "(x)");
    for (const char* name : {"relu6", "hard_sigmoid", "hard_swish"})  // on all their pieces
      of_rows(name, std::string(name) + "(8 * x)");
    of_rows("leaky_relu", "leaky_relu(x, slope: 0.3)");
    of_rows("elu", "elu(x, alpha: 0.7)");
    for (const char* name : {"softmax", "log_softmax"}) {
      of_rows(name, std::string(name) + "(reshape(x, [batch, 7, 1]), axis: 1)", "[batch, 7, 1]");
      of_rows(name, std::string(name) + "(x, axis: 0)");
    }
  }

  void initialisers() {
    for (const char* call :
         {"zeros()", "ones()", "constant(value: 0.3)", "uniform(low: -1, high: 2)",
          "normal(mean: 1, std: 2)", "glorot_uniform()", "glorot_normal()", "he_uniform()",
          "he_normal()"}) {
      const std::string text = call;
      add({text.substr(0, text.find('(')),
           "model m(x: float[batch, 5]) {\n  param w: float[5, 9] = " + text +
               "\n  loss sum((x @ w) ^ 2)\n}\n"});
    }
    add({"random_normal",
         "model m(x: float[batch, 7], weight: float[batch, 7]) {\n  let y = x\n"
         "  if training { y = x * random_normal([batch, 7], mean: 0.5, std: 2) }\n"
         "  loss sum(y ^ 2 * weight)\n}\n"});
  }

  void layers() {
    of_rows("dense", "dense(x, 9) ^ 2", "[batch, 9]");
    of_rows("dense", "dense(x, 9, bias: false) ^ 2", "[batch, 9]");
    of_rows("dropout", "dropout(x, rate: 0.4) ^ 2");
    of_rows("dropout", "dropout(x, rate: 0.4) ^ 2");
    cases_.back().training = false;
    add({"embedding",
         "model m(index: int[batch, 3], weight: float[batch, 3, 5]) {\n"
         "  loss sum(embedding(index, vocabulary: 4, width: 5) ^ 2 * weight)\n}\n",
         {{"index", {.limit = 4}}}});
    of_rows("layer_norm", "layer_norm(x)");
    of_rows("rms_norm", "rms_norm(x)");
    of_rows("standard", "standard(x, epsilon: 0.1)");
    of_rows("unit_square", "unit_square(x, epsilon: 0.1)");
    for (bool training : {true, false}) {
      of_rows("batch_norm", "batch_norm(x, momentum: 0.3)");
      cases_.back().training = training;
      cases_.back().ranges = {{"batch_norm.running_variance", {.low = 0.5, .high = 2}}};
    }
  }

  void attention() {
    for (const char* causal : {"true", "false"}) {
      for (auto [positions, width] : {std::pair{5, 6}, std::pair{33, 16}}) {
        const std::string type = fmt::format("float[batch, {}, {}]", positions, width);
        add({"attention",
             fmt::format("model m(x: {0}, weight: {0}) {{\n"
                         "  loss sum(attention(x, heads: 2, causal: {1}) * weight)\n}}\n",
                         type, causal)});
      }
      for (bool training : {true, false}) {
        add({"attention",
             fmt::format("model m(x: float[batch, 9, 6], weight: float[batch, 9, 6]) {{\n"
                         "  loss sum(attention(x, heads: 2, causal: {}, dropout: 0.3) * weight)\n"
                         "}}\n",
                         causal),
             {}, training});
      }
      add({"masked_scores",
           fmt::format("model m(x: float[batch, 5, 5], weight: float[batch, 5, 5]) {{\n"
                       "  loss sum(exp(masked_scores(x, causal: {})) * weight)\n}}\n",
                       causal)});
    }
  }

  /// Of a prediction and a target, either of which is rows.
  void of_two(const std::string& function, const std::string& loss,
              const std::string& target = "float[batch, 7]") {
    add({function,
         "model m(x: float[batch, 7], y: " + target + ") {\n  loss " + loss + "\n}\n",
         {{"x", {.low = -2, .high = 2}}, {"y", {.low = -2, .high = 2, .limit = 7}}}});
  }
  void losses() {
    for (const char* name : {"mse", "mae", "huber", "r2"})
      of_two(name, std::string(name) + "(x, y)");
    of_two("huber", "huber(x, y, delta: 0.4)");
    of_two("cross_entropy", "mean(cross_entropy(x, y))", "int[batch]");
    of_two("cross_entropy", "mean(cross_entropy(x, y, smoothing: 0.1))", "int[batch]");
    of_two("binary_cross_entropy", "mean(binary_cross_entropy(x, y))");
    cases_.back().ranges["y"] = {.low = 0, .high = 1};
  }

  /// States under a root, by their names in the library.
  static std::map<std::string, LeafRange> squares() {
    std::map<std::string, LeafRange> ranges;
    for (const char* leaf : {"w@v", "b@v", "w@square", "b@square"})
      ranges[leaf] = {.low = 0.2, .high = 1};
    return ranges;
  }
  /// The new weights as functions of w, of g and of the states: g is the gradient of the loss.
  void of_gradient(const std::string& function, const std::string& train,
                   std::vector<int64_t> steps = {1, 3, 40}) {
    add({function,
         "model m(g: float[3, 4], h: float[5]) {\n"
         "  param w: float[3, 4] = ones()\n  param b: float[5] = ones()\n"
         "  loss sum(w * g) + sum(b * h)\n}\ntrain {\n  steps = 40\n" +
             train + "\n}\n",
         squares(), true, std::move(steps)});
  }
  void optimizers() {
    of_gradient("sgd", "  optimizer = sgd(rate: 0.1)");
    of_gradient("sgd", "  optimizer = sgd(rate: 0.1, momentum: 0.9, decay: 0.01)");
    of_gradient("sgd", "  optimizer = sgd(rate: 0.1, momentum: 0.9, nesterov: true)");
    of_gradient("rmsprop", "  optimizer = rmsprop(rate: 0.1, momentum: 0.9, decay: 0.1)");
    of_gradient("adagrad", "  optimizer = adagrad(rate: 0.1, decay: 0.1)");
    of_gradient("decayed", "  optimizer = sgd(rate: 0.1, decay: 0.2)");
    of_gradient("adam", "  optimizer = adam(rate: 0.1)");
    of_gradient("adam",
                "  optimizer = adam(rate: 0.1, b1: 0.8, b2: 0.9, epsilon: 1e-3, decay: 0.1)");
    of_gradient("adamw", "  optimizer = adamw(rate: 0.1, decay: 0.1)");
  }
  void gradients_and_averages() {
    of_gradient("clip_by_value",
                "  optimizer = sgd(rate: 0.1)\n  gradient = clip_by_value(limit: 0.4)");
    for (const char* limit : {"0.5", "50"})  // some norm is above, none
      of_gradient("clip_by_norm",
                  "  optimizer = adam(rate: 0.1)\n  gradient = clip_by_norm(limit: " +
                      std::string(limit) + ")");
    of_gradient("moving_average",
                "  optimizer = sgd(rate: 0.1)\n  average = moving_average(decay: 0.9)");
  }

  void schedules() {
    for (const char* rate :
         {"ramp(warmup: 10)", "fallen(top: 10)", "warmup(peak: 0.3, warmup: 10)", "constant_rate(rate: 0.3)",
          "step_decay(peak: 0.3, every: 10)", "exponential(peak: 0.3, every: 10)",
          "linear(peak: 0.3, warmup: 10, final: 0.1)", "cosine(peak: 0.3, warmup: 10, final: 0.1)",
          "one_cycle(peak: 0.3)"}) {
      const std::string text = rate;
      of_gradient(text.substr(0, text.find('(')), "  optimizer = sgd(rate: " + text + ")",
                  {1, 2, 9, 10, 11, 12, 20, 39, 40});
    }
  }

  std::vector<LibraryCase> cases_;
};

inline std::vector<LibraryCase> library_cases() { return LibraryCases().all(); }

}  // namespace gradus::run
