// Functions of one number as expressions of the language, for plots: from texts to one graph.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "support/diag.h"

namespace gradus::lang {

/// Input "x" : f64[], and an output : f64[] for each text in which x is a name. Files of `includes`
/// bring their functions and constants (a model beside them is not read). Numbers keep their digits
/// and all arithmetic is f64; `training` is false. Nothing where `diags` has errors.
std::optional<Graph> load_functions(SourceMap& sources, const std::vector<std::string>& texts,
                                    const std::vector<std::string>& includes, DiagEngine& diags);

}  // namespace gradus::lang
