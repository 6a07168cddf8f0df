// Elements picked by an index, the gradient of that, and the largest of each row. f32, bf16, f16 or
// f64; indices i32; all contiguous.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

// y[a,k,b] = x[a, index[a,k,b], b]; x (A, N, B), index and y (A, K, B). Indices are in [0, N): the
// op checks that where the host can read them; on a GPU any other gives NaN.
struct Gather {
  static constexpr const char* kName = "gather";
  TensorView x, index, y;
};

// dx[a, index[a,k,b], b] (+)= the sum over k, ascending, of dy[a,k,b]: its gradient. dy (A, K, B);
// dx (A, N, B) f32, or f64 for an f64 dy. An index out of range is left out. No atomics.
struct ScatterAdd {
  static constexpr const char* kName = "scatter_add";
  TensorView index, dy, dx;
  bool accumulate = false;
};

// values, indices (R, k), or no indices: the k <= C largest elements of each row of x (R, C),
// descending, with their columns. Equal ones, among which -0 and 0, by ascending column; NaN is
// above all numbers. Work grows with k C; k is meant to be small.
struct TopK {
  static constexpr const char* kName = "top_k";
  TensorView x, values;
  TensorView indices{};
};

GT_KERNEL(Gather)
GT_KERNEL(ScatterAdd)
GT_KERNEL(TopK)

}  // namespace gigatrain::kernels
