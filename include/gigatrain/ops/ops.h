// The mathematics: free functions on tensors, each with a hand-written backward. A fused op's
// composed definition in basic ops, which is its oracle in tests, is in composed.h.
//
// Sizes: B batch, T positions, C channels, H heads, D channels a head, V vocabulary, N rows (B*T).
// Activations are f32, bf16, f16 (basic ops: f64 too). Bad shapes and dtypes throw
// Error(invalid_argument) with both sides printed.
#pragma once

#include <optional>
#include <vector>

#include "gigatrain/base/dropout_args.h"
#include "gigatrain/ops/conv.h"
#include "gigatrain/ops/elementwise.h"
#include "gigatrain/ops/index.h"
#include "gigatrain/ops/losses.h"
#include "gigatrain/ops/rope.h"
#include "gigatrain/tensor/tensor.h"

namespace gigatrain::ops {

// --- basic ops (f32, bf16, f16, f64); more in elementwise.h and index.h

// Over the given dims (negative counts from the end), or all of them; the dims stay with size 1
// unless all are reduced, which gives a scalar of shape ().
Tensor sum(const Tensor& x, const std::vector<int>& dims = {});
Tensor mean(const Tensor& x, const std::vector<int>& dims = {});

Tensor reshape(const Tensor& x, const Shape& shape);  // same memory when x is contiguous
Tensor slice(const Tensor& x, int dim, std::int64_t begin, std::int64_t end);  // a view
Tensor transpose(const Tensor& x, int dim0, int dim1);                         // a view
Tensor permute(const Tensor& x, const std::vector<int>& dims);  // a view: dim i is x's dims[i]
Tensor concat(const std::vector<Tensor>& tensors, int dim);     // equal sizes but along dim
Tensor contiguous(const Tensor& x);                             // x itself when it already is
Tensor cast(const Tensor& x, DType dtype);

// (M, K) x (K, N), or (B, M, K) x (B, K, N).
Tensor matmul(const Tensor& a, const Tensor& b);

// --- fused ops of a transformer

enum class WeightLayout {
  in_out,  // (C_in, C_out): GPT-2's Conv1D
  out_in,  // (C_out, C_in): everybody else's Linear
};

struct LinearOptions {
  WeightLayout layout = WeightLayout::out_in;
  bool gelu = false;  // y = gelu(x W + b), fused into the product
};

// y = x W [+ bias]; x (..., C_in), y (..., C_out), bias (C_out) f32 or undefined. W has the dtype
// of x, or on a CPU is f32 beside bf16: it is rounded as it is read.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const LinearOptions& options = {});

// e^x / sum of e^x over the last dim, and its logarithm. Any width; bf16 is computed in f32.
Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);

// tanh form (arXiv:1606.08415).
Tensor gelu(const Tensor& x);

// y = (x - mean) / sqrt(var + eps) * weight [+ bias] over the last dim; weight, bias (C) f32.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                  float eps = 1e-5f);

// sum = x + dropout(delta); y = layer_norm(sum). One pass over memory.
struct ResidualNorm {
  Tensor sum, y;
};
ResidualNorm residual_norm(const Tensor& x, const Tensor& delta, const Tensor& weight,
                           const Tensor& bias = {}, float eps = 1e-5f,
                           const DropoutArgs& dropout = {});

// y = x / sqrt(mean(x^2) + eps) * weight over the last dim (arXiv:1910.07467); weight (C) f32. And
// sum = x + dropout(delta), y = rms_norm(sum), in one pass over memory.
Tensor rms_norm(const Tensor& x, const Tensor& weight, float eps = 1e-6f);
ResidualNorm residual_rms_norm(const Tensor& x, const Tensor& delta, const Tensor& weight,
                               float eps = 1e-6f, const DropoutArgs& dropout = {});

// silu(gate) * up (arXiv:2002.05202), silu(x) = x sigmoid(x); gate, up (..., F). Or from both in
// one tensor (..., 2 F), gate first, as one product makes it, whose gradient is one tensor too.
Tensor swiglu(const Tensor& gate, const Tensor& up);
Tensor swiglu(const Tensor& gate_up);

// dropout(x), and dropout(x) + residual in one pass. The mask depends on the global position only
// (base/dropout_args.h).
Tensor dropout(const Tensor& x, const DropoutArgs& args);
Tensor residual_dropout(const Tensor& residual, const Tensor& x, const DropoutArgs& args);

// dropout(table[tokens] + positions[first_position + t]); tokens (B, T) i32 in [0, V); table (V,
// C); positions (P, C) or undefined; result (B, T, C), of the table's dtype, or on a CPU bf16 of
// f32 tables. Throws Error(data) on a token out of range.
Tensor embedding(const Tensor& tokens, const Tensor& table, const Tensor& positions = {},
                 std::int64_t first_position = 0, const DropoutArgs& dropout = {},
                 std::optional<DType> dtype = {});

// softmax(scale q k^T + mask) v. q (B, Tq, H, D); k, v (B, Tk, Hkv, D), H a multiple of Hkv; result
// (B, Tq, H, D). Full and cross attention are causal = false, with any Tq and Tk. causal: query t
// sees keys up to t + Tk - Tq, so that the last query sees the last key, and Tq > Tk is refused.
// A query that sees no key gives zeros and gets and makes zero gradients, never NaN.
//
// On a GPU, calls with a mask or segments run our own kernel, the others cuDNN's where it is there.
struct AttentionOptions {
  bool causal = true;
  std::optional<float> scale{};  // default 1 / sqrt(D)
  // Sequences of different lengths, one after the other: not empty, they cut the B T positions,
  // seen as one row, into sequences that attend to themselves only. They sum to B T; Tq is Tk.
  std::vector<std::int64_t> lengths{};
  // Broadcastable to (B, H, Tq, Tk). u8: 1 where a query attends to a key, 0 where not. f32, bf16:
  // added to the scaled scores; -inf hides a key; no gradient, one that requires it is refused.
  // Combined with causal and segments: a key must pass them all. Not with lengths.
  Tensor mask{};
  // (B, T) i32: position t attends to positions of its own id only. Packed documents whose borders
  // are data of the device (lengths are the host's). Tq is Tk; not with lengths.
  Tensor segments{};
};
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options = {});
// The same from one packed tensor (B, T, (H + 2 Hkv) D), as one product makes it; result (B, T, H
// D).
Tensor attention_packed(const Tensor& qkv, std::int64_t heads, std::int64_t kv_heads,
                        const AttentionOptions& options = {});

}  // namespace gigatrain::ops
