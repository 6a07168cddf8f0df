// An ordered queue of work on one device. `submit` is the only way a kernel is launched, so it is
// the one place for profiling, checks and tracing. The CPU's queue runs at once, in the caller.
#pragma once

#include <type_traits>

#include "gigatrain/runtime/allocator.h"
#include "gigatrain/runtime/cpu_features.h"
#include "gigatrain/runtime/thread_pool.h"

namespace gigatrain {

// What a CPU kernel gets besides its arguments.
struct CpuQueue {
  ThreadPool& pool;
  Allocator& scratch;  // for a kernel's own workspace (Purpose::workspace)
  Isa isa;             // the class of vector code to run
  bool hardware_bf16;  // use AVX512_BF16 products
};

// Called around every kernel when set: the seam for `bench step` and traces.
struct KernelObserver {
  virtual ~KernelObserver() = default;
  virtual void begin(const char* kernel) = 0;
  virtual void end() = 0;
};

class Stream {
 public:
  explicit Stream(CpuQueue queue) : queue_(queue) {}

  // `run(CpuQueue&, const Args&)` is found beside Args; a kernel nobody wrote is a link error.
  template <class Args>
  void submit(const Args& args) {
    if (observer_) {
      observer_->begin(Args::kName);
      run(queue_, args);
      observer_->end();
    } else {
      run(queue_, args);
    }
  }

  CpuQueue& cpu() { return queue_; }
  void set_observer(KernelObserver* observer) { observer_ = observer; }

 private:
  CpuQueue queue_;
  KernelObserver* observer_ = nullptr;
};

}  // namespace gigatrain
