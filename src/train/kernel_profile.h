// Times every kernel that a device's queue is given, and adds the calls of each kernel up beside
// the least time that they could take.
#pragma once

#include <memory>
#include <vector>

#include "gigatrain/runtime/device.h"
#include "gigatrain/train/bench_step.h"
#include "gigatrain/train/machine_limit.h"

namespace gigatrain {

// Watches the device's queue until stop(), or until it goes.
class KernelProfile final : public KernelObserver {
 public:
  explicit KernelProfile(Device& device);
  ~KernelProfile() override;
  KernelProfile(const KernelProfile&) = delete;
  KernelProfile& operator=(const KernelProfile&) = delete;

  void stop();
  void begin(const char* kernel, FunctionRef<KernelCost()> cost) override;
  void end() override;
  // All calls so far, the kernel that took longest first. The device must be done with them.
  // Without a limit there is no least time.
  std::vector<KernelCalls> by_kernel(const MachineLimit& limit = {}) const;

 private:
  struct Call {
    const char* kernel;
    KernelCost cost;
    std::unique_ptr<Marker> before, after;
  };
  Device& device_;
  bool watching_ = true;
  std::vector<Call> calls_;
};

}  // namespace gigatrain
