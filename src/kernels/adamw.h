// AdamW (Loshchilov and Hutter, arXiv:1711.05101), one pass over many tensors.
//
//   g' = g * clip;  m = b1 m + (1-b1) g';  v = b2 v + (1-b2) g'^2
//   w -= lr * (m * c1 / (sqrt(v * c2) + eps) + decay * w),   c1 = 1/(1-b1^t), c2 = 1/(1-b2^t)
//
// Step-varying scalars are read from memory, never passed by value, so that a captured launch can
// be replayed.
#pragma once

#include <cstdint>

#include "gigatrain/base/tensor_view.h"

namespace gigatrain {
struct CpuQueue;
}

namespace gigatrain::kernels {

struct AdamWScalars {
  float lr = 0;
  float clip = 1;         // factor of global-norm clipping
  float correction1 = 1;  // c1
  float correction2 = 1;  // c2
};

struct AdamWTensor {
  float* weight = nullptr;
  const float* grad = nullptr;
  float* exp_avg = nullptr;
  float* exp_avg_sq = nullptr;
  std::int64_t numel = 0;
  float lr_scale = 1;
  float weight_decay = 0;
};

struct AdamW {
  static constexpr const char* kName = "adamw";
  const AdamWTensor* tensors = nullptr;
  std::int64_t count = 0;
  const AdamWScalars* scalars = nullptr;
  float beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f;
};

void run(CpuQueue& queue, const AdamW& args);

}  // namespace gigatrain::kernels
