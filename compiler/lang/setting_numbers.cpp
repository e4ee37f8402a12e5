// One check for all of them.
#include "lang/setting_numbers.h"

namespace gradus::lang {

int64_t whole_within(Elaborator& e, const Value& value, Span span, std::string_view what,
                     const limits::Range& range) {
  int64_t number = e.whole_number(value, span, what);
  if (!range.holds(number))
    e.fail(Diag::BadSetting, span, limits::message(std::string(what), number, range));
  return number;
}

int64_t whole_within(Elaborator& e, const Expr& expr, std::string_view what,
                     const limits::Range& range) {
  return whole_within(e, e.eval(expr), expr.span, what, range);
}

}  // namespace gradus::lang
