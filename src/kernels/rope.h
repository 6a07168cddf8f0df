// Rotary position embedding (Su et al., arXiv:2104.09864), alone or after an RMS norm of each query
// and key head (Qwen3):
//
//   v = x rstd weight, rstd = 1 / sqrt(mean(x^2) + eps)          or x, where there is no weight
//   (y_i, y_j) = scale (v_i cos a - v_j sin a, v_j cos a + v_i sin a),   a = position frequency_i
//
// for the pairs (i, j) of a head's first 2 `pairs` elements: (i, i + pairs), or (2 i, 2 i + 1) when
// interleaved. The others stay.
//
// Angles are exact at any position: a frequency is a 64-bit fraction of a turn per position, so
// that the wrapping product with the position is the angle, whole turns gone. Kernels compute sine
// and cosine from its upper 32 bits, once for all heads of a position. So there is no table, which
// at 1M positions would be half a gigabyte, nothing to upload, and no largest position.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

inline constexpr std::int64_t kMaxHeadDim = 512;  // of rope

struct RopeAngles {
  std::uint64_t turns[kMaxHeadDim / 2] = {};  // 2^-64 of a turn per position, a pair
  std::int64_t pairs = 0;
  float scale = 1.0f;  // of sines and cosines (YaRN's attention factor)
  bool interleaved = false;
  TensorView positions{};  // (B, T) i32 contiguous, or none: position t is first_position + t
  std::int64_t first_position = 0;
};

// x, y (B, T, heads, D) f32, bf16 or f16, D contiguous and at most kMaxHeadDim; y may be x. The
// first `q_heads` are normalised with q_weight, the next `k_heads` with k_weight, (D) f32 or none;
// both are rotated; the heads after them are copied.
struct RopeForward {
  static constexpr const char* kName = "rope_forward";
  TensorView x, y;
  std::int64_t q_heads = 0, k_heads = 0;
  TensorView q_weight{}, k_weight{};
  float eps = 1e-6f;
  RopeAngles angles;
};

// With weights x is needed, from which the norm's statistics are computed again. dq_weight,
// dk_weight (D) f32, beside their weights: summed over the positions of a fixed block and their
// heads, then over blocks in a fixed order; added to what is there when accumulate.
struct RopeBackward {
  static constexpr const char* kName = "rope_backward";
  TensorView x{};
  TensorView dy, dx;  // dx may be dy
  std::int64_t q_heads = 0, k_heads = 0;
  TensorView q_weight{}, k_weight{};
  float eps = 1e-6f;
  RopeAngles angles;
  TensorView dq_weight{}, dk_weight{};
  bool accumulate = false;
};

GT_KERNEL(RopeForward)
GT_KERNEL(RopeBackward)

}  // namespace gigatrain::kernels
