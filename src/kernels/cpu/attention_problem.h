// Checked attention arguments in plain numbers, for attention*.isa.cpp.
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
  float* lse = nullptr;  // (B, H, Tq) contiguous, or null
};

// Throw Error(invalid_argument) naming the shapes when a rule of kernels/attention.h is broken.
AttentionProblem check_attention(const AttentionForward& args);
AttentionProblem check_attention(const AttentionBackward& args);

}  // namespace gigatrain::kernels
