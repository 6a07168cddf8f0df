// Element by element (f32, bf16, f16, f64). Two or three operands broadcast as in numpy: sizes are
// aligned at the last dim and 1 repeats. NaN in, NaN out, but for comparisons.
#pragma once

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::ops {

Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
// Where a equals b, each gets half of the gradient.
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);

Tensor scale(const Tensor& x, double factor);
Tensor neg(const Tensor& x);
Tensor abs(const Tensor& x);  // its derivative at 0 is 0
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);  // 1 / sqrt(x)
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);  // 1 / (1 + e^-x)
Tensor relu(const Tensor& x);     // its derivative at 0 is 0
Tensor silu(const Tensor& x);     // x sigmoid(x), arXiv:1702.03118
// x^exponent. x may be negative when the exponent is an integer, else that gives NaN; 0^0 is 1. The
// exponent must be finite.
Tensor pow(const Tensor& x, double exponent);

// 1 where true, else 0 (also where either is NaN), as u8; no gradient. a and b may be i32 too.
Tensor equal(const Tensor& a, const Tensor& b);
Tensor greater(const Tensor& a, const Tensor& b);
Tensor less(const Tensor& a, const Tensor& b);
// mask ? a : b; mask u8, true when not 0. All three broadcast.
Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b);

}  // namespace gigatrain::ops
