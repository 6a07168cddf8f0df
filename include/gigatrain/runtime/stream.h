// An ordered queue of work on one device. `submit` is the only way a kernel is launched, so it is
// the one place for profiling, checks and tracing. The CPU's queue runs at once, in the caller; a
// backend's queue runs later, in order.
#pragma once

#include <cstdint>
#include <variant>

#include "gigatrain/runtime/allocator.h"
#include "gigatrain/runtime/cpu_features.h"
#include "gigatrain/runtime/function_ref.h"
#include "gigatrain/runtime/thread_pool.h"

namespace gigatrain {

class Backend;

// What a CPU kernel gets besides its arguments.
struct CpuQueue {
  ThreadPool& pool;
  Allocator& scratch;  // for a kernel's own workspace (Purpose::workspace)
  Isa isa;             // the class of vector code to run
  Bf16Products bf16;   // how to multiply it
};

// What one call of a kernel must move and compute, from its arguments alone (kernels/cost.cpp).
struct KernelCost {
  // Least possible bytes: every element of an input read once, of an output written once.
  std::int64_t read = 0, written = 0;
  // Bytes that the GPU's portable kernel reads from memory again, since no cache keeps them. What
  // its workspace costs is not in here: it is written once and read once, whatever the kernel.
  std::int64_t again = 0;
  double flops = 0;   // of matrix products
  double exps = 0;    // exponentials
  double random = 0;  // 32-bit random words
  // How a CPU writes most of it: lines that it must read before, lines past the caches
  // (kernels/streamed.h), or lines that it has read anyway.
  enum class Stores { ordinary, streamed, in_place } stores = Stores::ordinary;
  bool library = false;  // cuBLASLt or cuDNN decides what is moved

  std::int64_t least() const { return read + written; }
};

// Called around every kernel when set: the seam for `bench step` and traces.
struct KernelObserver {
  virtual ~KernelObserver() = default;
  // `cost` computes the call's cost when it is called, before begin() returns.
  virtual void begin(const char* kernel, FunctionRef<KernelCost()> cost) = 0;
  virtual void end() = 0;
};

class Stream {
 public:
  explicit Stream(CpuQueue queue) : queue_(queue) {}
  explicit Stream(Backend& backend) : queue_(&backend) {}

  // `run(CpuQueue&, const Args&)`, `run(Backend&, const Args&)` and `cost_of(const Args&)` are
  // found beside Args (kernels/kernel.h); a kernel nobody wrote is a link error.
  template <class Args>
  void submit(const Args& args) {
    if (observer_) observer_->begin(Args::kName, [&] { return cost_of(args); });
    if (CpuQueue* cpu = std::get_if<CpuQueue>(&queue_))
      run(*cpu, args);
    else
      run(*std::get<Backend*>(queue_), args);
    if (observer_) observer_->end();
  }

  CpuQueue& cpu() { return std::get<CpuQueue>(queue_); }
  void set_observer(KernelObserver* observer) { observer_ = observer; }

 private:
  std::variant<CpuQueue, Backend*> queue_;
  KernelObserver* observer_ = nullptr;
};

}  // namespace gigatrain
