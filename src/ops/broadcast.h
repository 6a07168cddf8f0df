// Broadcasting as in numpy: sizes are aligned at the last dim and 1 repeats.
#pragma once

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::ops {

// Throws Error(invalid_argument) that names `op`, both shapes and the dim in which they differ.
Shape broadcast_shape(const char* op, const Shape& a, const Shape& b);
TensorView broadcast_to(const TensorView& x, const Shape& shape);
// Sums a broadcast gradient back to the shape it came from.
Tensor reduce_to(const Tensor& gradient, const Shape& shape);

}  // namespace gigatrain::ops
