// Where the time of one step goes, by wide families of kernels, for a run's metrics: two markers a
// kernel. Done for a step now and then, it costs nothing.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "train/kernel_profile.h"

namespace gigatrain {

// "layer_norm_backward" belongs to "norm"; what is in no list to "elementwise".
const char* kernel_family(std::string_view kernel);

class KernelTimes {
 public:
  explicit KernelTimes(Device& device) : device_(device) {}

  void start() { profile_.emplace(device_); }
  // Milliseconds by family since start(). Empty without one, and when a trace watched instead.
  std::map<std::string, double> stop();

 private:
  Device& device_;
  std::optional<KernelProfile> profile_;
};

}  // namespace gigatrain
