// Softmax over the last dim, and its logarithm; contiguous, f32, bf16 or f16, arithmetic in f32:
//   y = e^(x - highest) / sum of e^(x - highest), or x - highest - log of that sum
// A row whose highest is +inf, or that has a NaN or -inf only, is NaN where it is not defined.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct SoftmaxForward {
  static constexpr const char* kName = "softmax_forward";
  TensorView x, y;
  bool log = false;
};

// dx = y (dy - sum of y dy), or, with log, dy - e^y sum of dy. dx may be dy.
struct SoftmaxBackward {
  static constexpr const char* kName = "softmax_backward";
  TensorView y, dy, dx;
  bool log = false;
};

GT_KERNEL(SoftmaxForward)
GT_KERNEL(SoftmaxBackward)

}  // namespace gigatrain::kernels
