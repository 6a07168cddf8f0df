// Where the time of one step goes, by family of kernels: two clock reads a kernel on a CPU, two
// markers in the queue of another device. Done for a step now and then, it costs nothing.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gigatrain/runtime/device.h"

namespace gigatrain {

// "layer_norm_backward" belongs to "norm"; what is in no list to "elementwise".
const char* kernel_family(std::string_view kernel);

class KernelTimes final : KernelObserver {
 public:
  explicit KernelTimes(Device& device) : device_(device) {}
  ~KernelTimes();
  KernelTimes(const KernelTimes&) = delete;
  KernelTimes& operator=(const KernelTimes&) = delete;

  void start();
  // Milliseconds by family since start(). Empty without one, and when a trace watched instead.
  std::map<std::string, double> stop();

 private:
  struct Queued {
    const char* kernel;
    std::unique_ptr<Marker> begin, end;
  };
  void begin(const char* kernel) override;
  void end() override;

  Device& device_;
  bool on_ = false;
  const char* kernel_ = "";
  std::chrono::steady_clock::time_point begin_{};
  std::vector<Queued> queued_;  // of a device that is not the CPU
  std::map<std::string, double> ms_;
};

}  // namespace gigatrain
