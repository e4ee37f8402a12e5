// What fitted constants were fitted for, in words: constants of one expression mean nothing in another.
#pragma once

#include <string>

#include "driver/session.h"
#include "runtime/data/expression.h"

namespace gradus::driver {

/// Notes the text of each fitted expression of the input's binding beside its constants.
void record_expressions(const lang::DataBinding& binding, runtime::Fitted& fitted);

/// Constants of `path` that were fitted for another expression than the binding now has in their place are an error:
/// throws CommandError with the message.
void check_expressions(Session& session, const lang::DataBinding& binding, const runtime::Fitted& fitted, const std::string& path);

/// Numbers of characters in `path`, where the text is now read by its bytes, are an error too.
void check_encoding(Session& session, const runtime::Fitted& fitted, const std::string& path);

}  // namespace gradus::driver
