// Streaming scaled-dot-product attention (Dao et al., FlashAttention-2, arXiv:2307.08691):
// O = softmax(scale Q K^T + mask) V without ever holding the (Tq, Tk) matrix.
//
// Views are strided and 4-D: q, out (B, Tq, H, D); k, v (B, Tk, Hkv, D); H is a multiple of Hkv and
// query head h reads key head h / (H / Hkv). Unit stride in D. dtype f32, bf16 or f16, all one.
// causal: query t sees keys s <= t + (Tk - Tq), so a cache may hold earlier keys.
// lse (B, H, Tq) f32: log of the sum of exponentials, for the backward; +inf where a query sees no
// key: its `out` and its gradients are zeros.
// Order: keys in ascending fixed blocks; depends on (Tq, Tk, D) only.
//
// Sequences of different lengths lie one after the other in one row (cu_seqlens elsewhere): with
// `offsets`, an array in the host's memory that is read before the submit returns, B is 1, Tq is
// Tk, and sequence i is rows [offsets[i], offsets[i + 1]) of every view: it sees itself only. The
// `sequences` + 1 offsets ascend from 0 to Tq; a sequence may be empty. lse then is (Tq, H). Our
// own kernels give a sequence the bits that it has alone.
//
// mask (B, H, Tq, Tk), any strides, 0 repeats: u8, 0 hides a key from a query; f32 or bf16, added
// to the scaled score, -3e38 and below hide. segments (B, T) contiguous i32, Tq is Tk: a query sees
// the keys of its own id. Both and causal combine. Not with offsets. Blocks of keys whose ids and
// the queries' ids cannot meet are passed over, which changes no sum. Our own kernels serve them.
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct AttentionForward {
  static constexpr const char* kName = "attention_forward";
  TensorView q, k, v, out;
  TensorView lse{};  // may be empty when no backward follows
  float scale = 1.0f;
  bool causal = true;
  const std::int64_t* offsets = nullptr;
  std::int64_t sequences = 0;
  TensorView mask{}, segments{};
};

// Overwrites dq, dk, dv (shapes and strides free, like q, k, v).
struct AttentionBackward {
  static constexpr const char* kName = "attention_backward";
  TensorView q, k, v, out, lse, dout;
  TensorView dq, dk, dv;
  float scale = 1.0f;
  bool causal = true;
  const std::int64_t* offsets = nullptr;
  std::int64_t sequences = 0;
  TensorView mask{}, segments{};
};

GT_KERNEL(AttentionForward)
GT_KERNEL(AttentionBackward)

}  // namespace gigatrain::kernels
