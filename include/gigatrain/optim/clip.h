// Global gradient norm and clipping (Pascanu et al., arXiv:1211.5063). The norm is a scalar of the
// numerics contract: f64 sums over fixed chunks that restart at each tensor, a tree over a tensor's
// chunks, then a tree over the tensors in name order.
#pragma once

#include <vector>

#include "gigatrain/tensor/parameter.h"

namespace gigatrain::optim {

// sqrt of the sum of squares of every parameter's `grad`; NaN or Inf if any element is.
double gradient_norm(const std::vector<Parameter*>& parameters);

// Factor that brings `norm` down to `max_norm`: 1 when it is within, or when max_norm is 0 (off).
float clip_factor(double norm, float max_norm);

}  // namespace gigatrain::optim
