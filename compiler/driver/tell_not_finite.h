// The message for what is NaN or infinite where a number belongs.
#pragma once

#include <optional>
#include <string>

#include "driver/session.h"
#include "pipeline/find_not_finite.h"

namespace gradus::driver {

/// `what` and, where it is known, the first value that was not finite with its place.
inline void tell_not_finite(Session& session, const std::string& what, const std::optional<pipeline::NotFiniteValue>& first) {
  if (!first) {
    session.diags.error(Diag::NotFinite, {}, what);
    return;
  }
  session.diags.error(Diag::NotFinite, first->span,
                      what + "; the first value that is not: " + first->what + (first->nan ? ", NaN" : ", infinite"));
}

}  // namespace gradus::driver
