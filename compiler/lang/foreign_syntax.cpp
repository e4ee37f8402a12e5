// Tables of spellings, each with what is written here.
#include "lang/foreign_syntax.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

namespace gradus::lang {

namespace {

struct Spelling {
  std::string_view theirs, ours;
};

// Longer symbols first: the first that fits is taken.
constexpr Spelling kForeignSymbols[] = {
    {"**=", "write `x = x ^ y`"},
    {"**", "a power is `x ^ y`"},
    {"+=", "write `x = x + y`"},
    {"-=", "write `x = x - y`"},
    {"*=", "write `x = x * y`"},
    {"/=", "write `x = x / y`"},
    {"%", "the remainder of ints is `mod(x, y)`"},
    {"&&", "it is written `and`"},
    {"&", "it is written `and`"},
    {"||", "it is written `or`"},
    {"|", "it is written `or`"},
    {"~", "it is written `not`"},
    {"!", "it is written `not`"},
    {"?", "on data, `where(c, a, b)` chooses"},
};

constexpr Spelling kCharacters[] = {
    {"#", "; a comment begins with `//`"},
    {"'", "; a string stands in double quotes"},
    {"\\", "; a line goes on behind an operator, and in brackets"},
};

constexpr Spelling kForeignKeywords[] = {
    {"def", "fn"},      {"func", "fn"},     {"function", "fn"}, {"import", "include"},
    {"class", "model"}, {"module", "model"}, {"for", "repeat"},  {"while", "repeat"},
    {"var", "let"},     {"val", "let"},     {"const", "let"},   {"elif", "else if"},
    {"parameter", "param"}, {"weight", "param"}, {"buffer", "state"},
};

constexpr Spelling kArguments[] = {
    {"lr", "rate"},           {"learning_rate", "rate"}, {"weight_decay", "decay"},
    {"dim", "axis"},          {"dims", "axis"},          {"axes", "axis"},
    {"keepdim", "keep"},      {"keepdims", "keep"},      {"keep_dims", "keep"},
    {"p", "rate"},            {"beta1", "b1"},           {"beta2", "b2"},
    {"beta_1", "b1"},         {"beta_2", "b2"},          {"betas", "b1"},
    {"eps", "epsilon"},       {"num_heads", "heads"},    {"n_heads", "heads"},
    {"out_features", "units"}, {"features", "units"},    {"num_embeddings", "vocabulary"},
    {"embedding_dim", "width"}, {"use_bias", "bias"},    {"is_causal", "causal"},
    {"dropout_p", "dropout"}, {"negative_slope", "slope"}, {"label_smoothing", "smoothing"},
    {"num_classes", "size"},  {"max_norm", "limit"},     {"min_lr", "final"},
    {"eta_min", "final"},     {"warmup_steps", "warmup"}, {"n", "units"},
    {"input", "x"},           {"size", "shape"},
};

template <size_t N>
std::string_view ours_of(const Spelling (&table)[N], std::string_view theirs) {
  auto found = std::ranges::find(table, theirs, &Spelling::theirs);
  return found == std::end(table) ? std::string_view() : found->ours;
}

// ---- comments that read as divisions ----

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Names that stand for numbers: constants, sizes, bare arguments, rounds, `let n = 2`, `let n = size(..)`.
std::set<std::string_view> number_names(const std::vector<Token>& tokens) {
  std::set<std::string_view> names;
  auto at = [&](size_t i) -> const Token& { return tokens[std::min(i, tokens.size() - 1)]; };
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (at(i).kind == TokenKind::Size) names.insert(at(i).text);
    if (at(i).is_word("const") || at(i).is_word("as")) names.insert(at(i + 1).text);
    const bool bare = at(i + 1).is(":") && (at(i + 2).is_word("int") || at(i + 2).is_word("float"));
    if (bare && !at(i + 3).is("[")) names.insert(at(i).text);
    const bool number = at(i + 3).kind == TokenKind::Number || at(i + 3).is_word("size");
    if (at(i).is_word("let") && at(i + 2).is("=") && number) names.insert(at(i + 1).text);
  }
  return names;
}

/// Whether `text`, which stands behind `//`, is an operand and what may follow one: numbers, names of
/// numbers, operators, brackets. Brackets that close what the line before it opened allow any name.
class Rest {
 public:
  Rest(std::string_view text, const std::set<std::string_view>& numbers)
      : text_(text), numbers_(numbers) {}

  bool reads_as_operand() {
    while (at_ < text_.size() && text_[at_] != ';') {
      if (!step()) return false;
    }
    return any_ && (all_numbers_ || depth_ < 0);
  }

 private:
  bool step() {
    const char c = text_[at_];
    if (is_name_character(c)) return operand();
    ++at_;
    if (c == ' ' || c == '\t' || c == '\r') return true;
    if (c == '(' || c == '[') {
      ++depth_;
      wants_operand_ = true;
      return true;
    }
    const bool closes = c == ')' || c == ']' || c == '}';
    const bool joins = std::string_view("+-*/^@,:").find(c) != std::string_view::npos;
    if (wants_operand_ || (!closes && !joins)) return false;
    depth_ -= closes ? 1 : 0;
    wants_operand_ = joins;
    return true;
  }

  bool operand() {
    const size_t begin = at_;
    while (at_ < text_.size() && (is_name_character(text_[at_]) || text_[at_] == '.')) ++at_;
    const std::string_view word = text_.substr(begin, at_ - begin);
    const bool number = word.find_first_not_of("0123456789.") == word.npos && word.back() != '.';
    if (!wants_operand_ || is_keyword(word)) return false;
    all_numbers_ &= number || numbers_.count(word) > 0;
    any_ = true;
    wants_operand_ = false;
    return true;
  }

  std::string_view text_;
  const std::set<std::string_view>& numbers_;
  size_t at_ = 0;
  int depth_ = 0;
  bool any_ = false, all_numbers_ = true, wants_operand_ = true;
};

bool ends_operand(const Token& token) {
  const bool name = token.kind == TokenKind::Name && !token.keyword;
  return name || token.kind == TokenKind::Size || token.kind == TokenKind::Number ||
         token.is(")") || token.is("]");
}

}  // namespace

std::string_view foreign_symbol_at(std::string_view text) {
  for (const Spelling& symbol : kForeignSymbols) {
    if (text.starts_with(symbol.theirs)) return symbol.theirs;
  }
  return {};
}

std::string_view foreign_character_hint(std::string_view character) {
  return ours_of(kCharacters, character);
}

std::string foreign_token_hint(const Token& token) {
  std::string_view ours;
  if (token.kind == TokenKind::Symbol) ours = ours_of(kForeignSymbols, token.text);
  return ours.empty() ? "" : fmt::format("; {}", ours);
}

std::string_view our_keyword_for(std::string_view word) { return ours_of(kForeignKeywords, word); }

std::string meant_argument(std::string_view name, const std::vector<std::string>& names) {
  std::string ours(ours_of(kArguments, name));
  if (std::ranges::find(names, ours) != names.end()) return ours;
  return nearest_name(name, names);
}

void note_divisions(const SourceMap& sources, const TokenList& list, DiagEngine& diags) {
  std::optional<std::set<std::string_view>> numbers;
  for (const Comment& comment : list.comments) {
    if (comment.own_line) continue;
    auto behind = std::ranges::upper_bound(list.tokens, comment.span.begin, {},
                                           [](const Token& token) { return token.span.begin; });
    if (behind == list.tokens.begin() || !ends_operand(*std::prev(behind))) continue;
    if (!numbers) numbers = number_names(list.tokens);
    const std::string_view text = sources.text(comment.span).substr(2);
    if (!Rest(text, *numbers).reads_as_operand()) continue;
    diags.note(comment.span,
               "`//` begins a comment and divides nothing; a size divides by `/`, an int tensor by "
               "`div(x, y)`");
  }
}

}  // namespace gradus::lang
