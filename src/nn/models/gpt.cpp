#include "gigatrain/nn/models/gpt.h"

#include <fmt/format.h>

#include <cmath>

#include "gigatrain/nn/sequential.h"
#include "nn/models/causal_model.h"

namespace gigatrain::nn {

namespace {

float residual_std(const GptConfig& c) {
  return c.init_std / std::sqrt(2.0f * static_cast<float>(c.n_layer));
}

std::shared_ptr<Linear> conv1d(std::int64_t in, std::int64_t out, float std, bool gelu = false) {
  return std::make_shared<Linear>(Linear::Options{
      .in = in, .out = out, .layout = ops::WeightLayout::in_out, .gelu = gelu, .init_std = std});
}

class Attention : public Layer {
 public:
  explicit Attention(const GptConfig& c) : heads_(c.n_head), kv_heads_(c.n_kv_head) {
    const std::int64_t head_dim = c.n_embd / c.n_head;
    const std::int64_t q = c.n_head * head_dim, kv = c.n_kv_head * head_dim;
    const auto qkv = conv1d(c.n_embd, q + 2 * kv, c.init_std);
    qkv->parameters().front().second->set_parts(1, {q, kv, kv});
    c_attn = qkv;
    c_proj = conv1d(c.n_embd, c.n_embd, residual_std(c));
  }
  Tensor forward(const Tensor& x, BatchContext& context) override {
    const Tensor qkv = c_attn(x, context);  // (B, T, (H + 2 Hkv) D)
    const Tensor y = attend(qkv, heads_, kv_heads_, path(), context);
    return c_proj(y, context);  // (B, T, C)
  }

 private:
  std::int64_t heads_, kv_heads_;
  Child<Layer> c_attn{this, "c_attn"}, c_proj{this, "c_proj"};
};

class Mlp : public Layer {
 public:
  explicit Mlp(const GptConfig& c) {
    c_fc = conv1d(c.n_embd, c.n_inner, c.init_std, /*gelu=*/true);
    c_proj = conv1d(c.n_inner, c.n_embd, residual_std(c));
  }
  Tensor forward(const Tensor& x, BatchContext& context) override {
    return c_proj(c_fc(x, context), context);
  }

 private:
  Child<Layer> c_fc{this, "c_fc"}, c_proj{this, "c_proj"};
};

// x -> x + attn(ln_1(x)) -> ... + mlp(ln_2(...)), each with dropout on what is added.
class Block : public Layer {
 public:
  explicit Block(const GptConfig& c) : rate_(c.dropout) {
    ln_1 = std::make_shared<LayerNorm>(c.n_embd, c.layer_norm_eps);
    attn = std::make_shared<Attention>(c);
    ln_2 = std::make_shared<LayerNorm>(c.n_embd, c.layer_norm_eps);
    mlp = std::make_shared<Mlp>(c);
  }
  Tensor forward(const Tensor& x, BatchContext& context) override {
    const Tensor a = attn(ln_1(x, context), context);
    const auto [sum, y] = ln_2->add_and_norm(x, a, context.dropout(rate_, path() + ".attn"));
    const Tensor m = mlp(y, context);
    return ops::residual_dropout(sum, m, context.dropout(rate_, path() + ".mlp"));
  }

 private:
  float rate_;
  Child<Norm> ln_1{this, "ln_1"};
  Child<Layer> attn{this, "attn"};
  Child<Norm> ln_2{this, "ln_2"};
  Child<Layer> mlp{this, "mlp"};
};

class Transformer : public Layer {
 public:
  explicit Transformer(const GptConfig& c) : rate_(c.dropout) {
    wte = std::make_shared<Embedding>(c.vocab_size, c.n_embd, c.init_std);
    wpe = std::make_shared<Embedding>(c.n_positions, c.n_embd, c.init_std);
    auto blocks = std::make_shared<Sequential>();
    for (std::int64_t i = 0; i < c.n_layer; ++i) blocks->append(std::make_shared<Block>(c));
    h = std::move(blocks);
    ln_f = std::make_shared<LayerNorm>(c.n_embd, c.layer_norm_eps);
  }
  Tensor forward(const Tensor& tokens, BatchContext& context) override {
    const Tensor x = ops::embedding(tokens, wte->table(), wpe->table(), context.first_position,
                                    context.dropout(rate_, path() + ".drop"), wte->dtype());
    return ln_f(h(x, context), context);  // (B, T, C)
  }
  const std::shared_ptr<Parameter>& token_table() const { return wte->weight(); }

 private:
  float rate_;
  Child<Embedding> wte{this, "wte"}, wpe{this, "wpe"};
  Child<Layer> h{this, "h"};
  Child<Norm> ln_f{this, "ln_f"};
};

class Gpt : public CausalModel {
 public:
  explicit Gpt(const GptConfig& c) : Gpt(c, std::make_shared<Transformer>(c)) {}

  std::int64_t vocab_size() const override { return config_.vocab_size; }
  std::int64_t max_positions() const override { return config_.n_positions; }

  std::string hf_config() const override {
    const auto& c = config_;
    return fmt::format(
        R"({{"architectures":["GPT2LMHeadModel"],"model_type":"gpt2","vocab_size":{},"n_positions":{},)"
        R"("n_ctx":{},"bos_token_id":null,"eos_token_id":null,"n_layer":{},"n_head":{},"n_kv_head":{},"n_embd":{},"n_inner":{},)"
        R"("activation_function":"gelu_new","layer_norm_epsilon":{},"resid_pdrop":{},"embd_pdrop":{},)"
        R"("attn_pdrop":0.0,"tie_word_embeddings":{},"torch_dtype":"float32"}})",
        c.vocab_size, c.n_positions, c.n_positions, c.n_layer, c.n_head, c.n_kv_head, c.n_embd,
        c.n_inner, c.layer_norm_eps, c.dropout, c.dropout, c.tie);
  }

  double flops_per_token(std::int64_t t) const override {
    const auto& c = config_;
    const double head_dim = static_cast<double>(c.n_embd / c.n_head);
    const double qkv = static_cast<double>(c.n_head + 2 * c.n_kv_head) * head_dim;
    const double n = static_cast<double>(c.n_embd);
    const double weights =
        static_cast<double>(c.n_layer) * n * (qkv + n + 2.0 * static_cast<double>(c.n_inner)) +
        static_cast<double>(c.vocab_size) * n;
    // Two products of T x D a head, half of it masked: 2 * 2 * T * C / 2 forward, thrice in all.
    return 6.0 * weights + 6.0 * static_cast<double>(c.n_layer * t) * n;
  }

 private:
  Gpt(const GptConfig& c, const std::shared_ptr<Transformer>& body)
      : CausalModel("transformer", body,
                    c.tie ? std::make_shared<Head>(body->token_table())
                          : std::make_shared<Head>(c.vocab_size, c.n_embd, c.init_std)),
        config_(c) {}

  GptConfig config_;
};

}  // namespace

GptConfig resolve(GptConfig c) {
  require_positive("vocab_size", c.vocab_size);
  require_positive("n_positions", c.n_positions);
  require_positive("n_layer", c.n_layer);
  require_positive("n_head", c.n_head);
  require_positive("n_embd", c.n_embd);
  if (c.n_kv_head == 0) c.n_kv_head = c.n_head;
  if (c.n_inner == 0) c.n_inner = 4 * c.n_embd;
  require_positive("n_kv_head", c.n_kv_head);
  require_positive("n_inner", c.n_inner);
  require_multiple("n_embd", c.n_embd, "n_head", c.n_head);
  require_multiple("n_head", c.n_head, "n_kv_head", c.n_kv_head);
  return c;
}

std::int64_t parameter_count(const GptConfig& config) {
  const GptConfig c = resolve(config);
  const std::int64_t qkv = (c.n_head + 2 * c.n_kv_head) * (c.n_embd / c.n_head);
  const std::int64_t block = c.n_embd * qkv + qkv + c.n_embd * c.n_embd + c.n_embd +
                             2 * c.n_embd * c.n_inner + c.n_inner + c.n_embd + 4 * c.n_embd;
  return c.vocab_size * c.n_embd * (c.tie ? 1 : 2) + c.n_positions * c.n_embd + c.n_layer * block +
         2 * c.n_embd;
}

std::shared_ptr<LanguageModel> gpt(const GptConfig& config) {
  return std::make_shared<Gpt>(resolve(config));
}

}  // namespace gigatrain::nn
