// The last scalars of an Adafactor step, for the CPU and a GPU.
#pragma once

#include "kernels/adafactor.h"
#include "kernels/update_rules.h"

namespace gigatrain::kernels {

GT_RULE double root_mean(double sum, std::int64_t count) {
#if defined(__CUDACC__)
  return sqrt(sum / static_cast<double>(count));
#else
  return __builtin_sqrt(sum / static_cast<double>(count));
#endif
}

// From the sums of u^2 and w^2 over the tensor.
GT_RULE FactorRate factor_rate(const Adafactor& a, const AdafactorTensor& p, float lr,
                               double updates, double weights) {
  const double limit = static_cast<double>(a.threshold), least = static_cast<double>(a.eps2);
  const double rms = root_mean(updates, p.numel), size = root_mean(weights, p.numel);
  const double scale = !a.scale_parameter ? 1.0 : size > least ? size : least;
  return {.shrink = rms > limit ? static_cast<float>(limit / rms) : 1.0f,
          .minus_rate = -lr * p.lr_scale * static_cast<float>(scale)};
}

}  // namespace gigatrain::kernels
