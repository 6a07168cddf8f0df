#include "gigatrain/nn/transformer.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "gigatrain/nn/sequential.h"

namespace gigatrain::nn {

namespace {

MultiHeadAttention::Options resolve(MultiHeadAttention::Options o) {
  if (o.kv_heads == 0) o.kv_heads = o.heads;
  if (o.channels < 1 || o.heads < 1 || o.kv_heads < 1 || o.channels % o.heads ||
      o.heads % o.kv_heads)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("attention needs channels that heads divide and heads that kv_heads "
                            "divide, got {}, {} and {}",
                            o.channels, o.heads, o.kv_heads));
  return o;
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(const Options& options) : options_(resolve(options)) {
  const Options& o = options_;
  const std::int64_t width = (o.heads + 2 * o.kv_heads) * (o.channels / o.heads);
  const auto linear = [&](std::int64_t out) {
    return std::make_shared<Linear>(
        Linear::Options{.in = o.channels, .out = out, .bias = o.bias, .init_std = o.init_std});
  };
  qkv_ = linear(width);
  proj_ = linear(o.channels);
}

Tensor MultiHeadAttention::forward(const Tensor& x, BatchContext& context) {
  const Tensor qkv = qkv_(x, context);  // (B, T, (H + 2 Hkv) D)
  return proj_(
      ops::attention_packed(qkv, options_.heads, options_.kv_heads, {.causal = options_.causal}),
      context);
}

TransformerBlock::TransformerBlock(const Options& o) : rate_(o.dropout) {
  const auto& a = o.attention;
  const std::int64_t inner = o.inner > 0 ? o.inner : 4 * a.channels;
  norm_1_ = std::make_shared<LayerNorm>(a.channels);
  attn_ = std::make_shared<MultiHeadAttention>(a);
  norm_2_ = std::make_shared<LayerNorm>(a.channels);
  mlp_ = std::make_shared<Sequential>(std::vector<std::shared_ptr<Layer>>{
      std::make_shared<Linear>(
          Linear::Options{.in = a.channels, .out = inner, .gelu = true, .init_std = a.init_std}),
      std::make_shared<Linear>(
          Linear::Options{.in = inner, .out = a.channels, .init_std = a.init_std})});
}

Tensor TransformerBlock::forward(const Tensor& x, BatchContext& context) {
  const auto dropout = [&](const char* where) {
    DropoutArgs args = context.dropout(rate_, path() + where);
    args.rows_per_sample = x.shape()[1];
    return args;
  };
  const Tensor a = attn_(norm_1_(x, context), context);
  const auto [sum, y] = norm_2_->add_and_norm(x, a, dropout(".attn"));
  return ops::residual_dropout(sum, mlp_(y, context), dropout(".mlp"));
}

}  // namespace gigatrain::nn
