// Threads behind a `parallel_for` function pointer. Workers spin through a step and park only
// between steps: waking a sleeping thread costs tens of microseconds.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "gradus/runtime.h"

namespace gradus::runtime {

class ThreadPool {
 public:
  /// `workers` threads in all: the caller is worker 0, the others are started here.
  /// Throws std::system_error where the system does not give so many threads.
  explicit ThreadPool(int32_t workers);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// A gradus_parallel_for: `pool` is a ThreadPool. One contiguous range of items per worker.
  static void parallel_for(void* pool, gradus_body body, const void* args, int64_t items);

  int32_t workers() const { return static_cast<int32_t>(shares_.size()); }
  /// Items done by a worker since the pool began.
  int64_t items_done(int32_t worker) const { return shares_[static_cast<size_t>(worker)].items; }

 private:
  struct alignas(64) Share {
    int64_t items = 0;
    std::atomic<uint64_t> finished{0};  // the last generation that this worker has finished
  };

  void run(gradus_body body, const void* args, int64_t items);
  void stop();
  void work(int32_t worker);
  void take_range(int32_t worker);
  uint64_t wait_for_work(uint64_t seen);

  std::vector<Share> shares_;
  std::vector<std::thread> threads_;
  // One cache line: a worker that sees the new generation has the work too.
  alignas(64) std::atomic<uint64_t> generation_{0};
  gradus_body body_ = nullptr;
  const void* args_ = nullptr;
  int64_t items_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int32_t> parked_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace gradus::runtime
