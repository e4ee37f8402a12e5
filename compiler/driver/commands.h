// The commands: each reads its options and returns an exit code. One file per command.
#pragma once

#include "driver/options.h"

namespace gradus::driver {

int run_train(const Options& options);
int run_eval(const Options& options);
int run_predict(const Options& options);
int run_compile(const Options& options);
int run_plot(const Options& options);
int run_show(const Options& options);
int show_layers(const Options& options);  // `show` without a stage
int run_check(const Options& options);
int run_bench(const Options& options);
int run_opt(const Options& options);
int run_ops(const Options& options);
int run_functions(const Options& options);

}  // namespace gradus::driver
