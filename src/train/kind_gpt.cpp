// model.kind = "gpt": GPT-2, and Hugging Face folders of model_type "gpt2".

#include <fmt/format.h>

#include "gigatrain/nn/models/gpt.h"
#include "train/model_kind.h"

namespace gigatrain {

namespace {

nn::ModelSpec from_config(const ModelConfig& m, std::int64_t positions) {
  return nn::GptConfig{.vocab_size = m.vocab_size,
                       .n_positions = positions,
                       .n_layer = m.n_layer,
                       .n_head = m.n_head,
                       .n_kv_head = m.n_kv_head,
                       .n_embd = m.n_embd,
                       .n_inner = m.n_inner,
                       .dropout = static_cast<float>(m.dropout),
                       .tie = m.tie,
                       .layer_norm_eps = static_cast<float>(m.norm_eps),
                       .init_std = static_cast<float>(m.init_std)};
}

void require_supported(const HfConfig& hf) {
  const auto activation = hf.text("activation_function", "gelu_new");
  if (activation != "gelu_new" && activation != "gelu_pytorch_tanh")
    hf.unsupported(fmt::format("activation_function must be gelu_new, got \"{}\"", activation));
  if (hf.flag("scale_attn_by_inverse_layer_idx", false) || !hf.flag("scale_attn_weights", true))
    hf.unsupported("only attention scaled by 1/sqrt(head size) is supported");
}

nn::ModelSpec from_hf(const HfConfig& hf, const ModelConfig& m) {
  require_supported(hf);
  nn::GptConfig c;
  c.vocab_size = hf.size("vocab_size", c.vocab_size);
  c.n_positions = hf.size("n_positions", hf.size("n_ctx", c.n_positions));
  c.n_layer = hf.size("n_layer", c.n_layer, kMostLayers);
  c.n_head = hf.size("n_head", c.n_head);
  c.n_kv_head = hf.size("n_kv_head", 0);
  c.n_embd = hf.size("n_embd", c.n_embd);
  c.n_inner = hf.size("n_inner", 0);
  c.layer_norm_eps =
      static_cast<float>(hf.number("layer_norm_epsilon", static_cast<double>(c.layer_norm_eps)));
  c.tie = hf.flag("tie_word_embeddings", true);
  c.dropout = static_cast<float>(m.dropout);
  return c;
}

}  // namespace

extern const ModelKind kGptKind;
const ModelKind kGptKind{.name = "gpt",
                         .keys = {"dropout"},
                         .hf_types = {"gpt2"},
                         .from_config = from_config,
                         .from_hf = from_hf};

}  // namespace gigatrain
