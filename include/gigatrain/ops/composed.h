// Each fused op written in basic ops: the definition that tests compare with, in f64, and a
// fallback for a device without the fused kernel. Slow and simple; same arguments as ops.h.
#pragma once

#include "gigatrain/ops/ops.h"

namespace gigatrain::ops::composed {

Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);
Tensor silu(const Tensor& x);
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const LinearOptions& options = {});
Tensor gelu(const Tensor& x);
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                  float eps = 1e-5f);
ResidualNorm residual_norm(const Tensor& x, const Tensor& delta, const Tensor& weight,
                           const Tensor& bias = {}, float eps = 1e-5f,
                           const DropoutArgs& dropout = {});
Tensor rms_norm(const Tensor& x, const Tensor& weight, float eps = 1e-6f);
ResidualNorm residual_rms_norm(const Tensor& x, const Tensor& delta, const Tensor& weight,
                               float eps = 1e-6f, const DropoutArgs& dropout = {});
Tensor swiglu(const Tensor& gate, const Tensor& up);
Tensor swiglu(const Tensor& gate_up);
Tensor rope(const Tensor& x, const RopeOptions& options = {});
Tensor qk_norm_rope(Tensor qkv, std::int64_t heads, std::int64_t kv_heads,
                    const RopeOptions& options = {}, const Tensor& q_weight = {},
                    const Tensor& k_weight = {}, float eps = 1e-6f);
Tensor dropout(const Tensor& x, const DropoutArgs& args);
Tensor residual_dropout(const Tensor& residual, const Tensor& x, const DropoutArgs& args);
Tensor embedding(const Tensor& tokens, const Tensor& table, const Tensor& positions = {},
                 std::int64_t first_position = 0, const DropoutArgs& dropout = {});
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options = {});
Tensor attention_packed(const Tensor& qkv, std::int64_t heads, std::int64_t kv_heads,
                        const AttentionOptions& options = {});
Tensor mse_loss(const Tensor& x, const Tensor& target, double scale = 1.0);
Tensor huber_loss(const Tensor& x, const Tensor& target, double delta = 1.0, double scale = 1.0);
Tensor binary_cross_entropy(const Tensor& logits, const Tensor& target, double scale = 1.0,
                            double pos_weight = 1.0);
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, double scale = 1.0,
                     const CrossEntropyOptions& options = {});
Tensor linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& targets,
                            double scale = 1.0, const CrossEntropyOptions& options = {});
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv2dOptions& options = {});
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv1dOptions& options = {});
Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight,
                  const Tensor& bias = {}, float eps = 1e-5f);

}  // namespace gigatrain::ops::composed
