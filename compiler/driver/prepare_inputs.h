// What the data block does to an input, for code that is used without it: as text for the C header, and built
// into the graphs.
#pragma once

#include <set>
#include <string>

#include "driver/session.h"
#include "runtime/data/expression.h"

namespace gradus::driver {

/// Puts the preparation of each input that can take the file's numbers into the graphs of the model: one source,
/// floats, no categories. Returns the inputs that now take them.
std::set<std::string> build_in_preparation(Session& session, const runtime::Fitted& fitted);

/// A C comment on how each input is prepared, with the fitted constants where they are known; empty where every
/// input is given as it stands in its file.
std::string preparation_comment(const Session& session, const runtime::Fitted* fitted, const std::set<std::string>& built_in);

}  // namespace gradus::driver
