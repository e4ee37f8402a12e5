// A launch is one increment of `generation_`; a worker that saw it takes its range and writes the
// number back. Nothing else is shared, so a launch with hot workers costs two cache-line transfers.
#include "runtime/thread_pool.h"

#include <chrono>

namespace gradus::runtime {

namespace {

constexpr auto kSpinTime = std::chrono::microseconds(800);
constexpr int kSpinsBetweenClocks = 256;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int32_t workers) : shares_(static_cast<size_t>(workers < 1 ? 1 : workers)) {
  threads_.reserve(shares_.size());
  try {
    for (int32_t worker = 1; worker < this->workers(); ++worker) {
      threads_.emplace_back([this, worker] { work(worker); });
    }
  } catch (...) {
    // The system gives no more threads: those that run must end before the members they use do.
    stop();
    throw;
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
  body_ = body;
  args_ = args;
  items_ = items;
  uint64_t generation = generation_.fetch_add(1) + 1;
  if (parked_.load() > 0) {
    // Under the lock: a worker between its last look and its sleep is not missed.
    {
      std::lock_guard<std::mutex> lock(mutex_);
    }
    wake_.notify_all();
  }
  take_range(0);
  for (size_t worker = 1; worker < shares_.size(); ++worker) {
    int spins = 0;
    while (shares_[worker].finished.load(std::memory_order_acquire) != generation) {
      // Where threads outnumber processors the one waited for may need this one.
      if (++spins % kSpinsBetweenClocks == 0) std::this_thread::yield();
      pause();
    }
  }
}

void ThreadPool::take_range(int32_t worker) {
  int64_t count = workers();
  int64_t begin = items_ * worker / count, end = items_ * (worker + 1) / count;
  if (begin < end) {
    body_(args_, begin, end, worker);
    shares_[static_cast<size_t>(worker)].items += end - begin;
  }
}

void ThreadPool::work(int32_t worker) {
  uint64_t seen = 0;
  while (true) {
    seen = wait_for_work(seen);
    if (stop_.load()) return;
    take_range(worker);
    shares_[static_cast<size_t>(worker)].finished.store(seen, std::memory_order_release);
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
