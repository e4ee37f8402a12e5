// What a reader is shown of all that a model can call: rows of the built-in functions and the text of
// the library, the same that elaboration uses.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gradus::lang {

struct FunctionEntry {
  std::string group;
  std::string name;
  std::string signature;  // "tril(rows: int, columns: int = rows) -> bool[rows, columns]"
  std::string doc;
  std::string text;       // of the library; empty: written in C++
};

/// In order of their groups. A name may stand in the model and in the data block: `log`.
std::vector<FunctionEntry> function_entries();

std::string first_sentence(std::string_view doc);

struct ForeignWord {
  std::string_view name, ours;
};
std::span<const ForeignWord> foreign_words();

/// What is written here for a function as operators of graphs or other frameworks name it: "cumsum" for
/// "cumulative_sum", "x + y" for "add". Empty where there is none.
std::string_view our_word_for(std::string_view name);

/// The name meant by one that is not known: our word for it, else the nearest of `candidates`. A name in
/// capitals, as classes have elsewhere, means the same without them: `LayerNorm`.
std::string meant_function(std::string_view name, const std::vector<std::string>& candidates);

/// Names that have no function here, with what is written instead.
std::span<const ForeignWord> words_instead();

/// "; did you mean `dense`?", or for what has no function here (`lstm`) what is written instead.
std::string function_hint(std::string_view name, const std::vector<std::string>& candidates);

/// "; did you mean `relu`?"; empty for an empty name.
std::string meant_text(std::string_view name);

}  // namespace gradus::lang
