// Graph text in. Works through the text once, without recursion; every size is checked before use.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <map>

#include "graph/builder.h"
#include "graph/text.h"

namespace gradus {

namespace {

/// A first error ends the reading.
struct Stop {};

class Reader {
 public:
  Reader(const SourceMap& sources, int32_t file, DiagEngine& diags)
      : text_(sources.file(file).text), file_(file), diags_(diags) {}

  std::vector<Graph> read() {
    std::vector<Graph> graphs;
    for (skip(); at_ < text_.size(); skip()) graphs.push_back(read_graph());
    if (graphs.empty()) fail(at_, "expected `graph @name {`");
    return graphs;
  }

 private:
  // ---- characters ----

  [[noreturn]] void fail(size_t at, const std::string& message, Diag kind = Diag::GraphSyntax) {
    auto begin = static_cast<uint32_t>(std::min(at, text_.size()));
    size_t end = std::max<size_t>(at_, begin + 1);
    diags_.error(kind, {file_, begin, static_cast<uint32_t>(std::min(end, text_.size() + 1))},
                 message);
    throw Stop();
  }

  void skip() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++at_;
      } else if (text_.substr(at_, 2) == "//") {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        break;
      }
    }
  }

  bool accept(std::string_view token) {
    skip();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) fail(at_, fmt::format("expected `{}`", token));
  }

  static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '.';
  }

  std::string_view word(std::string_view what) {
    skip();
    size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    if (at_ == begin) fail(begin, fmt::format("expected {}", what));
    return text_.substr(begin, at_ - begin);
  }

  std::string quoted() {
    skip();
    size_t begin = at_;
    if (at_ >= text_.size() || text_[at_] != '"') fail(at_, "expected a name in quotes");
    std::string out;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      bool escaped = text_[at_] == '\\' && at_ + 1 < text_.size();
      if (escaped) ++at_;
      if (text_[at_] == '\n') break;
      out += escaped && text_[at_] == 'n' ? '\n' : text_[at_];
    }
    if (at_ >= text_.size() || text_[at_] != '"') fail(begin, "the quotes are not closed");
    ++at_;
    return out;
  }

  /// The text of a number: sign, digits, point, exponent, or inf, nan.
  std::string_view number_text() {
    skip();
    size_t begin = at_;
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    while (at_ < text_.size() &&
           (is_word(text_[at_]) ||
            ((text_[at_] == '-' || text_[at_] == '+') && at_ > begin && text_[at_ - 1] == 'e'))) {
      ++at_;
    }
    if (at_ == begin) fail(begin, "expected a number");
    return text_.substr(begin, at_ - begin);
  }

  int64_t integer() {
    size_t begin = (skip(), at_);
    std::string_view text = number_text();
    int64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      fail(begin, "expected a whole number");
    return value;
  }

  double real() {
    size_t begin = (skip(), at_);
    std::string_view text = number_text();
    double value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    bool whole = end == text.data() + text.size();
    if (whole && error == std::errc::result_out_of_range) {
      fail(begin, fmt::format("`{}` is beyond f64; infinity is `inf`", text));
    }
    if (!whole || error != std::errc()) fail(begin, "expected a number");
    return value;
  }

  TensorType type() {
    skip();
    size_t begin = at_;
    size_t close = text_.find(']', at_);
    size_t line = text_.find('\n', at_);
    if (close == std::string_view::npos || close > line)
      fail(begin, "expected a type such as f32[batch,10]");
    std::string_view text = text_.substr(at_, close + 1 - at_);
    at_ = close + 1;
    std::optional<TensorType> type = type_from_string(text);
    if (!type)
      fail(begin, fmt::format("`{}` is no type; expected one such as f32[batch,10]", text));
    return *type;
  }

  // ---- graphs ----

  Graph read_graph() {
    expect("graph");
    expect("@");
    Graph graph;
    graph.name = word("the graph's name");
    graph_ = &graph;
    values_.clear();
    result_spans_.clear();
    expect("{");
    while (!accept("return")) read_node();
    read_results();
    expect("}");
    verify();
    return graph;
  }

  /// What no line tells by itself: leaves of one name, results that do not fit their leaves.
  void verify() {
    const std::optional<GraphBreach> breach = find_graph_breach(*graph_, Stage::Source);
    if (!breach) return;
    Span at = breach->result ? result_spans_[*breach->result] : (*graph_)[breach->node].span;
    diags_.error(Diag::GraphType, at, breach->message);
    throw Stop();
  }

  void read_node() {
    skip();
    size_t begin = at_;
    expect("%");
    std::string name(word("a value's name"));
    if (values_.count(name) > 0) fail(begin, fmt::format("`%{}` is defined twice", name));
    expect("=");
    size_t op_begin = (skip(), at_);
    std::string_view op_name = word("an operator");
    std::optional<OpKind> kind = op_from_name(op_name);
    if (!kind) unknown_op(op_begin, op_name);
    Attrs attrs;
    NodeId of;
    bool named = *kind == OpKind::Input || *kind == OpKind::Param || *kind == OpKind::State;
    if (named) attrs.set(AttrName::Name, quoted());
    std::vector<NodeId> operands = read_operands();
    if (accept("{")) read_attrs(op_def(*kind), attrs, of);
    expect(":");
    size_t type_begin = (skip(), at_);
    TensorType declared = type();
    values_[name] =
        make_node(*kind, std::move(operands), order_attrs(op_def(*kind), attrs, op_begin), declared,
                  of, begin, type_begin);
  }

  [[noreturn]] void unknown_op(size_t begin, std::string_view name) {
    std::vector<std::string> names;
    for (const OpDef* def : all_ops()) names.emplace_back(def->name);
    std::string near = nearest_name(name, names);
    fail(begin, fmt::format("no operator `{}`{}", name,
                            near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  }

  std::vector<NodeId> read_operands() {
    std::vector<NodeId> operands;
    skip();
    if (at_ >= text_.size() || text_[at_] == '{' || text_[at_] == ':') return operands;
    do {
      operands.push_back(operand());
    } while (accept(","));
    return operands;
  }

  NodeId operand() {
    skip();
    size_t begin = at_;
    if (accept("%")) return value(std::string(word("a value's name")), begin);
    std::string_view text = number_text();
    at_ = begin;
    bool is_real = text.find_first_of(".en") != std::string_view::npos;
    double number = is_real ? real() : static_cast<double>(checked_integer(begin));
    GraphBuilder builder(*graph_);
    builder.set_span({file_, static_cast<uint32_t>(begin), static_cast<uint32_t>(at_)});
    return builder.constant({is_real ? DType::F32 : DType::I32, {}}, number);
  }

  int64_t checked_integer(size_t begin) {
    int64_t value = integer();
    if (value < INT32_MIN || value > INT32_MAX) fail(begin, "a number without point is i32");
    return value;
  }

  NodeId value(const std::string& name, size_t begin) {
    auto found = values_.find(name);
    if (found == values_.end())
      fail(begin, fmt::format("`%{}` is not defined before this line", name));
    return found->second;
  }

  void read_attrs(const OpDef& def, Attrs& attrs, NodeId& of) {
    if (accept("}")) return;
    do {
      skip();
      size_t begin = at_;
      std::string_view name = word("an attribute's name");
      expect("=");
      if (name == "of") {
        size_t at = (skip(), at_);
        expect("%");
        of = value(std::string(word("a value's name")), at);
        continue;
      }
      std::optional<AttrName> attr = attr_from_text(name);
      const AttrSpec* spec = nullptr;
      for (const AttrSpec& candidate : def.attrs) {
        if (attr == candidate.name) spec = &candidate;
      }
      if (!spec) fail(begin, fmt::format("`{}` has no attribute `{}`", def.name, name));
      if (attrs.find(*attr)) fail(begin, fmt::format("attribute `{}` stands twice", name));
      attrs.set(*attr, attr_value(*attr));
    } while (accept(","));
    expect("}");
  }

  AttrValue attr_value(AttrName name) {
    switch (name) {
      case AttrName::Name:
        return quoted();
      case AttrName::Value:
        return real();
      case AttrName::Values:
        return list<double>([this] { return real(); });
      case AttrName::Dims:
      case AttrName::Perm:
      case AttrName::Start:
      case AttrName::Step:
      case AttrName::Low:
      case AttrName::High:
        return list<int64_t>([this] { return integer(); });
      case AttrName::Keep:
      case AttrName::Ta:
      case AttrName::Tb:
      case AttrName::Exclusive:
        return boolean();
      case AttrName::Axis:
      case AttrName::Stream:
      case AttrName::Chunk:
        return integer();
      case AttrName::Order:
        return std::string(word("an order"));
    }
    return int64_t{0};
  }

  bool boolean() {
    size_t begin = (skip(), at_);
    std::string_view text = word("true or false");
    if (text != "true" && text != "false") fail(begin, "expected true or false");
    return text == "true";
  }

  template <typename T, typename Item>
  std::vector<T> list(Item item) {
    std::vector<T> items;
    expect("[");
    if (accept("]")) return items;
    do {
      items.push_back(item());
    } while (accept(","));
    expect("]");
    return items;
  }

  /// In the order of the row; defaults are left out, so that equal nodes are equal.
  Attrs order_attrs(const OpDef& def, const Attrs& read, size_t begin) {
    Attrs ordered;
    for (const AttrSpec& spec : def.attrs) {
      const AttrValue* value = read.find(spec.name);
      if (!value && !spec.default_value)
        fail(begin, fmt::format("`{}` needs the attribute `{}`", def.name, attr_text(spec.name)));
      bool element = def.kind == OpKind::Constant;  // has one of two attributes, no default
      if (value && (element || !spec.default_value || *spec.default_value != *value))
        ordered.set(spec.name, *value);
    }
    return ordered;
  }

  NodeId make_node(OpKind kind, std::vector<NodeId> operands, Attrs attrs,
                   const TensorType& declared, NodeId of, size_t begin, size_t type_begin) {
    GraphBuilder builder(*graph_);
    builder.set_span({file_, static_cast<uint32_t>(begin), static_cast<uint32_t>(at_)});
    builder.set_of(of);
    const TensorType* given = op_def(kind).given_type ? &declared : nullptr;
    ShapeResult result = builder.infer(kind, operands, attrs, given);
    if (const auto* problem = std::get_if<ShapeProblem>(&result))
      fail(begin, problem->message, Diag::GraphType);
    const TensorType& inferred = std::get<TensorType>(result);
    if (inferred != declared) {
      fail(type_begin,
           fmt::format("the type is written {}, but it is {}", to_string(declared),
                       to_string(inferred)),
           Diag::GraphType);
    }
    return builder.make(kind, std::move(operands), std::move(attrs), given);
  }

  void read_results() {
    skip();
    if (at_ < text_.size() && text_[at_] == '}') return;
    do {
      skip();
      const size_t from = at_;
      Result result;
      bool plain = at_ >= text_.size() || text_[at_] == '%' || !is_word(text_[at_]) ||
                   (text_[at_] >= '0' && text_[at_] <= '9') || text_[at_] == '-';
      if (!plain) {
        size_t begin = at_;
        std::string_view name = word("a result");
        std::optional<ResultKind> kind = result_kind(name);
        if (name == "inf" || name == "nan") {
          at_ = begin;
        } else if (!kind) {
          fail(begin, fmt::format("`{}` is no kind of result", name));
        } else {
          result.kind = *kind;
          if (result.kind != ResultKind::Loss) result.name = quoted();
        }
      }
      result.value = operand();
      result_spans_.push_back({file_, static_cast<uint32_t>(from), static_cast<uint32_t>(at_)});
      graph_->results.push_back(std::move(result));
    } while (accept(","));
  }

  static std::optional<ResultKind> result_kind(std::string_view name) {
    for (ResultKind kind :
         {ResultKind::Output, ResultKind::Loss, ResultKind::Update, ResultKind::AccumulateSum,
          ResultKind::AccumulateMax, ResultKind::AccumulateMin, ResultKind::AccumulateMoments,
          ResultKind::Check}) {
      if (result_kind_name(kind) == name) return kind;
    }
    return std::nullopt;
  }

  std::string_view text_;
  int32_t file_;
  DiagEngine& diags_;
  size_t at_ = 0;
  Graph* graph_ = nullptr;
  std::map<std::string, NodeId> values_;
  std::vector<Span> result_spans_;
};

}  // namespace

std::optional<std::vector<Graph>> read_graphs(const SourceMap& sources, int32_t file,
                                              DiagEngine& diags) {
  try {
    return Reader(sources, file, diags).read();
  } catch (const Stop&) {
    return std::nullopt;
  }
}

}  // namespace gradus
