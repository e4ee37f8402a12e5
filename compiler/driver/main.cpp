// The program: finds the command, runs it, and turns what went wrong into an exit code.
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <new>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "driver/commands.h"
#include "driver/session.h"
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
  const bool arrived = std::cout.flush().good() && std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (arrived || code != kDone) return code;
  throw CommandError(kBadFile, "cannot write to the standard output");
}

int run(const std::vector<std::string>& arguments) {
  try {
    std::optional<Options> options = parse_command_line(arguments);
    return answered(options ? dispatch(*options) : kDone);
  } catch (const CommandError& error) {
    std::string text = error.what();
    bool rendered = text.find("error: ") != std::string::npos && text.back() == '\n';
    fmt::print(stderr, "{}", rendered ? text : fmt::format("gradus: error: {}\n", text));
    return error.code();
  } catch (const InternalError& error) {
    fmt::print(stderr, "gradus: internal error, a bug of gradus itself:\n{}\n", error.what());
    return kOurError;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "gradus: error: out of memory\n");
    return kOurError;
  } catch (const std::exception& error) {
    fmt::print(stderr, "gradus: internal error, a bug of gradus itself: {}\n", error.what());
    return kOurError;
  }
}

}  // namespace

}  // namespace gradus::driver

int main(int argc, char** argv) {
  gradus::driver::process_startup_ms();
  return gradus::driver::run(std::vector<std::string>(argv + 1, argv + argc));
}
