// Layer normalisation (Ba et al., arXiv:1607.06450), alone or fused with the residual add before
// it:
//
//   s = x [+ dropout(delta)]        written to `sum` when delta is given
//   y = (s - mean) * rstd * weight [+ bias],   rstd = 1 / sqrt(var + eps)
//
// Not `centered`, it is RMS normalisation (Zhang and Sennrich, arXiv:1910.07467): mean is 0 and
// not stored, rstd = 1 / sqrt(mean(s^2) + eps).
//
// All activations (N, C) contiguous, f32, bf16 or f16, the same dtype; weight, bias (C) f32;
// mean, rstd (N) f32.
#pragma once

#include "gigatrain/base/dropout_args.h"
#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct LayerNormForward {
  static constexpr const char* kName = "layer_norm_forward";
  TensorView x;
  TensorView delta{};  // (N, C) or none
  TensorView weight;
  TensorView bias{};  // (C) or none
  TensorView sum{};   // (N, C), required with delta
  TensorView y;
  TensorView mean{};  // when centered
  TensorView rstd;
  float eps = 1e-5f;
  DropoutArgs dropout{};
  bool centered = true;
};

// dsum = [dresidual +] gradient through the norm; ddelta = dropout'(dsum), when given.
// dweight, dbias (C) f32: overwritten, or added to when accumulate. Their sum over rows goes in
// fixed blocks of rows, then over blocks in a fixed order.
struct LayerNormBackward {
  static constexpr const char* kName = "layer_norm_backward";
  TensorView s;  // the normalised tensor's input: x, or sum when fused
  TensorView weight;
  TensorView mean{};  // when centered
  TensorView rstd, dy;
  TensorView dresidual{};  // gradient that reaches `sum` directly, or none
  TensorView dsum;
  TensorView ddelta{};  // only with dropout (else it equals dsum)
  TensorView dweight{};
  TensorView dbias{};
  bool accumulate = false;
  DropoutArgs dropout{};
  bool centered = true;
};

GT_KERNEL(LayerNormForward)
GT_KERNEL(LayerNormBackward)

}  // namespace gigatrain::kernels
