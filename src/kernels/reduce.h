// Sums, in a fixed order, and the state digest.
#pragma once

#include <cstdint>

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

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
// tensor; tree_sum adds the chunks' sums.
inline constexpr std::int64_t kScalarChunk = 4096;

constexpr std::int64_t scalar_chunks(std::int64_t numel) {
  return (numel + kScalarChunk - 1) / kScalarChunk;
}

// Global gradient norm (Pascanu et al., arXiv:1211.5063), and the factor that clips it, in two
// calls, so that ranks can share the first:
//   chunks = sums of squares of each tensor's scalar_chunks(numel) chunks, one tensor after the
//   other, in the device's memory
struct NormTensor {
  const float* data = nullptr;
  std::int64_t numel = 0;
};
struct SquareSums {
  static constexpr const char* kName = "square_sums";
  const NormTensor* tensors = nullptr;  // an array of the host
  std::int64_t count = 0;
  double* chunks = nullptr;
};

//   norm = sqrt of the tree over tensors of the tree over their chunks
//   norm /= loss_scale, a power of two: the tensors are that many times the gradients
//   result[0] = norm, result[1] = clip_factor(norm, max_norm) / loss_scale, f64, in the device's
//   memory
// The factor is NaN, which tells the optimizer to change nothing, when the norm or any of `guard`
// (the losses of the step) is not finite.
struct NormOfChunks {
  static constexpr const char* kName = "norm_of_chunks";
  const std::int64_t* chunks_of = nullptr;  // of each tensor, in name order: an array of the host
  std::int64_t count = 0;                   // tensors
  const double* chunks = nullptr;
  const std::int64_t* order = nullptr;  // chunk i of all is chunks[order[i]], in the device's
                                        // memory; none: chunks[i]
  const float* guard = nullptr;
  std::int64_t guard_count = 0;
  float max_norm = 0;  // 0: no clipping
  double loss_scale = 1;
  double* result = nullptr;
};

constexpr double clip_factor(double norm, float max_norm) {
  const double limit = static_cast<double>(max_norm);
  if (!(norm - norm == 0.0)) return __builtin_nan("");  // Inf or NaN
  if (max_norm <= 0.0f || !(norm > limit)) return 1.0;
  return static_cast<double>(static_cast<float>(limit / (norm + 1e-6)));
}

// Aligned binary tree over n partials, in place; returns the root (0 for n = 0).
double tree_sum(double* values, std::int64_t n);

// y = x[0] + x[1] + ... over the aligned binary tree, ((x[0] + x[1]) + (x[2] + x[3])) + ..., to
// which then[0], then[1], ... are added one after the other: the bits of Add, pair by pair, in one
// pass. Contiguous f32; y may be one of them.
struct TreeSum {
  static constexpr const char* kName = "tree_sum";
  static constexpr int kMost = 16, kMostThen = 8;
  const float* x[kMost] = {};
  int count = 1;  // a power of two, at most kMost
  float* y = nullptr;
  std::int64_t numel = 0;
  const float* then[kMostThen] = {};
  int then_count = 0;
};

// Digest of a contiguous tensor of any dtype: sum of digest_mix(first_index + i, bits of element i)
// modulo 2^61 - 1 (hash.h), into the device's memory.
struct Digest {
  static constexpr const char* kName = "digest";
  TensorView x;
  std::uint64_t first_index = 0;
  std::uint64_t* digest = nullptr;
};

GT_KERNEL(Sum)
GT_KERNEL(SquareSums)
GT_KERNEL(NormOfChunks)
GT_KERNEL(TreeSum)
GT_KERNEL(Digest)

}  // namespace gigatrain::kernels
