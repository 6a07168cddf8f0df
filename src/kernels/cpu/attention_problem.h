// Checked attention arguments in plain numbers, for the kernels of every device.
#pragma once

#include "kernels/attention.h"

namespace gigatrain::kernels {

// A (B, T, H, D) view with unit stride in D; steps in elements.
struct Heads {
  void* data = nullptr;
  std::int64_t b_step = 0, t_step = 0, h_step = 0;
};

struct AttentionProblem {
  std::int64_t b = 0, h = 0, h_kv = 0, tq = 0, tk = 0, d = 0;
  DType dtype = DType::f32;
  float scale = 1.0f;
  bool causal = true;
  Heads q, k, v, out, dout, dq, dk, dv;
  float* lse = nullptr;  // or null; of (b, h, t) at (b H + h) lse_h_step + t lse_t_step
  std::int64_t lse_h_step = 0, lse_t_step = 1;
  const std::int64_t* offsets = nullptr;  // in the host's memory; null: one length for all
  std::int64_t sequences = 1;             // of `offsets`
  const void* mask = nullptr;
  DType mask_dtype = DType::u8;
  std::int64_t mask_b = 0, mask_h = 0, mask_q = 0, mask_k = 0;  // its steps
  const std::int32_t* segments = nullptr;                       // of (b, t) at b Tk + t

  bool masked() const { return mask || segments; }
};

// At and below this a bias hides its key: the running maximum of a softmax starts here. It is
// finite, so that a difference of maxima is never inf - inf.
inline constexpr float kLowestScore = -3.0e38f;

// Throw Error(invalid_argument) naming the shapes when a rule of kernels/attention.h is broken.
AttentionProblem check_attention(const AttentionForward& args);
AttentionProblem check_attention(const AttentionBackward& args);

// Sequence i < sequences of a problem as a problem of its own; without offsets, the whole as it is.
AttentionProblem sequence_of(const AttentionProblem& p, std::int64_t i);

}  // namespace gigatrain::kernels
