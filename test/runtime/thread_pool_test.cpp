// No item is lost or done twice, whatever the number of threads and items, parked or not.
#include "runtime/thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace gradus::runtime {
namespace {

struct Work {
  std::vector<int32_t> times;
  std::vector<int32_t> worker;

  explicit Work(size_t items) : times(items, 0), worker(items, -1) {}
  static void body(const void* args, int64_t begin, int64_t end, int32_t worker) {
    auto* work = static_cast<Work*>(const_cast<void*>(args));
    for (int64_t i = begin; i < end; ++i) {
      ++work->times[static_cast<size_t>(i)];
      work->worker[static_cast<size_t>(i)] = worker;
    }
  }
};

TEST(ThreadPool, DoesEveryItemOnceAtAnyNumberOfThreads) {
  for (int32_t workers : {1, 2, 3, 5}) {
    ThreadPool pool(workers);
    for (int64_t items : {0, 1, 2, 3, 4, 7, 64, 1000}) {
      Work work(static_cast<size_t>(items));
      ThreadPool::parallel_for(&pool, Work::body, &work, items);
      for (int32_t times : work.times)
        EXPECT_EQ(times, 1) << workers << " workers, " << items << " items";
      for (int32_t worker : work.worker) EXPECT_TRUE(worker >= 0 && worker < workers);
    }
  }
}

TEST(ThreadPool, LosesNothingInManyShortLaunches) {
  ThreadPool pool(3);
  Work work(9);
  constexpr int kLaunches = 3000;
  for (int i = 0; i < kLaunches; ++i) ThreadPool::parallel_for(&pool, Work::body, &work, 9);
  for (int32_t times : work.times) EXPECT_EQ(times, kLaunches);
  int64_t done = 0;
  for (int32_t worker = 0; worker < 3; ++worker) done += pool.items_done(worker);
  EXPECT_EQ(done, 9 * kLaunches);
}

/// Whoever is not the caller waits, in the middle of the first items that it takes, until all others
/// are done.
struct Obstacle {
  static constexpr int64_t kItems = 16;
  std::atomic<int64_t> done{0};
  std::atomic<bool> began{false}, freed{false};

  static void body(const void* args, int64_t begin, int64_t end, int32_t worker) {
    auto* self = static_cast<Obstacle*>(const_cast<void*>(args));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    auto wait = [&](auto&& condition) {
      while (!condition() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
      return condition();
    };
    if (worker == 0) {
      wait([&] { return self->began.load(); });
    } else {
      self->began = true;
      self->freed = wait([&] { return self->done == kItems - (end - begin); });
    }
    self->done += end - begin;
  }
};

TEST(ThreadPool, WorkersTakeWhatAnotherHasNotBegun) {
  ThreadPool pool(2);
  Obstacle obstacle;
  ThreadPool::parallel_for(&pool, Obstacle::body, &obstacle, Obstacle::kItems);
  EXPECT_EQ(obstacle.done, Obstacle::kItems);
  EXPECT_TRUE(obstacle.freed);
  EXPECT_LT(pool.items_done(1), Obstacle::kItems / 2);
}

TEST(ThreadPool, WakesParkedWorkers) {
  ThreadPool pool(2);
  Work work(2);
  for (int i = 0; i < 20; ++i) {
    // Longer than workers spin, or about as long: both sides of the edge.
    std::this_thread::sleep_for(std::chrono::microseconds(600 + 50 * i));
    ThreadPool::parallel_for(&pool, Work::body, &work, 2);
  }
  EXPECT_EQ(work.times[0], 20);
  EXPECT_EQ(work.times[1], 20);
}

TEST(ThreadPool, OneWorkerRunsInTheCaller) {
  ThreadPool pool(1);
  std::thread::id seen;
  ThreadPool::parallel_for(
      &pool,
      [](const void* args, int64_t, int64_t, int32_t) {
        *static_cast<std::thread::id*>(const_cast<void*>(args)) = std::this_thread::get_id();
      },
      &seen, 1);
  EXPECT_EQ(seen, std::this_thread::get_id());
}

TEST(ThreadPool, FewerThanOneWorkerIsOne) { EXPECT_EQ(ThreadPool(0).workers(), 1); }

/// No system has address space for many such stacks: after the first ones there are no threads.
TEST(ThreadPool, UsesAsManyThreadsAsTheSystemGives) {
  pthread_attr_t before, large;
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(pthread_attr_init(&large), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&large, size_t{1} << 46), 0);
  ASSERT_EQ(pthread_setattr_default_np(&large), 0);
  ThreadPool pool(8);
  ASSERT_EQ(pthread_setattr_default_np(&before), 0);
  EXPECT_LT(pool.workers(), 8);
  Work work(100);
  ThreadPool::parallel_for(&pool, Work::body, &work, 100);
  for (int32_t times : work.times) EXPECT_EQ(times, 1);
  for (int32_t worker : work.worker) EXPECT_TRUE(worker >= 0 && worker < pool.workers());
}

TEST(ThreadPool, EndsWhetherParkedOrNot) {
  for (int i = 0; i < 50; ++i) ThreadPool pool(4);
  ThreadPool pool(4);
  std::this_thread::sleep_for(std::chrono::milliseconds(3));
}

}  // namespace
}  // namespace gradus::runtime
