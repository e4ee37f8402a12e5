// Names of parameters and states. A call gets its site when it is met, its name when its statement
// is done: only then it is known whether one call of the statement makes variables, or several.
//
//   let h = relu(dense(x, 32))             one maker:  h.w
//   let h = dense(relu(dense(x, 64)), 32)  several:    h.dense.w, h.dense_1.w
//   return dense(x, 8)                     nameless:   dense.w
//   repeat 4 { x = block(x) }              rounds:     block.0, block.1 ..
#include <fmt/format.h>

#include <algorithm>

#include "lang/elaborator.h"

namespace gradus::lang {

namespace {

/// FNV-1a, 31 bits: the random stream of an initialiser, by its path.
int64_t stream_of_path(std::string_view path) {
  uint32_t hash = 2166136261u;
  for (char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash & 0x7fffffffu;
}

}  // namespace

Site* Elaborator::new_site(Site* parent, std::string function) {
  sites_.push_back({parent, std::move(function), {}, false, sites_.size() + 1});
  return &sites_.back();
}

void Elaborator::mark_makers(Site* site) {
  for (; site; site = site->parent) site->maker = true;
}

/// `base`, or base_1, base_2 .. where the body has it already.
std::string Elaborator::free_name(const std::string& base) {
  std::string name = base;
  for (int i = 1; !frame().site_names.insert(name).second; ++i)
    name = fmt::format("{}_{}", base, i);
  return name;
}

std::string Elaborator::with_rounds(std::string name) const {
  for (int64_t round : frames_.back()->rounds) name += fmt::format(".{}", round);
  return name;
}

void Elaborator::settle_sites(const std::string& statement) {
  std::vector<Site*> makers;
  for (Site* site : frame().calls) {
    if (site->maker && site->name.empty()) makers.push_back(site);
  }
  frame().calls.clear();
  if (makers.empty()) return;
  if (statement.empty()) {
    for (Site* site : makers) site->name = with_rounds(free_name(site->function));
    return;
  }
  std::string group = with_rounds(free_name(statement));
  if (makers.size() == 1) {
    makers[0]->name = group;
    return;
  }
  std::set<std::string> taken;
  for (Site* site : makers) {
    std::string name = site->function;
    for (int i = 1; !taken.insert(name).second; ++i) name = fmt::format("{}_{}", site->function, i);
    site->name = group + "." + name;
  }
}

void Elaborator::add_to_recorders(size_t variable, const Site* site) {
  for (const Recorder& recorder : recorders_) {
    const Site* at = site;
    while (at && at != recorder.site && at->index >= recorder.start) at = at->parent;
    if (at == recorder.site) recorder.variables->push_back(variable);
  }
}

size_t Elaborator::record_variable(VariableRecord record) {
  size_t index = variables_.size();
  mark_makers(record.site);
  variables_.push_back(std::move(record));
  add_to_recorders(index, frame().site);
  return index;
}

/// A later call of a layer: the next of the variables that its first call made.
size_t Elaborator::take_recorded(const Statement& s, const TensorType& type) {
  bool state = s.kind == Statement::Kind::State;
  const VariableRecord* record = nullptr;
  if (replay_->next < replay_->variables->size())
    record = &variables_[(*replay_->variables)[replay_->next]];
  if (!record || record->name != with_rounds(s.name) || record->is_state != state) {
    fail(Diag::LayerMismatch, s.name_span,
         fmt::format("`{}` was not made by the first call of this layer; later calls make the same "
                     "parameters",
                     s.name));
  }
  if (record->type != type) {
    fail(Diag::LayerMismatch, s.name_span,
         fmt::format("`{}` is {} in this call of the layer, but its first call made {}", s.name,
                     type_text(type), type_text(record->type)));
  }
  size_t index = (*replay_->variables)[replay_->next++];
  mark_makers(frame().site);
  add_to_recorders(index, frame().site);
  return index;
}

size_t Elaborator::make_variable(const Statement& s, const TensorType& type) {
  VariableRecord record;
  record.site = frame().site;
  record.name = with_rounds(s.name);
  record.type = type;
  record.is_state = s.kind == Statement::Kind::State;
  record.of_optimizer = training_part_;
  record.span = s.name_span;
  if (mode_ == Mode::Train) {
    Place outer = std::exchange(place_, Place::Init);
    draws_of_variable_ = 0;
    Value value = fit(eval(*s.value, &type), type, s.value->span, fmt::format("`{}`", s.name));
    record.initial = value.node;
    place_ = outer;
  }
  span_ = s.name_span;
  OpKind kind = record.is_state ? OpKind::State : OpKind::Param;
  record.leaf = make(Place::Step, kind, {}, {{AttrName::Name, s.name}}, &type);
  record.current = record.leaf;
  return record_variable(std::move(record));
}

void Elaborator::settle_paths() {
  std::map<std::string, Span> seen;
  for (VariableRecord& variable : variables_) {
    if (variable.path.empty()) {
      std::string above = site_path(*variable.site);
      variable.path = above.empty() || above.ends_with('@') ? above + variable.name
                                                            : above + "." + variable.name;
    }
    if (!seen.emplace(variable.path, variable.span).second) {
      diags_
          ->error(Diag::Redefined, variable.span,
                  fmt::format("two parameters have the path `{}`; rename one", variable.path))
          .note(seen[variable.path], "the other is made here");
    }
    if (variable.leaf.valid())
      graph(Place::Step)[variable.leaf].attrs.set(AttrName::Name, variable.path);
  }
  for (const InitialDraw& draw : initial_draws_) {
    std::string key =
        draw.variable < variables_.size() ? variables_[draw.variable].path : std::string();
    if (draw.draw > 0) key += fmt::format("#{}", draw.draw);
    graph(Place::Init)[draw.node].attrs.set(AttrName::Stream, stream_of_path(key));
  }
}

bool matches(std::string_view pattern, std::string_view path) {
  size_t p = 0, s = 0, star = std::string_view::npos, mark = 0;
  while (s < path.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = s;
    } else if (p < pattern.size() && pattern[p] == path[s]) {
      ++p;
      ++s;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      s = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace gradus::lang
