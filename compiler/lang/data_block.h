// The data block: which file columns and arrays become which inputs, and by what arithmetic.
#pragma once

#include "lang/elaborator.h"

namespace gradus::lang {

/// Fills `model.data` from the block; `e` evaluates numbers and says what is wrong.
void read_data_block(Elaborator& e, const SettingsBlock& block, Model& model);

}  // namespace gradus::lang
