// A device whose kernels are the GPU's portable ones, run by the host SIMT machine: for tests.
// Memory is the host's, in blocks of exact size. Matrix products have no portable kernel: the CPU's
// stand in.
#pragma once

#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "gigatrain/runtime/device.h"
#include "gigatrain/runtime/storage.h"
#include "kernels/simt/machine.h"
#include "runtime/instant_queue.h"

namespace gigatrain {

class SimtQueue : public Backend {
 public:
  explicit SimtQueue(simt::Order order = simt::Order::ascending);

  const kernels::Table& kernels() const override;
  DeviceFacts facts() const override { return {.kind = "simt", .model = "host SIMT machine"}; }
  void* allocate(std::int64_t bytes) override;
  void release(void* data) override { std::free(data); }
  void upload(void* to, const void* from, std::int64_t bytes) override {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
  }
  void download(void* to, const void* from, std::int64_t bytes) override {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
  }
  void synchronize() override {}
  std::unique_ptr<Marker> mark() override { return std::make_unique<InstantMarker>(); }
  void wait(const Marker&) override {}
  std::unique_ptr<CopyQueue> make_copy_queue() override {
    return std::make_unique<InstantCopies>();
  }

  void current(const char* kernel) {
    name_ = kernel;
    seen.insert(kernel);
  }
  template <class Kernel>
  void launch(const Kernel& kernel, Grid grid) {
    enqueue([this, kernel, grid, name = name_] { machine.launch(kernel, grid, name); });
  }
  // In the order of the calls: at once, or later in a queue that tests derive from this one.
  virtual void enqueue(std::function<void()> work) { work(); }
  Storage scratch(std::int64_t bytes, const char* what) {
    return Storage(*scratch_allocator, bytes, {Purpose::workspace, what});
  }
  CpuQueue& cpu() { return cpu_.stream().cpu(); }

  simt::Machine machine;
  std::set<std::string> seen;  // names of the kernels that ran

 private:
  const char* name_ = "";
  Device cpu_{{.threads = 1}};
};

// A Device that owns a SimtQueue.
std::unique_ptr<Device> simt_device(simt::Order order = simt::Order::ascending);

}  // namespace gigatrain
