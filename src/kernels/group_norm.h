// Group normalisation (Wu and He, arXiv:1803.08494): layer normalisation of each sample's G runs of
// C / G channels, with a weight and a bias for each channel:
//
//   y = (x - mean) * rstd * weight[c] [+ bias[c]],   rstd = 1 / sqrt(var + eps)
//
// Activations (N, C, P) contiguous, f32, bf16 or f16, the same dtype; weight, bias (C) f32; mean,
// rstd (N, G) f32.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct GroupNormForward {
  static constexpr const char* kName = "group_norm_forward";
  TensorView x, weight;
  TensorView bias{};  // or none
  TensorView y, mean, rstd;
  float eps = 1e-5f;
};

// dweight, dbias (C) f32, or none: overwritten. Each (n, c) is summed first, then over n in
// ascending order.
struct GroupNormBackward {
  static constexpr const char* kName = "group_norm_backward";
  TensorView x, weight, mean, rstd, dy, dx;  // dx may be dy
  TensorView dweight{}, dbias{};
};

GT_KERNEL(GroupNormForward)
GT_KERNEL(GroupNormBackward)

}  // namespace gigatrain::kernels
