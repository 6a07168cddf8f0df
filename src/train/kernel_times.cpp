#include "train/kernel_times.h"

#include <utility>

namespace gigatrain {

const char* kernel_family(std::string_view kernel) {
  static constexpr std::pair<std::string_view, const char*> kFamilies[] = {
      {"gemm", "matrix products"},
      {"im2col", "matrix products"},
      {"col2im", "matrix products"},
      {"attention", "attention"},
      {"softmax", "attention"},
      {"rope", "attention"},
      {"layer_norm", "norm"},
      {"group_norm", "norm"},
      {"gelu", "activation, dropout"},
      {"swiglu", "activation, dropout"},
      {"dropout", "activation, dropout"},
      {"cross_entropy", "loss"},
      {"pointwise_loss", "loss"},
      {"embedding", "embedding"},
      {"gather", "embedding"},
      {"scatter_add", "embedding"},
      {"global_norm", "optimizer"},
      {"adamw", "optimizer"},
      {"adafactor", "optimizer"},
      {"sgd", "optimizer"},
      {"lion", "optimizer"},
  };
  for (const auto& [prefix, family] : kFamilies)
    if (kernel.starts_with(prefix)) return family;
  return "elementwise";
}

// Waits for nothing: an error in the middle of a step may have brought us here.
KernelTimes::~KernelTimes() {
  if (on_) device_.stream().set_observer(nullptr);
}

void KernelTimes::start() {
  on_ = true;
  device_.stream().set_observer(this);
}

void KernelTimes::begin(const char* kernel) {
  if (!device_.is_cpu()) {
    queued_.push_back({kernel, device_.mark(), nullptr});
    return;
  }
  kernel_ = kernel;
  begin_ = std::chrono::steady_clock::now();
}

void KernelTimes::end() {
  if (!device_.is_cpu()) {
    queued_.back().end = device_.mark();
    return;
  }
  const auto time = std::chrono::steady_clock::now() - begin_;
  ms_[kernel_family(kernel_)] += std::chrono::duration<double, std::milli>(time).count();
}

std::map<std::string, double> KernelTimes::stop() {
  if (!on_) return {};
  on_ = false;
  device_.stream().set_observer(nullptr);
  if (!queued_.empty()) queued_.back().end->wait();
  for (const auto& q : std::exchange(queued_, {}))
    ms_[kernel_family(q.kernel)] += q.end->ms_since(*q.begin);
  return std::exchange(ms_, {});
}

}  // namespace gigatrain
