// A GPU without the GPU: memory is counted and never touched, and a kernel's geometry takes its
// workspace and launches nothing. With it a whole training step runs on shapes alone.
#pragma once

#include <memory>

#include "gigatrain/runtime/device.h"
#include "gigatrain/runtime/storage.h"
#include "runtime/cuda/grid.h"
#include "runtime/dry_memory.h"
#include "runtime/held_blocks.h"
#include "runtime/instant_queue.h"

namespace gigatrain {

class DryQueue : public Backend {
 public:
  explicit DryQueue(const DeviceFacts& facts) : facts_(facts) {}

  const kernels::Table& kernels() const override;
  DeviceFacts facts() const override { return facts_; }
  void* allocate(std::int64_t bytes) override;
  void release(void*) override {}
  bool dry() const override { return true; }
  void upload(void*, const void*, std::int64_t) override {}
  void download(void* to, const void* from, std::int64_t bytes) override;
  void synchronize() override {}
  std::unique_ptr<Marker> mark() override;
  void wait(const Marker&) override {}
  std::unique_ptr<CopyQueue> make_copy_queue() override {
    return std::make_unique<InstantCopies>(/*dry=*/true);
  }

  // What a driver would have given for all blocks so far: large ones in pages of 2 MiB, the others
  // packed into such pages.
  std::int64_t pages_taken() const;

  // A GPU's; the SIMT machine of the tests, which may be planned for too, has none.
  bool has_libraries() const { return facts_.kind == "cuda"; }

  void current(const char*) {}
  template <class Kernel>
  void launch(const Kernel&, Grid) {}
  Storage scratch(std::int64_t bytes, const char* what) {
    return Storage(*scratch_allocator, bytes, {Purpose::workspace, what});
  }
  void* hold(std::int64_t bytes, const char* what) {
    return held_.hold(*scratch_allocator, bytes, what);
  }

 private:
  DeviceFacts facts_;
  std::int64_t large_bytes_ = 0, small_bytes_ = 0;
  DryMemory memory_;
  HeldBlocks held_{*this};
};

// Plans for a GPU of this description (facts.memory bounds nothing here).
std::unique_ptr<Device> dry_cuda_device(const DeviceFacts& facts);

}  // namespace gigatrain
