// SwiGLU (Shazeer, arXiv:2002.05202): y = silu(gate) up, silu(x) = x sigmoid(x).
//
//   dgate = dy up sigmoid(gate) (1 + gate (1 - sigmoid(gate))),   dup = dy silu(gate)
//
// Views of equal shape, f32, bf16 or f16, the last dim contiguous. Their rows may have gaps, so
// that gate and up, or their gradients, may be the halves of one tensor (..., 2 F).
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct SwigluForward {
  static constexpr const char* kName = "swiglu_forward";
  TensorView gate, up, y;
};

struct SwigluBackward {
  static constexpr const char* kName = "swiglu_backward";
  TensorView gate, up, dy;
  TensorView dgate, dup;  // may be gate and up
};

GT_KERNEL(SwigluForward)
GT_KERNEL(SwigluBackward)

}  // namespace gigatrain::kernels
