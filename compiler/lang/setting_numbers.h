// Numbers of the data and train blocks: each is whole and within its row of support/limits.h, or is
// refused with its place.
#pragma once

#include <string_view>

#include "lang/elaborator.h"
#include "support/limits.h"

namespace gradus::lang {

/// The whole number that `expr` is; `what` names it in messages: "`epochs`".
int64_t whole_within(Elaborator& e, const Expr& expr, std::string_view what,
                     const limits::Range& range);
/// The same of a value that is known already; `span` is where it was written.
int64_t whole_within(Elaborator& e, const Value& value, Span span, std::string_view what,
                     const limits::Range& range);

}  // namespace gradus::lang
