// Each fused op written in basic ops: the definition that tests compare with, in f64, and a
// fallback for a device without the fused kernel. Slow and simple; same arguments as ops.h.
#pragma once

#include "gigatrain/ops/ops.h"

namespace gigatrain::ops::composed {

Tensor softmax(const Tensor& x);  // over the last dim
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
Tensor linear_cross_entropy(const Tensor& x, const Tensor& weight, const Tensor& targets,
                            double scale = 1.0);

}  // namespace gigatrain::ops::composed
