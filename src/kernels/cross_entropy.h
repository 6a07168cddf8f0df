// Softmax cross-entropy on a chunk of logits, and its gradient in the same pass.
//
//   loss[n] = scale * (logsumexp(z[n,:]) - z[n, target[n]]),  0 where target[n] == ignore (-1)
//   dz[n,v] = scale * (softmax(z[n,:])[v] - [v == target[n]]), 0 where ignored
//
// With label smoothing e and a z-loss c, L = logsumexp(z[n,:]):
//   loss[n] = scale * (L - z[n, target[n]] + e mean_v(z[n, target[n]] - z[n,v]) + c L^2)
//   dz[n,v] = scale * (softmax(z[n,:])[v] (1 + 2 c L) - e / V - (1 - e) [v == target[n]])
//
// logits (N, V) f32, bf16 or f16; dlogits has their dtype and may be the same memory. A row's
// elements are side by side, and rows strides[0] >= V apart: padded to a multiple of 16 bytes, a
// GPU reads rows of an odd V in packs. What lies between the rows is left alone. target (N) i32 in
// [0, V) or -1; any other gives NaN, for the loss and for the whole row of dlogits; loss (N) f32.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct CrossEntropy {
  static constexpr const char* kName = "cross_entropy";
  TensorView logits, targets, loss;
  TensorView dlogits{};  // none: loss only
  float scale = 1.0f;
  float label_smoothing = 0.0f, z_loss = 0.0f;
};

GT_KERNEL(CrossEntropy)

}  // namespace gigatrain::kernels
