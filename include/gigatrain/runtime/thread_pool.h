// The threads that run our CPU kernels. A kernel cuts its work into tasks as a function of the
// shapes only, never of the thread count; which thread runs a task never changes a result.
#pragma once

#include <cstdint>
#include <memory>

#include "gigatrain/runtime/function_ref.h"

namespace gigatrain {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // the caller is one of them
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  // Runs task(i, worker) for i in [0, tasks), worker in [0, threads()); returns when all are done.
  // The first exception a task throws is rethrown here. One caller at a time; not reentrant.
  void parallel_for(std::int64_t tasks, FunctionRef<void(std::int64_t, int)> task);

 private:
  struct State;
  std::unique_ptr<State> state_;
  int threads_;
};

}  // namespace gigatrain
