// What the models of text share: a body that gives hidden states, and a head over the vocabulary.
#pragma once

#include <memory>
#include <string>

#include "gigatrain/nn/layers.h"
#include "gigatrain/nn/models/language_model.h"

namespace gigatrain::nn {

// The head's matrix: the token table in a second use, or its own (V, C).
class Head : public Layer {
 public:
  explicit Head(std::shared_ptr<Parameter> tied);
  Head(std::int64_t vocab, std::int64_t channels, float init_std);
  Tensor forward(const Tensor& x, BatchContext& context) override;
  Tensor loss(const Tensor& x, const Tensor& targets, double scale);

 private:
  std::shared_ptr<ParameterUse> use_;
};

class CausalModel : public LanguageModel {
 public:
  // body: tokens (B, T) -> hidden states (B, T, C); its name is the first part of the parameters'.
  CausalModel(std::string name, std::shared_ptr<Layer> body, std::shared_ptr<Head> head);

  Tensor forward(const Tensor& tokens, BatchContext& context) override;
  using LanguageModel::loss;
  Tensor loss(const Tensor& tokens, const Tensor& targets, double scale,
              BatchContext& context) override;
  Tensor next_token_logits(const Tensor& tokens, BatchContext& context) override;

 private:
  Tensor hidden(const Tensor& tokens, BatchContext& context);

  Child<Layer> body_;
  Child<Head> lm_head_;
};

// Causal attention of a packed qkv (B, T, (H + 2 Hkv) D): over itself, or, when the context has a
// cache, over all that `layer` has seen. Result (B, T, H D).
Tensor attend(const Tensor& qkv, std::int64_t heads, std::int64_t kv_heads,
              const std::string& layer, BatchContext& context);

// --- checks of a configuration; `key` as in [model]
void require_positive(const char* key, std::int64_t value);
void require_multiple(const char* a_key, std::int64_t a, const char* b_key, std::int64_t b);

}  // namespace gigatrain::nn
