// y = dropout(x) [+ residual]; the backward is the same kernel without the residual.
// x (rows, C) contiguous, f32, bf16 or f16. The mask is in dropout_args.h.
#pragma once

#include "gigatrain/base/dropout_args.h"
#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct Dropout {
  static constexpr const char* kName = "dropout";
  TensorView x, y;        // y may be x
  TensorView residual{};  // same shape, or none
  DropoutArgs dropout;
};

GT_KERNEL(Dropout)

}  // namespace gigatrain::kernels
