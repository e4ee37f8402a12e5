// Names from elsewhere, for hints alone: nothing is found by them.
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
    {"kaiming_normal", "he_normal"}, {"kaiming_uniform", "he_uniform"},
};

}  // namespace

std::span<const ForeignWord> foreign_words() { return kForeign; }

std::string_view our_word_for(std::string_view name) {
  auto found = std::ranges::find(kForeign, name, &ForeignWord::name);
  return found == std::end(kForeign) ? "" : found->ours;
}

/// A name that other programs know is no misspelling: `select` does not mean `selu`.
std::string meant_function(std::string_view name, const std::vector<std::string>& candidates) {
  std::string_view ours = our_word_for(name);
  return ours.empty() ? nearest_name(name, candidates) : std::string(ours);
}

}  // namespace gradus::lang
