#include "gigatrain/nn/models/llama.h"

#include <algorithm>
#include <cmath>

#include "gigatrain/base/integers.h"
#include "gigatrain/nn/sequential.h"
#include "nn/models/causal_model.h"
#include "nn/models/llama_family.h"

namespace gigatrain::nn {

namespace {

float residual_std(const LlamaConfig& c) {
  return c.init_std / std::sqrt(2.0f * static_cast<float>(c.n_layer));
}

ops::RopeOptions rope_options(const LlamaConfig& c) {
  return {.theta = c.rope_theta, .scaling = c.rope_scaling};
}

class Attention : public Layer {
 public:
  Attention(const LlamaConfig& c, bool rotates)
      : heads_(c.n_head),
        kv_heads_(c.n_kv_head),
        rotates_(rotates),
        rope_(rope_options(c)),
        eps_(c.norm_eps) {
    const std::int64_t d = c.head_dim;
    qkv_proj =
        std::make_shared<PackedLinear>(PackedLinear::Options{.in = c.n_embd,
                                                             .parts = {{"q_proj", c.n_head * d},
                                                                       {"k_proj", c.n_kv_head * d},
                                                                       {"v_proj", c.n_kv_head * d}},
                                                             .bias = c.qkv_bias,
                                                             .init_std = c.init_std});
    o_proj = std::make_shared<Linear>(Linear::Options{
        .in = c.n_head * d, .out = c.n_embd, .bias = c.o_bias, .init_std = residual_std(c)});
    if (!c.qk_norm) return;
    q_norm_ = add_parameter("q_norm.weight", {d}, {.kind = Init::Kind::ones})->add_use();
    k_norm_ = add_parameter("k_norm.weight", {d}, {.kind = Init::Kind::ones})->add_use();
  }
  Tensor forward(const Tensor& x, BatchContext& context) override {
    Tensor qkv = qkv_proj(x, context);  // (B, T, (H + 2 Hkv) D)
    if (rotates_) qkv = rotate(std::move(qkv), context);
    return o_proj(attend(qkv, heads_, kv_heads_, path(), context), context);  // (B, T, C)
  }

 private:
  Tensor rotate(Tensor qkv, const BatchContext& context) const {
    ops::RopeOptions options = rope_;
    options.first_position = context.first_position;
    return ops::qk_norm_rope(std::move(qkv), heads_, kv_heads_, options,
                             q_norm_ ? q_norm_->tensor() : Tensor{},
                             k_norm_ ? k_norm_->tensor() : Tensor{}, eps_);
  }

  std::int64_t heads_, kv_heads_;
  bool rotates_;
  ops::RopeOptions rope_;
  float eps_;
  std::shared_ptr<ParameterUse> q_norm_, k_norm_;
  Child<Layer> qkv_proj{this, ""}, o_proj{this, "o_proj"};
};

// down(silu(gate(x)) * up(x))
class Mlp : public Layer {
 public:
  explicit Mlp(const LlamaConfig& c) {
    gate_up_proj = std::make_shared<PackedLinear>(
        PackedLinear::Options{.in = c.n_embd,
                              .parts = {{"gate_proj", c.n_inner}, {"up_proj", c.n_inner}},
                              .bias = c.mlp_bias,
                              .init_std = c.init_std});
    down_proj = std::make_shared<Linear>(Linear::Options{
        .in = c.n_inner, .out = c.n_embd, .bias = c.mlp_bias, .init_std = residual_std(c)});
  }
  Tensor forward(const Tensor& x, BatchContext& context) override {
    return down_proj(ops::swiglu(gate_up_proj(x, context)), context);
  }

 private:
  Child<Layer> gate_up_proj{this, ""}, down_proj{this, "down_proj"};
};

// x -> x + self_attn(norm(x)) -> ... + mlp(norm(...))
class Block : public Layer {
 public:
  Block(const LlamaConfig& c, bool rotates) {
    input_layernorm = std::make_shared<RmsNorm>(c.n_embd, c.norm_eps);
    self_attn = std::make_shared<Attention>(c, rotates);
    post_attention_layernorm = std::make_shared<RmsNorm>(c.n_embd, c.norm_eps);
    mlp = std::make_shared<Mlp>(c);
  }
  Tensor forward(const Tensor& x, BatchContext& context) override {
    const Tensor a = self_attn(input_layernorm(x, context), context);
    const auto [sum, y] = post_attention_layernorm->add_and_norm(x, a, {});
    return ops::residual_dropout(sum, mlp(y, context), {});
  }

 private:
  Child<Norm> input_layernorm{this, "input_layernorm"};
  Child<Layer> self_attn{this, "self_attn"};
  Child<Norm> post_attention_layernorm{this, "post_attention_layernorm"};
  Child<Layer> mlp{this, "mlp"};
};

class Decoder : public Layer {
 public:
  explicit Decoder(const LlamaConfig& c) {
    embed_tokens = std::make_shared<Embedding>(c.vocab_size, c.n_embd, c.init_std);
    auto blocks = std::make_shared<Sequential>();
    for (std::int64_t i = 0; i < c.n_layer; ++i) {
      const auto& still = c.no_rope_layers;
      blocks->append(
          std::make_shared<Block>(c, !std::binary_search(still.begin(), still.end(), i)));
    }
    layers = std::move(blocks);
    norm = std::make_shared<RmsNorm>(c.n_embd, c.norm_eps);
  }
  Tensor forward(const Tensor& tokens, BatchContext& context) override {
    return norm(layers(embed_tokens(tokens, context), context), context);  // (B, T, C)
  }
  const std::shared_ptr<Parameter>& token_table() const { return embed_tokens->weight(); }

 private:
  Child<Embedding> embed_tokens{this, "embed_tokens"};
  Child<Layer> layers{this, "layers"};
  Child<Norm> norm{this, "norm"};
};

std::int64_t head_channels(const LlamaConfig& c) {
  return c.n_head * c.head_dim;
}
std::int64_t qkv_channels(const LlamaConfig& c) {
  return (c.n_head + 2 * c.n_kv_head) * c.head_dim;
}

class Llama : public CausalModel {
 public:
  explicit Llama(const LlamaConfig& c) : Llama(c, std::make_shared<Decoder>(c)) {}

  std::int64_t vocab_size() const override { return config_.vocab_size; }
  std::int64_t max_positions() const override { return config_.n_positions; }
  std::string hf_config() const override { return hf_llama_config(config_); }

  double flops_per_token(std::int64_t t) const override {
    const auto& c = config_;
    const double heads = static_cast<double>(head_channels(c)), n = static_cast<double>(c.n_embd);
    const double block =
        n * (static_cast<double>(qkv_channels(c)) + heads + 3.0 * static_cast<double>(c.n_inner));
    const double weights =
        static_cast<double>(c.n_layer) * block + static_cast<double>(c.vocab_size) * n;
    return 6.0 * weights + 6.0 * static_cast<double>(c.n_layer * t) * heads;
  }

 private:
  Llama(const LlamaConfig& c, const std::shared_ptr<Decoder>& body)
      : CausalModel("model", body,
                    c.tie ? std::make_shared<Head>(body->token_table())
                          : std::make_shared<Head>(c.vocab_size, c.n_embd, c.init_std)),
        config_(c) {}

  LlamaConfig config_;
};

}  // namespace

std::int64_t parameter_count(const LlamaConfig& config) {
  const LlamaConfig c = resolve(config);
  const std::int64_t qkv = qkv_channels(c), heads = head_channels(c);
  const std::int64_t block = c.n_embd * (qkv + heads + 3 * c.n_inner) + 2 * c.n_embd +
                             (c.qk_norm ? 2 * c.head_dim : 0) + (c.qkv_bias ? qkv : 0) +
                             (c.o_bias ? c.n_embd : 0) +
                             (c.mlp_bias ? 2 * c.n_inner + c.n_embd : 0);
  return c.vocab_size * c.n_embd * (c.tie ? 1 : 2) + c.n_layer * block + c.n_embd;
}

std::shared_ptr<LanguageModel> llama(const LlamaConfig& config) {
  return std::make_shared<Llama>(resolve(config));
}

}  // namespace gigatrain::nn
