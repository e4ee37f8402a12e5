// gradus bench: the time of a step and of each kernel beside what the machine could do, measured in the
// same run. Needs no data: inputs are made up, 16 batches in turn.
//
// `compile_ms` is the way from the elaborated graph to code in this process and always the compiler's
// own: the cache is left alone unless --cache asks for it, and then `cached` says whether the code came
// out of it. `ready_ms` counts from before the model file is opened to the first weights, all compiling
// included. `startup_ms`, the processor time before main (loading libLLVM), is in neither.
//
// `memory_growth_bytes` is the peak of the process after `steps` steps, the pool of batches and all
// compiling included, less what was resident before the model file was opened (the program with
// libLLVM). The machine's limits are measured afterwards: that takes arrays of its own.
#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>

#include <fmt/format.h>

#include "driver/commands.h"
#include "driver/json_text.h"
#include "driver/session.h"
#include "pipeline/describe.h"
#include "pipeline/random_data.h"
#include "runtime/machine_peak.h"
#include "runtime/print.h"
#include "runtime/thread_pool.h"

namespace gradus::driver {

namespace {

using pipeline::Function;
using Clock = std::chrono::steady_clock;

constexpr int kPool = 16;

double microseconds(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double, std::micro>(end - begin).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// Times launches through the frame's trace callback.
class LaunchTimer {
 public:
  explicit LaunchTimer(size_t launches) : samples_(launches) {}
  static void trace(void* context, int32_t launch, int32_t end) {
    auto* self = static_cast<LaunchTimer*>(context);
    Clock::time_point now = Clock::now();
    if (end != 0) {
      self->samples_[static_cast<size_t>(launch)].push_back(microseconds(self->begin_, now));
    } else {
      self->begin_ = now;
    }
  }
  double median_us(size_t launch) const { return samples_[launch].empty() ? 0 : median(samples_[launch]); }

 private:
  std::vector<std::vector<double>> samples_;
  Clock::time_point begin_;
};

/// The batches in memory: the step reads them where they lie.
struct BatchPool {
  std::vector<std::map<std::string, pipeline::AlignedBytes>> batches{kPool};

  BatchPool(const lang::Model& model, const pipeline::StepRunner& step, int64_t rows) {
    pipeline::Random random(1);
    for (auto& batch : batches) {
      for (const lang::ModelInput& input : model.inputs) {
        if (!step.has_input(input.name)) continue;
        pipeline::AlignedBytes bytes(static_cast<size_t>(byte_size(input.type, rows)));
        pipeline::fill_random(random, input, bytes.span());
        batch.emplace(input.name, std::move(bytes));
      }
    }
  }
  void bind(pipeline::StepRunner& step, int64_t turn) const {
    for (const auto& [name, bytes] : batches[static_cast<size_t>(turn % kPool)]) {
      step.bind_input(name, bytes.data());
    }
  }
};

class Bench {
 public:
  Bench(const Options& options, Session& session)
      : options_(options),
        session_(session),
        rows_(pipeline::capacity_of(session.model, options.batch)),
        function_(session.model.has_loss ? Function::Train : Function::Predict),
        pool_(static_cast<int32_t>(options.threads.value_or(1))),
        threads_(pool_.workers()) {
    tell_fewer_threads(options.threads.value_or(1), pool_.workers());
  }

  /// `begin` is the time before the model file was opened, `start_bytes` what was resident.
  int run(Clock::time_point begin, int64_t start_bytes) {
    start_bytes_ = start_bytes;
    auto compiled = compile(session_, {Function::Init, function_}, rows_, threads_);
    pipeline::Threads threads{threads_, &pool_, threads_ > 1 ? runtime::ThreadPool::parallel_for : nullptr};
    pipeline::StepRunner init = compiled.runner(session_.model, Function::Init, variables_, {});
    pipeline::StepRunner step = compiled.runner(session_.model, function_, variables_, threads);
    init.run({.rows = 1, .step = 0});
    ready_ms_ = microseconds(begin, Clock::now()) * 1e-3;
    if (options_.compile_only) return report_times(compiled);
    BatchPool batches(session_.model, step, rows_);
    double step_us = time_steps(step, batches);
    growth_bytes_ = process_bytes("VmHWM") - start_bytes_;
    steps_ = counter_;
    runtime::MachinePeak peak = runtime::measure_peak(threads_);
    LaunchTimer timer(step.program().launches.size());
    step.set_trace(LaunchTimer::trace, &timer);
    for (int64_t i = 0; i < 200 && seconds_spent_ < 6; ++i) one(step, batches);
    runtime::MachinePeak after = runtime::measure_peak(threads_);
    peak.fma_gflops = std::max(peak.fma_gflops, after.fma_gflops);
    report(compiled, step, timer, peak, step_us);
    return kDone;
  }

 private:
  int report_times(const pipeline::CompiledModel& compiled) const {
    bool cached = compiled.jit().cached();
    if (options_.json) {
      nlohmann::json out = {{"model", session_.model.name}, {"compile_ms", compiled.milliseconds()}, {"cached", cached},
                            {"ready_ms", ready_ms_}, {"startup_ms", process_startup_ms()}};
      print_out("{}\n", json_text(out));
    } else {
      print_out("{}: started in {:.1f} ms, compiled in {:.1f}{}, ready after {:.1f}\n", session_.model.name,
                 process_startup_ms(), compiled.milliseconds(), cached ? " with code from the cache" : "", ready_ms_);
    }
    return kDone;
  }

  double one(pipeline::StepRunner& step, const BatchPool& batches) {
    batches.bind(step, counter_);
    Clock::time_point begin = Clock::now();
    int32_t status = step.run({.rows = rows_, .step = ++counter_, .steps = 1'000'000});
    double us = microseconds(begin, Clock::now());
    // Data are made up: what is computed of them may be no index.
    GRADUS_CHECK(status == GRADUS_OK || status >= GRADUS_BAD_COMPUTED_INDEX, fmt::format("the step returned {}", status));
    seconds_spent_ += us * 1e-6;
    return us;
  }

  /// The median over samples of at least a millisecond each.
  double time_steps(pipeline::StepRunner& step, const BatchPool& batches) {
    double once = one(step, batches);
    for (int i = 0; i < 3; ++i) once = std::min(once, one(step, batches));
    int per_sample = std::max(1, static_cast<int>(1000 / std::max(once, 0.1)));
    std::vector<double> samples;
    const int64_t least = options_.least_steps.value_or(0);
    while (samples.size() < 15 || counter_ < least || (seconds_spent_ < 1.5 && samples.size() < 400)) {
      Clock::time_point begin = Clock::now();
      for (int i = 0; i < per_sample; ++i) one(step, batches);
      samples.push_back(microseconds(begin, Clock::now()) / per_sample);
    }
    seconds_spent_ = 0;
    return median(samples);
  }

  static double flop_of(const plan::Program& program, const plan::Launch& launch) {
    return program.kernels[launch.kernel].cost.flop();
  }

  std::string what(const pipeline::CompiledModel& compiled, const pipeline::StepRunner& step,
                   const plan::Launch& launch) const {
    return pipeline::describe_launch(compiled.get(function_).ordered, step.program(), launch);
  }

  void report(const pipeline::CompiledModel& compiled, const pipeline::StepRunner& step,
              const LaunchTimer& timer, const runtime::MachinePeak& peak, double step_us) {
    const plan::Program& program = step.program();
    double flop = 0;
    for (const plan::Launch& launch : program.launches) flop += flop_of(program, launch);
    double bound_us = flop / (peak.fma_gflops * 1e3);
    if (options_.json) {
      print_json(compiled, step, timer, peak, step_us, flop);
      return;
    }
    print_out("{}: batch {}, {} thread{}, {}; FMA peak {:.1f} GFLOP/s, memory {:.1f} GB/s\n",
               session_.model.name, rows_, threads_, threads_ == 1 ? "" : "s", session_.target.cpu,
               peak.fma_gflops, peak.read_gbs);
    print_out("step {:.1f} us, {:.1f} GFLOP/s, {:.2f}x the FLOP bound; arena {}, compiled in {:.1f} ms{}, ready after {:.1f}\n\n",
               step_us, flop / step_us * 1e-3, step_us / bound_us,
               bytes_text(static_cast<int64_t>(step.arena_bytes())), compiled.milliseconds(),
               compiled.jit().cached() ? " with code from the cache" : "", ready_ms_);
    print_out("{:>10} {:>7} {:>9} {:>7}  {}\n", "us", "share", "GFLOP/s", "limit", "kernel");
    for (size_t i = 0; i < program.launches.size(); ++i) {
      const plan::Launch& launch = program.launches[i];
      double us = timer.median_us(i);
      auto [share, limit] = share_of_limit(program, launch, peak, us);
      print_out("{:10.2f} {:6.1f}% {:9.1f} {:5.0f}%{}  {}\n", us, 100 * us / step_us,
                 flop_of(program, launch) / us * 1e-3, 100 * share, limit, what(compiled, step, launch));
    }
  }

  /// Time at the machine's limit over time taken; the limit is 'f' (arithmetic) or 'b' (bytes).
  static std::pair<double, char> share_of_limit(const plan::Program& program, const plan::Launch& launch,
                                                const runtime::MachinePeak& peak, double us) {
    double by_flop = flop_of(program, launch) / (peak.fma_gflops * 1e3);
    double by_bytes = program.kernels[launch.kernel].cost.bytes / (peak.read_gbs * 1e3);
    bool in_cache = program.kernels[launch.kernel].cost.bytes < 16e6;
    if (in_cache || by_flop > by_bytes) return {us > 0 ? by_flop / us : 0, 'f'};
    return {us > 0 ? by_bytes / us : 0, 'b'};
  }

  void print_json(const pipeline::CompiledModel& compiled, const pipeline::StepRunner& step,
                  const LaunchTimer& timer, const runtime::MachinePeak& peak, double step_us, double flop) {
    const plan::Program& program = step.program();
    nlohmann::json kernels = nlohmann::json::array();
    for (size_t i = 0; i < program.launches.size(); ++i) {
      const plan::Launch& launch = program.launches[i];
      kernels.push_back({{"name", launch.name}, {"what", what(compiled, step, launch)},
                         {"us", timer.median_us(i)}, {"flop", flop_of(program, launch)}});
    }
    nlohmann::json out = {{"model", session_.model.name}, {"batch", rows_}, {"threads", threads_},
                          {"cpu", session_.target.cpu}, {"step_us", step_us}, {"flop", flop},
                          {"compile_ms", compiled.milliseconds()}, {"cached", compiled.jit().cached()},
                          {"ready_ms", ready_ms_}, {"startup_ms", process_startup_ms()}, {"arena_bytes", step.arena_bytes()},
                          {"memory_growth_bytes", growth_bytes_}, {"steps", steps_},
                          {"gflops", flop / step_us * 1e-3}, {"peak_gflops", peak.fma_gflops},
                          {"over_bound", step_us * peak.fma_gflops * 1e3 / flop}, {"kernels", kernels}};
    print_out("{}\n", json_text(out));
  }

  const Options& options_;
  Session& session_;
  int64_t rows_;
  Function function_;
  runtime::ThreadPool pool_;
  int32_t threads_;
  pipeline::VariableStore variables_;
  int64_t counter_ = 0, steps_ = 0;
  int64_t start_bytes_ = 0, growth_bytes_ = 0;
  double seconds_spent_ = 0;
  double ready_ms_ = 0;
};

}  // namespace

int run_bench(const Options& options) {
  int64_t start_bytes = process_bytes("VmRSS");
  auto begin = Clock::now();
  auto session = open_session(options);
  return Bench(options, *session).run(begin, start_bytes);
}

}  // namespace gradus::driver
