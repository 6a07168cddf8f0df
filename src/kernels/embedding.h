// Token and position embedding with dropout: out[b,t,:] = dropout(table[token] + positions[p0+t]).
//
// tokens (B, T) i32, all in [0, V): the op checks that where the host can read them; on a GPU any
// other gives a row of NaN, and no gradient. table (V, C), positions (P, C) or none, of the dtype
// of out (B, T, C), f32, bf16 or f16. On a CPU both may be f32 beside a bf16 out: their values are
// rounded to it before they are added.
#pragma once

#include "gigatrain/base/dropout_args.h"
#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct EmbeddingForward {
  static constexpr const char* kName = "embedding_forward";
  TensorView tokens, table;
  TensorView positions{};
  TensorView out;
  std::int64_t first_position = 0;
  DropoutArgs dropout{};
};

// dtable (V, C) f32, dpositions (P, C) f32: rows that no token names are zeroed (or left, when
// accumulating). Each row sums its tokens in ascending (b, t); a GPU sums more than 64 of them in
// segments of 64 first, then the segments in order. No atomics.
struct EmbeddingBackward {
  static constexpr const char* kName = "embedding_backward";
  TensorView tokens, dout;
  TensorView dtable{};
  TensorView dpositions{};
  bool accumulate_table = false;
  bool accumulate_positions = false;
  std::int64_t first_position = 0;
  DropoutArgs dropout{};
};

GT_KERNEL(EmbeddingForward)
GT_KERNEL(EmbeddingBackward)

}  // namespace gigatrain::kernels
