// What the trainer and the generator need of a model of text.
#pragma once

#include "gigatrain/nn/model.h"

namespace gigatrain::nn {

class LanguageModel : public Model {
 public:
  // scale * sum of the cross-entropies of the targets (-1: ignored), a scalar f32.
  // tokens, targets (B, T) i32.
  virtual Tensor loss(const Tensor& tokens, const Tensor& targets, double scale,
                      BatchContext& context) = 0;
  // The fields "tokens" and "targets" of a batch.
  Tensor loss(const Batch& batch, double scale, BatchContext& context) override;
  Tensor predict(const Batch& batch, BatchContext& context) override;  // logits (B, T, V)
  void check_fields(std::span<const FieldSpec> fields) const override;
  std::vector<IdRange> id_ranges() const override;

  // Logits of the last position of each sequence, (B, V). Uses and fills context.cache when set.
  virtual Tensor next_token_logits(const Tensor& tokens, BatchContext& context) = 0;
  // forward(): logits of every position, (B, T, V).

  virtual std::int64_t vocab_size() const = 0;
  virtual std::int64_t max_positions() const = 0;
  // Hugging Face's config.json, so that other libraries open our folders.
  std::string hf_config() const override = 0;
  // Floating-point operations of one token's forward and backward at context length T, the usual
  // count: 6 a weight of a matrix product, and 6 T C a layer for causal attention.
  virtual double flops_per_token(std::int64_t t) const = 0;
};

}  // namespace gigatrain::nn
