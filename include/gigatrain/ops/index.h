// Maxima, and elements picked by an index (f32, bf16, f16, f64; indices i32). An index out of range
// throws Error(data) where the host can read it; on a GPU it gives NaN and takes no gradient. All
// gradients are summed in a fixed order.
#pragma once

#include <vector>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::ops {

// The largest over the given dims, or over all, which stay with size 1 as in sum. Elements that
// share the maximum share its gradient evenly (as torch.amax). NaN if any is.
Tensor max(const Tensor& x, const std::vector<int>& dims = {});

// The k largest of the last dim, descending, and where they are: x (..., C), both (..., k). Of
// equal ones the first comes first; NaN is above all numbers. Meant for small k: work grows with k
// C.
struct TopK {
  Tensor values, indices;
};
TopK top_k(const Tensor& x, std::int64_t k);
// Where the largest of the last dim is, the first of equal ones: x (..., C), result (...) i32.
Tensor argmax(const Tensor& x);

// y[.., k, ..] = x[.., index[.., k, ..], ..] along `dim`; index has x's shape but for that dim, y
// the shape of index. (torch.gather)
Tensor gather(const Tensor& x, int dim, const Tensor& index);
// Rows of x (V, ...): index of any shape (...); result index.shape + x.shape[1:].
Tensor take(const Tensor& x, const Tensor& index);
// (..., classes) of `dtype`: 1 where the class is index (...), else 0. An index outside [0,
// classes) gives zeros only.
Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype = DType::f32);

}  // namespace gigatrain::ops
