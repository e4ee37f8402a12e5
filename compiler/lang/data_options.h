// What stands between the brackets of csv(..), text(..), idx(..) and npy(..).
#pragma once

#include "lang/builtins.h"
#include "lang/elaborator.h"

namespace gradus::lang {

/// ("path", name: value ..): the path is returned, each option is read as its row says. Fails where
/// one is unknown or has another value than it takes.
std::string read_source_options(Elaborator& e, const Expr& call, const Builtin& row,
                                DataOptions& options);

}  // namespace gradus::lang
