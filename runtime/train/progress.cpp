// The bar is drawn at most ten times a second.
#include "runtime/train/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cmath>

#include "runtime/print.h"

namespace gradus::runtime {

namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr int kBarWidth = 24;

std::string duration_text(double seconds) {
  auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole >= 3600) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return whole >= 60 ? fmt::format("{}m{:02}s", whole / 60, whole % 60) : fmt::format("{}s", whole);
}

/// Columns of the terminal; 80 where it does not say.
size_t terminal_width(std::FILE* out) {
  winsize size = {};
  bool known = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

/// The first `columns` characters of a UTF-8 text: a bar that wraps could not be drawn over.
std::string clipped(const std::string& text, size_t columns) {
  size_t at = 0, seen = 0;
  for (; at < text.size(); ++at) {
    bool begins = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (begins && ++seen > columns) break;
  }
  return text.substr(0, at);
}

}  // namespace

Progress::Progress(std::FILE* out, const TrainPlan& plan, const TrainingState& state)
    : out_(out), plan_(plan), terminal_(takes_escape_codes(out)), first_step_(state.step) {}

void Progress::step(const TrainingState& state, const StepPosition& position, double loss,
                    int64_t rows) {
  rows_ += rows;
  loss_ = rows_ == rows ? loss : 0.98 * loss_ + 0.02 * loss;
  if (!terminal_) return;
  Clock::time_point now = Clock::now();
  if (now - drawn_ < kRedraw) return;
  drawn_ = now;
  show("\r\033[K" + clipped(bar(state, position), terminal_width(out_) - 1));
}

/// What does not arrive is no reason to stop: whoever read may have gone away.
void Progress::show(const std::string& text) {
  std::fputs(text.c_str(), out_);
  std::fflush(out_);
}

std::string Progress::remaining(int64_t step) const {
  double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  int64_t done = std::max<int64_t>(step - first_step_, 1);
  return duration_text(seconds / static_cast<double>(done) *
                       static_cast<double>(plan_.steps - step));
}

std::string Progress::bar(const TrainingState& state, const StepPosition& position) const {
  double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
  double share =
      static_cast<double>(state.step) / static_cast<double>(std::max<int64_t>(plan_.steps, 1));
  auto filled = static_cast<int>(kBarWidth * std::min(share, 1.0));
  std::string track;
  for (int i = 0; i < kBarWidth; ++i) track += i < filled ? "━" : "─";
  return fmt::format("{} epoch {} step {}/{} loss {:.4g}{} {:.0f} samples/s, {} left", track,
                     position.epoch, state.step, plan_.steps, loss_, last_validation_,
                     static_cast<double>(rows_) / std::max(seconds, 1e-9), remaining(state.step));
}

void Progress::record(const TrainingState& state, const HistoryRecord& record, bool best) {
  std::string line =
      fmt::format("epoch {:4} step {:7} loss {:.6f}", record.epoch, record.step, record.loss);
  last_validation_.clear();
  if (record.validation_loss) {
    line += fmt::format(" validation {:.6f}", *record.validation_loss);
    last_validation_ = fmt::format(" validation {:.4g}", *record.validation_loss);
  }
  for (size_t i = 0; i < record.metrics.size(); ++i) {
    line += fmt::format(" {} {:.4f}", state.history.metrics[i], record.metrics[i]);
    last_validation_ += fmt::format(" {} {:.4g}", state.history.metrics[i], record.metrics[i]);
  }
  if (best && record.validation_loss) line += " *";
  if (terminal_) return;
  show(line + "\n");
}

void Progress::finish() {
  show(terminal_ ? "\r\033[K" : "");
}

}  // namespace gradus::runtime
