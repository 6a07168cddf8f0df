#include "train/kernel_profile.h"

#include <algorithm>
#include <map>
#include <string>

namespace gigatrain {

namespace {

// Of one call: whichever takes longer, its bytes or its products.
double least_ms(const KernelCost& cost, const MachineLimit& limit) {
  if (limit.copy_bytes <= 0 || limit.gemm_flops <= 0) return 0;
  return 1e3 * std::max(static_cast<double>(cost.least) / limit.copy_bytes,
                        cost.flops / limit.gemm_flops);
}

}  // namespace

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

std::vector<KernelFamily> KernelProfile::families(const MachineLimit& limit) const {
  std::map<std::string, KernelFamily> by_name;
  for (const Call& call : calls_) {
    KernelFamily& f = by_name[call.kernel];
    f.ms += call.after->ms_since(*call.before);
    f.least_ms += least_ms(call.cost, limit);
    f.bytes += static_cast<double>(call.cost.least);
    f.flops += call.cost.flops;
    ++f.calls;
  }
  std::vector<KernelFamily> all;
  for (auto& [name, family] : by_name) {
    family.name = name;
    all.push_back(std::move(family));
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.ms > b.ms; });
  return all;
}

}  // namespace gigatrain
