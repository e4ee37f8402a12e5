// Diagnostics: messages about the user's files. Each kind is a row of diag_kinds.def.
//
//   diag.error(Diag::ShapeMismatch, span, "inner dimensions of `matmul` differ: 784 and 512")
//       .also(other_span)                              // tildes under what belongs to it
//       .note(declared, "`fc.w` declared as f32[512,10] here");
//
// Wording: lower case, no full stop, source in backticks; what was found, then what was expected;
// a hint comes last, after `;`.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "support/source.h"

namespace gradus {

enum class Diag {
#define DIAG(name, id, summary) name,
#include "support/diag_kinds.def"
#undef DIAG
};

struct DiagInfo {
  const char* id;       // printed in brackets: shape-mismatch
  const char* summary;  // one sentence: when it is given
};
const DiagInfo& diag_info(Diag kind);
size_t diag_count();

struct DiagNote {
  Span span;
  std::string message;
};

struct Diagnostic {
  Diag kind;
  Span span;
  std::string message;
  std::vector<Span> also;
  std::vector<DiagNote> notes;
};

/// Collects diagnostics of one compilation: errors, each told once whatever number of functions meets it,
/// and notes on what is right but may not be meant.
class DiagEngine {
 public:
  /// Lets a caller add to the message that was just made.
  class Handle {
   public:
    explicit Handle(Diagnostic& diagnostic) : diagnostic_(&diagnostic) {}
    Handle& also(Span span) { diagnostic_->also.push_back(span); return *this; }
    Handle& note(Span span, std::string message) {
      diagnostic_->notes.push_back({span, std::move(message)});
      return *this;
    }

   private:
    Diagnostic* diagnostic_;
  };

  explicit DiagEngine(const SourceMap& sources) : sources_(&sources) {}

  /// `span` may be nowhere: then the message stands without a place (flags, data files).
  Handle error(Diag kind, Span span, std::string message);
  /// Stops nothing: what is written has a meaning, which may not be the one meant.
  void note(Span span, std::string message);
  bool has_errors() const { return !diagnostics_.empty(); }
  size_t count() const { return diagnostics_.size(); }
  const std::vector<Diagnostic>& all() const { return diagnostics_; }
  const SourceMap& sources() const { return *sources_; }

  /// All messages as text: `file:line:col: error: ... [id]`, the line, caret and tildes, notes.
  std::string render(bool colour) const;
  /// The notes that stand alone, which are forgotten then.
  std::string take_notes(bool colour);

 private:
  const SourceMap* sources_;
  std::vector<Diagnostic> diagnostics_;
  std::unordered_set<std::string> told_;  // kind, place and message of each error
  Diagnostic again_;                      // an error that was told already
  std::vector<DiagNote> notes_;
};

/// The candidate that is nearest to `word` by edit distance; empty where none is near enough to propose.
std::string nearest_name(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace gradus
