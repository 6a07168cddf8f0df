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
      {"square_sums", "optimizer"},
      {"norm_of_chunks", "optimizer"},
      {"adamw", "optimizer"},
      {"adafactor", "optimizer"},
      {"sgd", "optimizer"},
      {"lion", "optimizer"},
  };
  for (const auto& [prefix, family] : kFamilies)
    if (kernel.starts_with(prefix)) return family;
  return "elementwise";
}

std::map<std::string, double> KernelTimes::stop() {
  std::map<std::string, double> ms;
  if (!profile_) return ms;
  profile_->stop();
  for (const KernelCalls& k : profile_->by_kernel()) ms[kernel_family(k.name)] += k.ms;
  profile_.reset();
  return ms;
}

}  // namespace gigatrain
