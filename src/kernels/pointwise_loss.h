// A loss that is a sum over elements, and its gradient in the same pass:
//
//   loss = scale * sum of l(x[i], target[i]);   dx[i] = scale * dl/dx
//
//   mse    e^2, e = x - target
//   huber  c (|e| - c / 2), c = min(|e|, parameter)
//   bce    (1 - t) softplus(x) + parameter t softplus(-x); NaN for a target t outside [0, 1]
//
// x contiguous, f32, bf16 or f16; target and dx of its shape, contiguous; target f32 or x's dtype,
// dx x's dtype, and maybe x's memory; loss: one f32. Terms are f32; they are added in f64 over
// chunks of kScalarChunk (kernels/reduce.h), chunks by the aligned tree.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

enum class PointwiseTerm { mse, huber, bce };

struct PointwiseLoss {
  static constexpr const char* kName = "pointwise_loss";
  TensorView x, target, loss;
  TensorView dx{};  // none: loss only
  PointwiseTerm term = PointwiseTerm::mse;
  float parameter = 1.0f;  // delta of huber, weight of bce's positives
  double scale = 1.0;
};

GT_KERNEL(PointwiseLoss)

}  // namespace gigatrain::kernels
