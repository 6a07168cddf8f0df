#include "train/kernel_profile.h"

#include <algorithm>
#include <map>
#include <string>

namespace gigatrain {

KernelProfile::KernelProfile(Device& device) : device_(device) {
  device_.stream().set_observer(this);
}

KernelProfile::~KernelProfile() {
  stop();
}

void KernelProfile::stop() {
  if (watching_) device_.stream().set_observer(nullptr);
  watching_ = false;
}

void KernelProfile::begin(const char* kernel, FunctionRef<KernelCost()> cost) {
  calls_.push_back({.kernel = kernel, .cost = cost(), .before = nullptr, .after = nullptr});
  calls_.back().before = device_.mark();
}

void KernelProfile::end() {
  calls_.back().after = device_.mark();
}

std::vector<KernelCalls> KernelProfile::by_kernel(const MachineLimit& limit) const {
  std::map<std::string, KernelCalls> by_name;
  std::map<std::string, double> longest;
  for (const Call& call : calls_) {
    KernelCalls& k = by_name[call.kernel];
    const Floor floor = floor_of(call.cost, limit);
    k.ms += call.after->ms_since(*call.before);
    k.least_ms += 1e3 * floor.seconds;
    k.bytes += static_cast<double>(call.cost.least());
    k.flops += call.cost.flops;
    ++k.calls;
    if (floor.seconds > longest[call.kernel])
      longest[call.kernel] = floor.seconds, k.bound = floor.bound;
  }
  std::vector<KernelCalls> all;
  for (auto& [name, calls] : by_name) {
    calls.name = name;
    all.push_back(std::move(calls));
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.ms > b.ms; });
  return all;
}

}  // namespace gigatrain
