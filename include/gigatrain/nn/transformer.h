// The parts of a transformer for models of one's own: attention of a sequence to itself, and the
// pre-norm block around it (Vaswani et al., arXiv:1706.03762; Xiong et al., arXiv:2002.04745).
#pragma once

#include "gigatrain/nn/layers.h"

namespace gigatrain::nn {

// x (B, T, C) -> (B, T, C); children "qkv" and "proj".
class MultiHeadAttention : public Layer {
 public:
  struct Options {
    std::int64_t channels = 0, heads = 1;
    std::int64_t kv_heads = 0;  // 0: heads; fewer share keys and values
    bool causal = false;        // a position sees itself and earlier ones only
    bool bias = true;
    float init_std = 0.02f;
  };
  explicit MultiHeadAttention(const Options& options);
  Tensor forward(const Tensor& x, BatchContext& context) override;

 private:
  Options options_;
  Child<Layer> qkv_{this, "qkv"}, proj_{this, "proj"};
};

// x + attn(norm_1(x)), then + mlp(norm_2(...)), with dropout on what is added; x (B, T, C).
class TransformerBlock : public Layer {
 public:
  struct Options {
    MultiHeadAttention::Options attention{};
    std::int64_t inner = 0;  // of the MLP; 0: 4 channels
    float dropout = 0.0f;
  };
  explicit TransformerBlock(const Options& options);
  Tensor forward(const Tensor& x, BatchContext& context) override;

 private:
  float rate_;
  Child<Norm> norm_1_{this, "norm_1"};
  Child<Layer> attn_{this, "attn"};
  Child<Norm> norm_2_{this, "norm_2"};
  Child<Layer> mlp_{this, "mlp"};
};

}  // namespace gigatrain::nn
