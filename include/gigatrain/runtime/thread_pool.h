// The threads that run our CPU kernels. A kernel cuts its work into tasks as a function of the
// shapes only, never of the thread count; which thread runs a task never changes a result.
#pragma once

#include <cstdint>
#include <memory>

#include "gigatrain/runtime/function_ref.h"

namespace gigatrain {

class ThreadPool {
 public:
  // The caller is one of them. A dry pool starts none and never runs a task (memory planning).
  explicit ThreadPool(int threads, bool dry = false);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }  // at least 1
  bool dry() const { return dry_; }

  // Runs task(i, worker) for i in [0, tasks), worker in [0, threads()); returns when all are done.
  // The first exception a task throws is rethrown here. Threads that call at once take
  // turns; a task must not call it.
  void parallel_for(std::int64_t tasks, FunctionRef<void(std::int64_t, int)> task);

 private:
  struct State;
  std::unique_ptr<State> state_;
  int threads_;
  bool dry_;
};

}  // namespace gigatrain
