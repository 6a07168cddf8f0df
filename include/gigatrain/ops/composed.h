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
