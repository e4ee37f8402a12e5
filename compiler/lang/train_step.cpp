// The training step beyond the loss: gradients, the functions of the train block called once for
// each trained parameter, and the states' last values.
#include <fmt/format.h>

#include <algorithm>

#include "lang/elaborator.h"

namespace gradus::lang {

bool Elaborator::frozen(const std::string& path) const {
  for (const std::string& pattern : freeze_patterns_) {
    if (matches(pattern, path)) return true;
  }
  return false;
}

/// In path order, which sum_over_parameters adds in.
std::vector<Elaborator::Update> Elaborator::trained() {
  std::vector<Update> updates;
  for (size_t i = 0; i < variables_.size(); ++i) {
    if (!variables_[i].is_state && !frozen(variables_[i].path))
      updates.push_back({i, variables_[i].leaf, {}, {}, optimizer_});
  }
  std::sort(updates.begin(), updates.end(), [&](const Update& a, const Update& b) {
    return variables_[a.variable].path < variables_[b.variable].path;
  });
  return updates;
}

void Elaborator::train_step() {
  settle_paths();
  if (diags_->has_errors()) throw Abandoned{};
  train_settings();
  if (diags_->has_errors()) throw Abandoned{};
  Graph& step = graph(Place::Step);
  size_t model_variables = variables_.size();
  if (loss_) step.results.push_back({ResultKind::Loss, "", loss_->node});
  std::vector<Update> updates;
  if (loss_) updates = trained();
  if (loss_ && updates.empty() && !freeze_patterns_.empty())
    fail(Diag::BadPattern, program_->train->span,
         "`freeze` takes every parameter; nothing is left to train");
  training_part_ = true;
  apply_groups(updates);
  span_ = loss_span_;
  for (Update& update : updates) {
    NodeId seed = constant(Place::Step, step.type(loss_->node), 1);
    update.g = make(Place::Step, OpKind::Gradient, {loss_->node, update.w, seed});
  }
  if (gradient_function_) {
    std::vector<NodeId> changed = for_all(updates, &*gradient_function_, "gradient", false);
    for (size_t i = 0; i < updates.size(); ++i) updates[i].g = changed[i];
  }
  std::vector<NodeId> updated = for_all(updates, nullptr, "", true);
  for (size_t i = 0; i < updates.size(); ++i) updates[i].updated = updated[i];
  std::vector<NodeId> averages;
  if (average_) averages = for_all(updates, &*average_, "average", false);
  for (const Update& update : updates)
    step.results.push_back({ResultKind::Update, variables_[update.variable].path, update.updated});
  for (size_t i = 0; i < averages.size(); ++i) add_average(updates[i], averages[i]);
  settle_paths();
  for (size_t i = 0; i < variables_.size(); ++i) {
    const VariableRecord& v = variables_[i];
    bool moves = v.is_state && v.leaf.valid() && v.current != v.leaf;
    bool stands = i < model_variables && frozen(v.path);
    if (moves && !stands) step.results.push_back({ResultKind::Update, v.path, v.current});
  }
}

/// The averaged weight is kept as a state "fc.w@average", which begins as the parameter.
void Elaborator::add_average(const Update& update, NodeId value) {
  VariableRecord record;
  const VariableRecord& parameter = variables_[update.variable];
  record.path = parameter.path + "@average";
  record.average_of = parameter.path;
  record.name = "average";
  record.site = &root_;
  record.type = parameter.type;
  record.is_state = record.of_optimizer = true;
  record.span = parameter.span;
  record.initial = parameter.initial;
  graph(Place::Step).results.push_back({ResultKind::Update, record.path, value});
  variables_.push_back(std::move(record));
}

// ---- functions for each parameter ----

Value Elaborator::apply(const FunctionValue& function, Update& update, const std::string& site,
                        bool with_gradient, std::vector<size_t>& made, bool again) {
  const std::string path = variables_[update.variable].path;  // the list grows below
  Site* root = new_site(nullptr, function.name);
  root->name = path + "@" + site;
  frame().statement = path;
  std::vector<CallArgument> arguments;
  NodeId first = with_gradient || site == "average"
                     ? (site == "average" ? update.updated : update.w)
                     : update.g;
  arguments.push_back({"", {}, function.span, Value::tensor(Place::Step, first)});
  if (with_gradient)
    arguments.push_back({"", {}, function.span, Value::tensor(Place::Step, update.g)});
  Replay replay{&made, 0};
  for (size_t i : made) variables_[i].current = variables_[i].leaf;
  replay_ = again ? &replay : nullptr;
  if (!again) recorders_.push_back({root, 0, &made});
  Value result = call_function(function, std::move(arguments), function.span, nullptr, root);
  recorders_.clear();
  replay_ = nullptr;
  span_ = function.span;
  return fit(result, variables_[update.variable].type, function.span,
             fmt::format("the result of `{}` for `{}`", function.name, path));
}

/// Calls the function for each parameter; as often as it takes until all of its sums over the
/// parameters are known: the first round finds the terms of the first sum, the next uses it.
std::vector<NodeId> Elaborator::for_all(std::vector<Update>& updates, const FunctionValue* function,
                                        const std::string& site, bool with_gradient) {
  constexpr int kMaxSums = 16;
  Pass pass;
  std::vector<std::vector<size_t>> made(updates.size());
  for (int round = 0;; ++round) {
    pass.terms.clear();
    std::vector<NodeId> results;
    for (size_t i = 0; i < updates.size(); ++i) {
      pass.index = 0;
      pass_ = &pass;
      results.push_back(apply(function ? *function : *updates[i].optimizer, updates[i], site,
                              with_gradient, made[i], round > 0)
                            .node);
      pass_ = nullptr;
    }
    if (pass.terms.empty()) return results;
    if (round >= kMaxSums)
      fail(Diag::TooLarge, span_,
           fmt::format("more than {} sums over the parameters in one function", kMaxSums));
    Value total = pass.terms[0];
    for (size_t i = 1; i < pass.terms.size(); ++i)
      total = binary("+", total, pass.terms[i], span_, {span_, span_});
    pass.totals.push_back(total);
  }
}

Value Elaborator::sum_over_parameters(const Value& value, Span span) {
  if (!pass_)
    fail(Diag::BadStatement, span,
         "`sum_over_parameters` outside the functions of the `train` block");
  if (!value.is(Value::Kind::Tensor) || !type(value).is_scalar()) {
    fail(Diag::NotScalar, span,
         fmt::format("`sum_over_parameters` takes a tensor of rank 0, found {}",
                     value.in_graph() ? type_text(type(value)) : kind_text(value)));
  }
  size_t index = pass_->index++;
  if (index < pass_->totals.size()) return pass_->totals[index];
  if (index == pass_->totals.size()) pass_->terms.push_back(value);
  return value;
}

// ---- groups ----

void Elaborator::apply_groups(std::vector<Update>& updates) {
  for (const Setting* group : groups_) apply_group(updates, *group);
}

void Elaborator::apply_group(std::vector<Update>& updates, const Setting& group) {
  const std::span<const Argument> of = patterns(group);
  const std::span<const Argument> changes = std::span(group.value->arguments).subspan(of.size());
  for (const Argument& pattern : of) expect_match(updates, *pattern.value);
  for (Update& update : updates) {
    const std::string& path = variables_[update.variable].path;
    bool any = std::any_of(of.begin(), of.end(), [&](const Argument& pattern) {
      return matches(pattern.value->text, path);
    });
    if (any) change(*update.optimizer, changes);
  }
}

/// Another optimizer comes first, wherever it stands: the other arguments are its own.
void Elaborator::change(FunctionValue& optimizer, std::span<const Argument> arguments) {
  for (const Argument& argument : arguments) {
    if (argument.name == "optimizer") optimizer = *function_value(*argument.value).function;
  }
  for (const Argument& argument : arguments) {
    if (argument.name == "optimizer") continue;
    std::erase_if(optimizer.fixed, [&](const auto& fixed) { return fixed.first == argument.name; });
    optimizer.fixed.emplace_back(argument.name, eval(*argument.value));
    check_argument(optimizer, argument);
  }
}

void Elaborator::expect_match(std::span<const Update> updates, const Expr& pattern) {
  std::vector<std::string> paths;
  for (const Update& update : updates) paths.push_back(variables_[update.variable].path);
  bool any = std::any_of(paths.begin(), paths.end(),
                         [&](const std::string& path) { return matches(pattern.text, path); });
  if (any || paths.empty()) return;
  std::string nearest = nearest_name(pattern.text, paths);
  fail(Diag::BadPattern, pattern.span,
       fmt::format("\"{}\" matches no trained parameter; {}", pattern.text,
                   nearest.empty() ? "they are `" + paths[0] + "` .. `" + paths.back() + "`"
                                   : "did you mean \"" + nearest + "\"?"));
}

void Elaborator::check_argument(const FunctionValue& function, const Argument& argument) {
  if (!function.function) return;
  std::vector<std::string> names;
  for (const Formal& formal : function.function->formals) names.push_back(formal.name);
  if (std::find(names.begin(), names.end(), argument.name) != names.end()) return;
  std::string nearest = nearest_name(argument.name, names);
  fail(Diag::BadArgument, argument.name_span,
       fmt::format("`{}` has no argument `{}`{}", function.name, argument.name,
                   nearest.empty() ? "" : "; did you mean `" + nearest + "`?"));
}

}  // namespace gradus::lang
