// A launch gives each worker a range of its own, one after the other, and raises `generation_`. A
// worker takes half of what is left at the front of its range, and so on; one that has nothing left
// takes from the back of the others' ranges. So workers keep to their part of the data, and one that
// is late, or whose processor is taken by another program, holds nobody up but with what it has begun.
//
// A range is one word, and who changes it owns what he took out, in whatever launch that happens: a
// worker that looks at a range of an old launch either finds it empty or changed, or takes a part of
// the new one. The launch cannot end before what was taken is reported done, so `body_` and `args_`
// hold still from then on.
#include "runtime/thread_pool.h"

#include <chrono>
#include <system_error>

namespace gradus::runtime {

namespace {

constexpr auto kSpinTime = std::chrono::microseconds(800);
constexpr int kSpinsBetweenClocks = 256;
constexpr int64_t kMostItems = UINT32_MAX;  // a range has 32 bits for each of its ends

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int32_t workers) : shares_(static_cast<size_t>(workers < 1 ? 1 : workers)) {
  threads_.reserve(shares_.size());
  try {
    for (int32_t worker = 1; worker < workers; ++worker) {
      threads_.emplace_back([this, worker] { work(worker); });
    }
  } catch (const std::system_error&) {
    // The system gives no more threads. Those that there are wait for the first launch, which sees
    // how many they are.
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::parallel_for(void* pool, gradus_body body, const void* args, int64_t items) {
  static_cast<ThreadPool*>(pool)->run(body, args, items);
}

void ThreadPool::run(gradus_body body, const void* args, int64_t items) {
  if (items <= 0) return;
  if (items > kMostItems) return body(args, 0, items, 0);
  body_ = body;
  args_ = args;
  pending_.store(items, std::memory_order_relaxed);
  const int64_t count = workers();
  for (int64_t worker = 0; worker < count; ++worker) {
    const Range range{items * worker / count, items * (worker + 1) / count};
    shares_[static_cast<size_t>(worker)].range.store(range.word(), std::memory_order_release);
  }
  generation_.fetch_add(1);
  if (parked_.load() > 0) {
    // Under the lock: a worker between its last look and its sleep is not missed.
    {
      std::lock_guard<std::mutex> lock(mutex_);
    }
    wake_.notify_all();
  }
  take_items(0);
  for (int spins = 1; pending_.load(std::memory_order_acquire) != 0; ++spins) {
    // Where threads outnumber processors the one waited for may need this one.
    if (spins % kSpinsBetweenClocks == 0) std::this_thread::yield();
    pause();
  }
}

/// Half of what is left: from the front for the worker whose range it is, from the back for others.
ThreadPool::Range ThreadPool::take_half(Share& share, bool front) {
  uint64_t word = share.range.load(std::memory_order_acquire);
  while (true) {
    const Range rest = Range::of(word);
    const int64_t left = rest.end - rest.begin;
    if (left == 0) return rest;
    const int64_t cut = front ? rest.begin + (left + 1) / 2 : rest.end - (left + 1) / 2;
    const Range low{rest.begin, cut}, high{cut, rest.end};
    const uint64_t remains = (front ? high : low).word();
    if (share.range.compare_exchange_weak(word, remains, std::memory_order_acq_rel,
                                          std::memory_order_acquire)) {
      return front ? low : high;
    }
  }
}

void ThreadPool::take_items(int32_t worker) {
  const int32_t count = workers();
  int64_t done = 0;
  for (int32_t turn = 0; turn < count; ++turn) {
    Share& share = shares_[static_cast<size_t>((worker + turn) % count)];
    while (true) {
      const Range range = take_half(share, turn == 0);
      if (range.begin == range.end) break;
      body_(args_, range.begin, range.end, worker);
      done += range.end - range.begin;
    }
  }
  if (done == 0) return;
  shares_[static_cast<size_t>(worker)].items += done;
  pending_.fetch_sub(done, std::memory_order_release);
}

void ThreadPool::work(int32_t worker) {
  uint64_t seen = 0;
  while (true) {
    seen = wait_for_work(seen);
    if (stop_.load()) return;
    take_items(worker);
  }
}

uint64_t ThreadPool::wait_for_work(uint64_t seen) {
  auto deadline = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < kSpinsBetweenClocks; ++i) {
      uint64_t now = generation_.load(std::memory_order_acquire);
      if (now != seen) return now;
      pause();
    }
    // Where threads outnumber processors one that has work may wait for this processor.
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < deadline);
  std::unique_lock<std::mutex> lock(mutex_);
  parked_.fetch_add(1);
  wake_.wait(lock, [&] { return generation_.load() != seen; });
  parked_.fetch_sub(1);
  return generation_.load();
}

}  // namespace gradus::runtime
