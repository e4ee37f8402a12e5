// Arguments to formals, and the sizes that they solve: a bare capital at its first use from the
// left and `...`; everything else in the types is checked afterwards.
#pragma once

#include "lang/elaborator.h"

namespace gradus::lang {

/// Arguments in the order of the formals; nothing where one was left out.
std::vector<std::optional<CallArgument>> match_arguments(Elaborator& e,
                                                         const FunctionValue& function,
                                                         std::vector<CallArgument> arguments,
                                                         Span span);

/// Binds in the frame that was just pushed for the call.
class CallBinder {
 public:
  CallBinder(Elaborator& e, const FunctionValue& function, Span call)
      : e_(e), function_(function), call_(call) {}

  void bind(std::vector<std::optional<CallArgument>> arguments);
  /// Sizes of the result that no argument bound, from what is being filled.
  void bind_result(const TensorType* want);

 private:
  struct Check {
    const Expr* dim;
    Dim actual;
    const Formal* formal;
    Span span;
  };
  struct Origin {
    const Formal* formal;
    Span span;
  };

  Value bind_tensor(const Formal& formal, const CallArgument& argument);
  void bind_dims(const Formal& formal, const TensorType& type, Span span);
  void bind_leading(const Formal& formal, Shape leading, const TensorType& type, Span span);
  Value bind_bare(const Formal& formal, const CallArgument& argument);
  void run_checks();
  [[noreturn]] void refuse(Diag kind, const Formal& formal, Span span, std::string found);
  std::string formal_text(const Formal& formal) const;

  Elaborator& e_;
  const FunctionValue& function_;
  Span call_;
  std::vector<Check> checks_;
  std::map<std::string, Origin> origins_;
  std::optional<Origin> leading_origin_;
};

}  // namespace gradus::lang
