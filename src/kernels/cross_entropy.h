// Softmax cross-entropy on a chunk of logits, and its gradient in the same pass.
//
//   loss[n] = scale * (logsumexp(z[n,:]) - z[n, target[n]]),  0 where target[n] == ignore (-1)
//   dz[n,v] = scale * (softmax(z[n,:])[v] - [v == target[n]]), 0 where ignored
//
// logits (N, V) f32 or bf16 rows; dlogits has their dtype and may be the same memory; target (N)
// i32 in [0, V) or -1; loss (N) f32.
#pragma once

#include "gigatrain/base/tensor_view.h"

namespace gigatrain {
struct CpuQueue;
}

namespace gigatrain::kernels {

struct CrossEntropy {
  static constexpr const char* kName = "cross_entropy";
  TensorView logits, targets, loss;
  TensorView dlogits{};  // none: loss only
  float scale = 1.0f;
};

void run(CpuQueue& queue, const CrossEntropy& args);

}  // namespace gigatrain::kernels
