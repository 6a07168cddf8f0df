// GELU, tanh form (Hendrycks and Gimpel, arXiv:1606.08415):
// gelu(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). Contiguous; f32, bf16, f16 or f64.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct GeluForward {
  static constexpr const char* kName = "gelu_forward";
  TensorView x, y;
};

struct GeluBackward {
  static constexpr const char* kName = "gelu_backward";
  TensorView x, dy, dx;  // dx may be dy
};

// dbias (C) f32 = sum over rows of dy (N, C): fixed blocks of rows, then over blocks.
struct BiasGradient {
  static constexpr const char* kName = "bias_gradient";
  TensorView dy, dbias;
  bool accumulate = false;
};

GT_KERNEL(GeluForward)
GT_KERNEL(GeluBackward)
GT_KERNEL(BiasGradient)

}  // namespace gigatrain::kernels
