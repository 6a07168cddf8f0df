// A window of rows (along the first dim) on a contiguous tensor, off the tape.
#pragma once

#include "gigatrain/tensor/tensor.h"

namespace gigatrain {

inline Tensor rows_of(const Tensor& x, std::int64_t first, std::int64_t count) {
  Shape shape = x.shape();
  const std::int64_t row = shape[0] ? x.numel() / shape[0] : 0;
  shape[0] = count;
  return x.alias(TensorView(static_cast<char*>(x.view().data) + first * row * size_of(x.dtype()),
                            x.dtype(), shape));
}

}  // namespace gigatrain
