// Progress: plain lines into a file, a bar that fits on a terminal.
#include "runtime/train/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "runtime/temporary_folder.h"

namespace gradus::runtime {
namespace {

struct Training {
  TrainPlan plan;
  TrainingState state;
  HistoryRecord record;

  Training() {
    plan.steps = 10;
    state.step = 5;
    state.history.metrics = {"accuracy"};
    record = {2, 5, 0.5, 0.25, {0.75}};
  }
};

TEST(Progress, WritesOneLineARecordIntoAFile) {
  TemporaryFolder folder;
  Training run;
  std::FILE* out = std::fopen(folder.path("f").c_str(), "w");
  Progress progress(out, run.plan, run.state);
  progress.step(run.state, {5, 10, 2}, 0.5, 32);
  progress.record(run.state, run.record, true);
  run.record.validation_loss.reset();
  run.record.metrics.clear();
  progress.record(run.state, run.record, true);
  progress.finish();
  std::fclose(out);
  EXPECT_EQ(read_text(folder.path("f")),
            "epoch    2 step       5 loss 0.500000 validation 0.250000 accuracy 0.7500 *\n"
            "epoch    2 step       5 loss 0.500000\n");
}

/// Both ends of a terminal of 40 columns.
class Terminal {
 public:
  Terminal() : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
    grantpt(master_);
    unlockpt(master_);
    winsize size = {24, 40, 0, 0};
    int slave = ::open(ptsname(master_), O_RDWR | O_NOCTTY);
    ioctl(slave, TIOCSWINSZ, &size);
    out = fdopen(slave, "w");
  }
  ~Terminal() {
    std::fclose(out);
    ::close(master_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  std::string shown() {
    std::string text;
    char part[4096];
    for (pollfd ready = {master_, POLLIN, 0};
         poll(&ready, 1, 100) > 0 && (ready.revents & POLLIN);) {
      text.append(part, static_cast<size_t>(::read(master_, part, sizeof part)));
    }
    return text;
  }
  std::FILE* out = nullptr;

 private:
  int master_;
};

TEST(Progress, DrawsABarThatFitsTheTerminal) {
  Terminal terminal;
  Training run;
  Progress progress(terminal.out, run.plan, run.state);
  std::this_thread::sleep_for(std::chrono::milliseconds(110));
  progress.step(run.state, {5, 10, 2}, 0.5, 32);
  std::string bar = terminal.shown();
  ASSERT_TRUE(bar.starts_with("\r\033[K━"));
  EXPECT_NE(bar.find("epoch 2 step"), std::string::npos);
  auto columns = std::count_if(bar.begin(), bar.end(), [](char c) { return (c & 0xC0) != 0x80; });
  EXPECT_EQ(columns - 4, 39);
  progress.finish();
  EXPECT_EQ(terminal.shown(), "\r\033[K");
}

TEST(Progress, DrawsAtMostTenTimesASecond) {
  Terminal terminal;
  Training run;
  auto begin = std::chrono::steady_clock::now();
  Progress progress(terminal.out, run.plan, run.state);
  for (int i = 0; i < 300; ++i) {
    progress.step(run.state, {5, 10, 2}, 0.5, 32);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  auto tenths = (std::chrono::steady_clock::now() - begin) / std::chrono::milliseconds(100);
  std::string shown = terminal.shown();
  auto drawn = std::count(shown.begin(), shown.end(), '\r');
  EXPECT_GE(drawn, 1);
  EXPECT_LE(drawn, tenths);
}

}  // namespace
}  // namespace gradus::runtime
