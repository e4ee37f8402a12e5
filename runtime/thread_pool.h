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
  /// `workers` threads in all: the caller is worker 0, the others are started here. Where the system
  /// does not give so many, `workers()` says how many there are.
  explicit ThreadPool(int32_t workers);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// A gradus_parallel_for: `pool` is a ThreadPool. Each worker begins with a contiguous range of the
  /// items; one that is done helps the others. More than 2^32 - 1 items are done by the caller alone.
  static void parallel_for(void* pool, gradus_body body, const void* args, int64_t items);

  int32_t workers() const { return static_cast<int32_t>(threads_.size()) + 1; }
  /// Items done by a worker since the pool began.
  int64_t items_done(int32_t worker) const { return shares_[static_cast<size_t>(worker)].items; }

 private:
  struct Range {
    int64_t begin = 0, end = 0;
    uint64_t word() const { return static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end); }
    static Range of(uint64_t word) {
      return {static_cast<int64_t>(word >> 32), static_cast<int64_t>(word & UINT32_MAX)};
    }
  };
  struct alignas(64) Share {
    std::atomic<uint64_t> range{0};  // what nobody has taken yet
    int64_t items = 0;
  };

  void run(gradus_body body, const void* args, int64_t items);
  void stop();
  void work(int32_t worker);
  static Range take_half(Share& share, bool front);
  void take_items(int32_t worker);
  uint64_t wait_for_work(uint64_t seen);

  std::vector<Share> shares_;
  std::vector<std::thread> threads_;
  // One cache line: a worker that sees the new generation has the work too.
  alignas(64) std::atomic<uint64_t> generation_{0};
  gradus_body body_ = nullptr;
  const void* args_ = nullptr;
  alignas(64) std::atomic<int64_t> pending_{0};  // items of the launch that are not yet done
  std::atomic<bool> stop_{false};
  std::atomic<int32_t> parked_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace gradus::runtime
