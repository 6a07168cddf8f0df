// A checked matrix product in plain numbers, for the driver in gemm.isa.cpp.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/gemm.h"

namespace gigatrain::kernels {

// One side of a product: vectors along k (the rows of A, the columns of B).
struct Operand {
  const void* data = nullptr;
  std::int64_t i_step = 0, k_step = 0;  // in elements; one of them is 1
};

struct GemmProblem {
  std::int64_t batch = 1, m = 0, n = 0, k = 0;
  DType in = DType::f32, out = DType::f32;
  bool round_b = false;                   // B is f32, and rounded to `in`
  Operand a, b;                           // of the first batch
  std::int64_t a_batch = 0, b_batch = 0;  // elements from batch to batch
  std::int64_t c_batch = 0, c_row = 0;    // the same, and from row to row
  std::int64_t pre_batch = 0, pre_row = 0;
};

// Throws Error(invalid_argument) naming both shapes when the product's rules are broken.
// may_round_b: kernels here take an f32 B beside a bf16 A.
GemmProblem check_gemm(const Gemm& args, bool may_round_b = false);

}  // namespace gigatrain::kernels
