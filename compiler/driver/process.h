// What the program asks of its process before anything runs: three standard streams, a stack that the
// limits of the language fit in, and an end with a sentence where memory runs out.
#pragma once

#include <functional>

namespace gradus::driver {

/// A standard stream that is closed is opened on /dev/null the other way round: no file of a run gets
/// its number, and what is printed there fails as it did.
void open_standard_streams();

/// Where no handler can be reached (a thread of the code generator, a function that must not throw),
/// memory that runs out ends the process with its sentence and exit code.
void end_with_a_sentence_without_memory();

/// What the allocator does where it has nothing to give.
[[noreturn]] void throw_exhausted();

/// Runs `body` on a stack of the size that deep nesting needs, whatever `ulimit -s` says, and lets all
/// threads have one.
int run_on_large_stack(const std::function<int()>& body);

}  // namespace gradus::driver
