// Sums, in a fixed order, and the state digest.
#pragma once

#include <cstdint>

#include "gigatrain/base/tensor_view.h"

namespace gigatrain {
struct CpuQueue;
}

namespace gigatrain::kernels {

// y = sum of x over the dims where y's size is 1 and x's is not (same number of dims). f32, bf16,
// f64; f32 and bf16 accumulate in f64 over fixed chunks, so the result is correctly rounded in
// practice and the order depends on the shape only.
struct Sum {
  static constexpr const char* kName = "sum";
  TensorView x, y;
  double scale = 1.0;  // 1 / count makes it a mean
};

// Scalars of the contract: f64 sums over chunks of kScalarChunk elements that restart at each
// tensor; `partials` (ceil(numel / kScalarChunk)) f64. tree_sum (below) adds them.
inline constexpr std::int64_t kScalarChunk = 4096;

struct SumOfSquares {
  static constexpr const char* kName = "sum_of_squares";
  TensorView x;  // contiguous f32
  double* partials = nullptr;
};

// Aligned binary tree over n partials, in place; returns the root (0 for n = 0).
double tree_sum(double* values, std::int64_t n);

// Digest of a contiguous tensor of any dtype: sum of digest_mix(first_index + i, bits of element i)
// modulo 2^61 - 1 (hash.h).
struct Digest {
  static constexpr const char* kName = "digest";
  TensorView x;
  std::uint64_t first_index = 0;
  std::uint64_t* digest = nullptr;
};

void run(CpuQueue& queue, const Sum& args);
void run(CpuQueue& queue, const SumOfSquares& args);
void run(CpuQueue& queue, const Digest& args);

}  // namespace gigatrain::kernels
