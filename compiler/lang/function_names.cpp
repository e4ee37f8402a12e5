// Names from elsewhere, for hints alone: nothing is found by them.
#include <fmt/format.h>

#include <algorithm>

#include "lang/functions.h"
#include "support/diag.h"

namespace gradus::lang {

namespace {

constexpr ForeignWord kForeign[] = {
    // Operators of graphs.
    {"neg", "-x"}, {"not", "not x"}, {"convert", "float"}, {"add", "x + y"}, {"sub", "x - y"},
    {"mul", "x * y"}, {"int_div", "div"}, {"pow", "x ^ y"}, {"equal", "x == y"},
    {"not_equal", "x != y"}, {"less", "x < y"}, {"less_equal", "x <= y"}, {"and", "x and y"},
    {"or", "x or y"}, {"select", "where"}, {"matmul", "x @ y"}, {"slice", "x[0:4]"},
    {"gather", "table[index]"}, {"cumulative_sum", "cumsum"},
    {"iota", "range"}, {"gradient", "grad"},
    {"random_bits", "random_uniform"}, {"unit_float", "random_uniform"},
    // Other frameworks.
    {"absolute", "abs"}, {"arange", "range"}, {"astype", "float"}, {"batch_normalization", "batch_norm"},
    {"bce_with_logits", "binary_cross_entropy"}, {"broadcast_to", "broadcast"}, {"cast", "float"},
    {"cat", "concat"}, {"clamp", "minimum(maximum(x, low), high)"},
    {"clip", "minimum(maximum(x, low), high)"}, {"concatenate", "concat"}, {"detach", "stop_gradient"},
    {"dot", "x @ y"}, {"expand", "broadcast"}, {"fully_connected", "dense"}, {"full", "fill"},
    {"l1_loss", "mae"}, {"lax_cumsum", "cumsum"}, {"layer_normalization", "layer_norm"}, {"linear_layer", "dense"},
    {"logsigmoid", "log_sigmoid"}, {"mean_absolute_error", "mae"}, {"mean_squared_error", "mse"},
    {"mm", "x @ y"}, {"mse_loss", "mse"}, {"multi_head_attention", "attention"},
    {"multiply", "x * y"}, {"negative", "-x"}, {"onehot", "one_hot"}, {"power", "x ^ y"},
    {"rand", "random_uniform"}, {"randn", "random_normal"}, {"reduce_max", "max"},
    {"reduce_mean", "mean"}, {"reduce_min", "min"}, {"reduce_sum", "sum"},
    {"scaled_dot_product_attention", "attention"}, {"self_attention", "attention"},
    {"softmax_cross_entropy", "cross_entropy"}, {"sparse_categorical_crossentropy", "cross_entropy"},
    {"square", "x ^ 2"}, {"squeeze", "reshape"}, {"subtract", "x - y"}, {"swapaxes", "transpose"},
    {"swish", "silu"}, {"take", "table[index]"}, {"take_along_axis", "take_along"},
    {"truediv", "x / y"}, {"unsqueeze", "reshape"}, {"view", "reshape"},
    {"xavier_normal", "glorot_normal"}, {"xavier_uniform", "glorot_uniform"},
    {"kaiming_normal", "he_normal"}, {"kaiming_uniform", "he_uniform"}, {"Linear", "dense"},
    {"CosineAnnealingLR", "cosine"}, {"flatten", "reshape(x, [batch, _])"}, {"norm", "sqrt(sum(x ^ 2))"},
    {"reciprocal", "1 / x"}, {"rsqrt", "1 / sqrt(x)"}, {"tan", "sin(x) / cos(x)"},
    {"logical_not", "not x"}, {"logical_and", "x and y"}, {"logical_or", "x or y"},
    {"nll_loss", "cross_entropy"}, {"smooth_l1_loss", "huber"},
};

constexpr std::string_view kConvolution =
    "convolutions come with a later version; today one is a product of shifted slices, as in "
    "`concat([x[:, 0:62], x[:, 1:63], x[:, 2:64]], axis: -1) @ w`";
constexpr std::string_view kPooling =
    "pooling comes with a later version; today windows that do not overlap are an axis of their own, as in "
    "`max(reshape(x, [batch, 14, 2, 14, 2]), axis: [2, 4])`";
constexpr std::string_view kRecurrence =
    "loops over time come with a later version; today they are unrolled, as in "
    "`repeat 16 as t { h = tanh(cell(concat([x[:, t], h], axis: 1))) }` after `layer cell = dense(units: 32)`";
constexpr std::string_view kSorting = "nothing sorts; `max` and `argmax` find the largest";
constexpr std::string_view kEinsum =
    "index notation comes with a later version; today `@` multiplies matrices, and `sum(x * y, axis: 1)` the rest";
constexpr std::string_view kSequence = "functions are called on one another, as in `dense(relu(dense(x, 32)), 10)`";

/// What has no function yet, or never will: what is written instead.
constexpr ForeignWord kInstead[] = {
    {"conv1d", kConvolution}, {"conv2d", kConvolution}, {"conv3d", kConvolution}, {"conv", kConvolution},
    {"convolution", kConvolution}, {"convolve", kConvolution}, {"conv_transpose2d", kConvolution},
    {"depthwise_conv2d", kConvolution}, {"unfold", kConvolution},
    {"max_pool", kPooling}, {"max_pool1d", kPooling}, {"max_pool2d", kPooling}, {"avg_pool", kPooling},
    {"avg_pool1d", kPooling}, {"avg_pool2d", kPooling}, {"max_pooling2d", kPooling}, {"average_pooling2d", kPooling},
    {"lstm", kRecurrence}, {"gru", kRecurrence}, {"rnn", kRecurrence}, {"simple_rnn", kRecurrence},
    {"lstm_cell", kRecurrence}, {"gru_cell", kRecurrence}, {"rnn_cell", kRecurrence}, {"scan", kRecurrence},
    {"bidirectional", kRecurrence}, {"fori_loop", kRecurrence}, {"while_loop", kRecurrence},
    {"sort", kSorting}, {"argsort", kSorting}, {"top_k", kSorting}, {"topk", kSorting},
    {"einsum", kEinsum}, {"tensordot", kEinsum}, {"sequential", kSequence}, {"module_list", kSequence},
};

/// `LayerNorm`, `layer_norm` and `layernorm` are one name; `BatchNorm1d` and `MSELoss` end in what is said
/// otherwise here.
std::string plain_name(std::string_view name) {
  std::string plain;
  for (char c : name) {
    if (c != '_') plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return plain;
}

std::string without_ending(std::string plain) {
  for (std::string_view ending : {"1d", "2d", "3d", "loss", "layer"}) {
    if (plain.size() > ending.size() && plain.ends_with(ending)) return plain.substr(0, plain.size() - ending.size());
  }
  return plain;
}

/// The candidate or word from elsewhere that is `plain`, by our name; empty where there is none.
std::string named_alike(const std::string& plain, const std::vector<std::string>& candidates) {
  for (const std::string& candidate : candidates) {
    if (plain_name(candidate) == plain) return candidate;
  }
  for (const ForeignWord& word : kForeign) {
    if (plain_name(word.name) == plain) return std::string(word.ours);
  }
  return "";
}

}  // namespace

std::span<const ForeignWord> foreign_words() { return kForeign; }

std::span<const ForeignWord> words_instead() { return kInstead; }

std::string_view our_word_for(std::string_view name) {
  auto found = std::ranges::find(kForeign, name, &ForeignWord::name);
  return found == std::end(kForeign) ? "" : found->ours;
}

/// A name that other programs know is no misspelling: `select` does not mean `selu`.
std::string meant_function(std::string_view name, const std::vector<std::string>& candidates) {
  if (std::string_view ours = our_word_for(name); !ours.empty()) return std::string(ours);
  const std::string plain = plain_name(name);
  for (const std::string& spelling : {plain, without_ending(plain)}) {
    if (std::string ours = named_alike(spelling, candidates); !ours.empty()) return ours;
  }
  return nearest_name(name, candidates);
}

std::string meant_text(std::string_view name) {
  return name.empty() ? "" : fmt::format("; did you mean `{}`?", name);
}

std::string function_hint(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string plain = plain_name(name);
  for (const ForeignWord& word : kInstead) {
    if (plain_name(word.name) == plain) return fmt::format("; {}", word.ours);
  }
  return meant_text(meant_function(name, candidates));
}

}  // namespace gradus::lang
