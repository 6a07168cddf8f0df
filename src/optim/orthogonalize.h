// The nearest orthogonal matrices, by the Newton-Schulz steps of gigatrain/optim/muon.h.
#pragma once

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::optim {

// x (K, M, N) f32, rows contiguous: each of the K matrices becomes `scale` times its orthogonal
// factor, approximately. Products have operands of dtype `compute` (f32 or bf16) and sums in f32. A
// matrix of zeros stays one.
void orthogonalize(const Tensor& x, DType compute, float scale);

}  // namespace gigatrain::optim
