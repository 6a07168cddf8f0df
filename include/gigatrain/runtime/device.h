// One processor with its memory and its queue of work. Tensors remember their device, so nothing
// in the library is a global; thread ranks each have a device of their own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gigatrain/runtime/allocator.h"
#include "gigatrain/runtime/backend.h"
#include "gigatrain/runtime/cpu_features.h"
#include "gigatrain/runtime/stream.h"
#include "gigatrain/runtime/thread_pool.h"

namespace gigatrain {

struct CpuOptions {
  int threads = 0;  // 0: GIGATRAIN_NUM_THREADS, else every core of this process
  Isa isa = CpuFeatures::get().best;
  std::optional<Bf16Products> bf16{};  // none: GIGATRAIN_BF16, else the fastest here
  // Shapes only: memory is counted and never touched, kernels take their workspace and do nothing.
  bool dry = false;
};

struct CudaOptions {
  int ordinal = 0;
  bool tf32 = false;                // f32 products on tensor cores, operands rounded to 10 bits
  bool measure = false;             // choose product algorithms by timing, not by heuristic alone
  bool portable_attention = false;  // our own kernel instead of cuDNN's
};

class HostSpace;

class Device {
 public:
  explicit Device(const CpuOptions& options = {});
  // A device of another kind, with what it brings. `exact`: no caching of memory (tests).
  explicit Device(std::unique_ptr<Backend> backend, bool exact = false);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Loads the CUDA plugin. Throws Error(device) that says which part is missing and what to do.
  static std::unique_ptr<Device> cuda(const CudaOptions& options = {});

  DeviceFacts facts() const;  // kind "cpu", "cuda", "meta", ...
  bool is_cpu() const { return !backend_; }
  bool host_memory() const { return !backend_ && !pool_.dry(); }  // may the host touch a tensor?
  Backend* backend() { return backend_.get(); }
  // Names the arithmetic of a run: results of two devices with equal names are the same bits.
  std::string arithmetic(DType compute) const;

  Allocator& allocator() { return allocator_; }
  ThreadPool& pool() { return pool_; }
  Stream& stream() { return stream_; }

  // Ordered copies between host memory and this device's. After upload, `from` may be changed;
  // download returns when the bytes are there. A dry device gives zeros.
  void upload(void* to, const void* from, std::int64_t bytes);
  void download(void* to, const void* from, std::int64_t bytes);
  // Waits for everything submitted. Throws Error(device) naming what failed.
  void synchronize();
  std::unique_ptr<Marker> mark();
  // What is submitted from now on comes after the marker; the host goes on.
  void wait(const Marker& marker);
  std::unique_ptr<CopyQueue> make_copy_queue();

  // The CPU beside this device: itself, where the host may touch its memory.
  Device& host();

 private:
  CpuOptions options_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<MemorySource> dry_memory_;
  std::unique_ptr<HostSpace> host_space_;
  Allocator allocator_;
  ThreadPool pool_;
  Stream stream_;
  std::unique_ptr<Device> host_;
};

// "cpu", "cuda" (or Error(device)), or "auto": GIGATRAIN_DEVICE, else a GPU if one can be used,
// else the CPU. `local_ranks`: how many ranks share this machine, each with a device of its own: a
// CPU's threads are dealt to them evenly, unless GIGATRAIN_NUM_THREADS says how many each has.
std::unique_ptr<Device> open_device(std::string_view kind, const CudaOptions& options = {},
                                    int local_ranks = 1);
bool cuda_plugin_present();  // was the CUDA part built and installed?
// What the plugin was built for and which NVIDIA libraries it finds, needing neither driver nor
// GPU:
// {"GPU code", "sm_80, sm_90a, ..."}, {"cuBLASLt", "13.1.0, /usr/..."}; "" where one is
// missing.
std::vector<std::pair<std::string, std::string>> cuda_plugin_facts();

}  // namespace gigatrain
