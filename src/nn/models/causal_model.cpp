#include "nn/models/causal_model.h"

#include <fmt/format.h>

#include <utility>

#include "gigatrain/base/error.h"
#include "nn/product_weight.h"

namespace gigatrain::nn {

Head::Head(std::shared_ptr<Parameter> tied) : use_(tied->add_use()) {
  share_parameter("weight", std::move(tied));
}

Head::Head(std::int64_t vocab, std::int64_t channels, float init_std)
    : use_(add_parameter("weight", {vocab, channels},
                         {.kind = Init::Kind::normal, .stddev = init_std})
               ->add_use()) {}

Tensor Head::forward(const Tensor& x, BatchContext& context) {
  return ops::linear(x, product_weight(*use_, context));
}

Tensor Head::loss(const Tensor& x, const Tensor& targets, double scale) {
  const LayerScope scope(path());
  return ops::linear_cross_entropy(x, use_->operand(), targets, scale);
}

CausalModel::CausalModel(std::string name, std::shared_ptr<Layer> body, std::shared_ptr<Head> head)
    : body_(this, std::move(name)), lm_head_(this, "lm_head") {
  body_ = std::move(body);
  lm_head_ = std::move(head);
  assign_names(*this);
}

Tensor CausalModel::hidden(const Tensor& tokens, BatchContext& context) {
  context.tokens_per_sample = tokens.shape()[1];
  return body_(tokens, context);
}

Tensor CausalModel::forward(const Tensor& tokens, BatchContext& context) {
  return lm_head_(hidden(tokens, context), context);
}

Tensor CausalModel::loss(const Tensor& tokens, const Tensor& targets, double scale,
                         BatchContext& context) {
  return lm_head_->loss(hidden(tokens, context), targets, scale);
}

Tensor CausalModel::next_token_logits(const Tensor& tokens, BatchContext& context) {
  if (context.cache) context.first_position = context.cache->length();
  const Tensor x = hidden(tokens, context);  // (B, T, C)
  const std::int64_t b = x.shape()[0], t = x.shape()[1], c = x.shape()[2];
  if (context.cache) context.cache->advance(t);
  const Tensor last = ops::reshape(ops::slice(x, 1, t - 1, t), {b, c});
  return lm_head_(last, context);  // (B, V)
}

Tensor attend(const Tensor& qkv, std::int64_t heads, std::int64_t kv_heads,
              const std::string& layer, BatchContext& context) {
  if (!context.cache) return ops::attention_packed(qkv, heads, kv_heads);
  const std::int64_t b = qkv.shape()[0], t = qkv.shape()[1], all = heads + 2 * kv_heads;
  const std::int64_t d = qkv.shape()[2] / all;
  const Tensor packed = ops::reshape(qkv, {b, t, all, d});
  const auto kv = context.cache->append(layer, ops::slice(packed, 2, heads, heads + kv_heads),
                                        ops::slice(packed, 2, heads + kv_heads, all));
  return ops::reshape(ops::attention(ops::slice(packed, 2, 0, heads), kv.k, kv.v),
                      {b, t, heads * d});
}

void require_positive(const char* key, std::int64_t value) {
  if (value < 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("model.{} must be at least 1, got {}", key, value));
}

void require_multiple(const char* a_key, std::int64_t a, const char* b_key, std::int64_t b) {
  if (a % b)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("model.{} must be a multiple of model.{}, got {} and {}", a_key, b_key, a, b));
}

}  // namespace gigatrain::nn
