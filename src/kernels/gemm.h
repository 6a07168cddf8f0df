// C = op(A) op(B), the matrix product, with an epilogue.
//
//   C (M, N)  f32, bf16, f16  A (M, K), or (K, M) when trans_a     B (K, N), or (N, K) when trans_b
//   v = [C[m,n] +] sum_k A[m,k] B[k,n]  (f32)  [+ bias[n]]  ->  [pre[m,n] = v; v = gelu(v)]  ->  C
//   or, with `onto`: (sum_k A[m,k] B[k,n]  (f32) + onto[0][m,n]) + onto[1][m,n] + ...  ->  C
//
// A and B have the same dtype: f32, bf16, f16 or f64 (f64: reference path, everything f64); a
// 16-bit C has it too, unless A and B are f32. On a CPU, B may be f32 beside a bf16 A: it is
// rounded as it is read, so no copy of f32 weights is needed. Rows may be strided (view.strides),
// columns must be unit-stride in one of the two dims. Order of arithmetic: each C[m,n] is one chain
// of fused multiply-adds in ascending k, cut into fixed blocks of kGemmK, the block sums added in
// ascending order (to C when accumulating). It depends on K only: not on M, N, the tile, the thread
// count or (f32) the class of vector code. The bf16 of a processor has an order of its own
// (cpu/gemm_micro.h, cpu/gemm_amx.h), as fixed.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

inline constexpr std::int64_t kGemmK = 512;  // length of a K block; part of the numerics

struct Gemm {
  static constexpr const char* kName = "gemm";
  TensorView a, b, c;  // 2-D, or 3-D with a leading batch dim (batch products)
  bool trans_a = false;
  bool trans_b = false;
  bool accumulate = false;  // C += ...; requires f32 (or f64) C, no gelu
  TensorView bias{};        // (N), f32, or none
  TensorView pre{};         // (M, N), dtype of C: pre-activation; given only with gelu in training
  bool gelu = false;        // tanh form
  // Contiguous (M, N) f32, as C then is, which may be one of them; no other epilogue, no batch.
  static constexpr int kMostOnto = 4;
  const float* onto[kMostOnto] = {};
  int onto_count = 0;
};

GT_KERNEL(Gemm)

}  // namespace gigatrain::kernels
