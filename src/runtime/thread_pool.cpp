// Workers wait by spinning briefly (the gap between two kernels of a step is microseconds), then
// sleep on an atomic.

#include "gigatrain/runtime/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gigatrain {

namespace {
constexpr int kSpins = 4000;  // some 50 microseconds

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}
}  // namespace

struct ThreadPool::State {
  // The tasks that a worker begins with: next to each other, and much the same ones in every kernel
  // over the same rows, so that it finds in its own cache what it wrote there. A cache line each.
  struct alignas(64) Part {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
  };
  std::atomic<std::uint32_t> generation{0};  // bumped to publish a job
  std::atomic<int> running{0};
  std::atomic<bool> stop{false};
  std::vector<Part> parts;  // one a worker
  const FunctionRef<void(std::int64_t, int)>* task = nullptr;
  std::mutex callers;  // one job at a time
  std::mutex error_mutex;
  std::exception_ptr error;
  int spins = kSpins;
  std::vector<std::thread> workers;

  // Its own part first, then what others have left.
  void drain(int worker) {
    const int count = static_cast<int>(parts.size());
    for (int i = 0; i < count; ++i)
      drain(parts[static_cast<std::size_t>((worker + i) % count)], worker);
  }
  void drain(Part& part, int worker) {
    for (;;) {
      const std::int64_t i = part.next.fetch_add(1, std::memory_order_relaxed);
      if (i >= part.end) return;
      try {
        (*task)(i, worker);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
      }
    }
  }

  void work(int worker) {
    std::uint32_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < spins && generation.load(std::memory_order_acquire) == seen; ++spin)
        pause();
      generation.wait(seen, std::memory_order_acquire);
      seen = generation.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_acquire)) return;
      drain(worker);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) running.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads, bool dry)
    : state_(std::make_unique<State>()), threads_(std::max(1, threads)), dry_(dry) {
  if (dry) return;
  state_->parts = std::vector<State::Part>(static_cast<std::size_t>(threads_));
  // More threads than cores: spinning would only take the core from the one that works.
  if (threads_ > static_cast<int>(std::thread::hardware_concurrency())) state_->spins = 1;
  for (int w = 1; w < threads_; ++w) state_->workers.emplace_back([this, w] { state_->work(w); });
}

ThreadPool::~ThreadPool() {
  state_->stop.store(true, std::memory_order_release);
  state_->generation.fetch_add(1, std::memory_order_acq_rel);
  state_->generation.notify_all();
  for (auto& worker : state_->workers) worker.join();
}

void ThreadPool::parallel_for(std::int64_t tasks, FunctionRef<void(std::int64_t, int)> task) {
  if (dry_) return;
  if (threads_ == 1 || tasks <= 1) {
    for (std::int64_t i = 0; i < tasks; ++i) task(i, 0);
    return;
  }
  State& s = *state_;
  const std::lock_guard turn(s.callers);
  s.task = &task;
  for (int w = 0; w < threads_; ++w) {
    State::Part& part = s.parts[static_cast<std::size_t>(w)];
    part.next.store(tasks * w / threads_, std::memory_order_relaxed);
    part.end = tasks * (w + 1) / threads_;
  }
  s.running.store(threads_ - 1, std::memory_order_relaxed);
  s.generation.fetch_add(1, std::memory_order_acq_rel);
  s.generation.notify_all();
  s.drain(0);
  for (int spin = 0; spin < s.spins && s.running.load(std::memory_order_acquire) != 0; ++spin)
    pause();
  for (int left = s.running.load(std::memory_order_acquire); left != 0;
       left = s.running.load(std::memory_order_acquire))
    s.running.wait(left, std::memory_order_acquire);
  if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
}

}  // namespace gigatrain
