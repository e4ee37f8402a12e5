// The program: finds the command, runs it, and turns what went wrong into an exit code.
#include <cstdio>
#include <exception>
#include <map>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "driver/commands.h"
#include "driver/process.h"
#include "driver/session.h"
#include "runtime/print.h"
#include "support/check.h"

namespace gradus::driver {

namespace {

int dispatch(const Options& options) {
  static const std::map<std::string, int (*)(const Options&)> table = {
      {"train", run_train}, {"eval", run_eval},   {"predict", run_predict},
      {"show", run_show},   {"check", run_check}, {"bench", run_bench},
      {"opt", run_opt},     {"ops", run_ops},     {"compile", run_compile},
      {"functions", run_functions}, {"plot", run_plot},
  };
  return table.at(options.command)(options);
}

/// What was printed and did not arrive is no success.
int answered(int code) {
  const bool arrived = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (arrived || code != kDone) return code;
  throw CommandError(kBadFile, "cannot write to the standard output");
}

int run(const std::vector<std::string>& arguments) {
  try {
    std::optional<Options> options = parse_command_line(arguments);
    return answered(options ? dispatch(*options) : kDone);
  } catch (const CommandError& error) {
    const std::string& text = error.message();
    print_error("{}", error.rendered() ? text : fmt::format("gradus: error: {}\n", text));
    return error.code();
  } catch (const InternalError& error) {
    print_error("gradus: internal error, a bug of gradus itself:\n{}\n", error.what());
    return kOurError;
  } catch (const std::bad_alloc&) {
    std::fputs("gradus: error: out of memory\n", stderr);
    return kOurError;
  } catch (const std::system_error& error) {
    print_error("gradus: error: the system refuses what is asked of it: {}\n", error.what());
    return kOurError;
  } catch (const std::exception& error) {
    print_error("gradus: internal error, a bug of gradus itself: {}\n", error.what());
    return kOurError;
  }
}

}  // namespace

}  // namespace gradus::driver

int main(int argc, char** argv) {
  using namespace gradus::driver;
  process_startup_ms();
  open_standard_streams();
  end_with_a_sentence_without_memory();
  return run_on_large_stack([&] { return run(std::vector<std::string>(argv + 1, argv + argc)); });
}
