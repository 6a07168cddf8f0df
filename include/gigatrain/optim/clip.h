// Global gradient norm and clipping (Pascanu et al., arXiv:1211.5063). The norm is a scalar of the
// numerics contract: f64 sums over fixed chunks that restart at each tensor, a tree over a tensor's
// chunks, then a tree over the tensors in name order.
#pragma once

#include <vector>

#include "gigatrain/tensor/parameter.h"

namespace gigatrain::optim {

// {norm, factor}: a tensor f64 (2) in the device's memory, made without waiting for it. norm is the
// sqrt of the sum of squares of every parameter's `grad`; factor brings it down to max_norm: 1 when
// it is within, or when max_norm is 0 (off). When the norm is not finite, or any element of `guard`
// (f32; the step's losses) is not, the factor is NaN, and an optimizer that gets it changes
// nothing. `loss_scale`, a power of two: the gradients are those of so many times the loss; norm
// and clipping are of the loss itself, and factor divides it out.
Tensor clip_scale(const std::vector<Parameter*>& parameters, float max_norm,
                  const Tensor& guard = {}, double loss_scale = 1.0);

// The norm alone, on the host: waits for the device.
double gradient_norm(const std::vector<Parameter*>& parameters);

}  // namespace gigatrain::optim
