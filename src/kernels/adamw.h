// AdamW (Loshchilov and Hutter, arXiv:1711.05101), one pass over many tensors.
//
//   g' = g * clip factor;  m = b1 m + (1-b1) g';  v = b2 v + (1-b2) g'^2
//   w -= lr * (m * c1 / (sqrt(v * c2) + eps) + decay * w),   c1 = 1/(1-b1^t), c2 = 1/(1-b2^t)
//
// Step-varying scalars are read from memory, never passed by value, so that a captured launch can
// be replayed.
#pragma once

#include <cstdint>

#include "gigatrain/base/dtype.h"
#include "gigatrain/base/philox.h"
#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct AdamWScalars {
  float lr = 0;
  float correction1 = 1;   // c1
  float correction2 = 1;   // c2
  std::uint32_t step = 0;  // for stochastic rounding
};

struct AdamWTensor {
  float* weight = nullptr;  // f32 master; none: `compute` is the weight, rounded stochastically
  const float* grad = nullptr;
  float* exp_avg = nullptr;
  float* exp_avg_sq = nullptr;
  bf16* compute = nullptr;  // the weight rounded to bf16 is written here too, if given
  PhiloxKey rounding{};     // without a master: element i takes word i of (key, sample 0, step)
  std::int64_t numel = 0;
  float lr_scale = 1;
  float weight_decay = 0;
};

struct AdamW {
  static constexpr const char* kName = "adamw";
  const AdamWTensor* tensors = nullptr;  // an array of the host
  std::int64_t count = 0;
  const AdamWScalars* scalars = nullptr;  // in the device's memory
  const double* clip = nullptr;  // result of GlobalNorm, in the device's memory, or none; with a
                                 // factor that is NaN nothing is changed
  float beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f;
};

GT_KERNEL(AdamW)

}  // namespace gigatrain::kernels
