// One processor with its memory and its queue of work. Tensors remember their device, so nothing
// in the library is a global; thread ranks each have a device of their own.
#pragma once

#include "gigatrain/runtime/allocator.h"
#include "gigatrain/runtime/cpu_features.h"
#include "gigatrain/runtime/stream.h"
#include "gigatrain/runtime/thread_pool.h"

namespace gigatrain {

struct CpuOptions {
  int threads = 0;  // 0: GIGATRAIN_NUM_THREADS, else every core of this process
  Isa isa = CpuFeatures::get().best;
  bool hardware_bf16 = CpuFeatures::get().avx512_bf16;
};

class Device {
 public:
  explicit Device(const CpuOptions& options = {});
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const char* kind() const { return "cpu"; }
  Allocator& allocator() { return allocator_; }
  ThreadPool& pool() { return pool_; }
  Stream& stream() { return stream_; }

 private:
  Allocator allocator_;
  ThreadPool pool_;
  Stream stream_;
};

}  // namespace gigatrain
