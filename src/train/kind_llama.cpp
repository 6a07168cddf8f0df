// model.kind = "llama", and the Hugging Face folders of its family: Llama, Mistral, Qwen2, Qwen3
// (dense), SmolLM2 (model_type "llama") and SmolLM3. Missing keys have transformers' defaults.

#include <fmt/format.h>

#include <algorithm>

#include "gigatrain/base/error.h"
#include "gigatrain/nn/models/llama.h"
#include "train/model_kind.h"

namespace gigatrain {

namespace {

using Scaling = ops::RopeScaling;

Scaling::Kind parse_scaling(const std::string& name) {
  if (name == "none" || name == "default") return Scaling::Kind::none;
  if (name == "linear") return Scaling::Kind::linear;
  if (name == "dynamic") return Scaling::Kind::dynamic;
  if (name == "llama3") return Scaling::Kind::llama3;
  if (name == "yarn") return Scaling::Kind::yarn;
  throw Error(
      ErrorCode::unsupported,
      fmt::format("rotary scaling must be default, linear, dynamic, llama3 or yarn, got '{}'",
                  name));
}

// --- [model]

std::vector<std::int64_t> every(std::int64_t interval, std::int64_t layers) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = interval - 1; interval > 0 && i < layers; i += interval) out.push_back(i);
  return out;
}

nn::ModelSpec from_config(const ModelConfig& m, std::int64_t positions) {
  const auto before = static_cast<std::int64_t>(static_cast<double>(positions) / m.rope_factor);
  return nn::LlamaConfig{
      .vocab_size = m.vocab_size,
      .n_positions = positions,
      .n_layer = m.n_layer,
      .n_head = m.n_head,
      .n_kv_head = m.n_kv_head,
      .n_embd = m.n_embd,
      .n_inner = m.n_inner,
      .head_dim = m.head_dim,
      .tie = m.tie,
      .qk_norm = m.qk_norm,
      .qkv_bias = m.qkv_bias,
      .o_bias = m.o_bias,
      .mlp_bias = m.mlp_bias,
      .rope_theta = m.rope_theta,
      .rope_scaling = {.kind = parse_scaling(m.rope_scaling),
                       .factor = m.rope_factor,
                       .original_positions = m.rope_positions > 0
                                                 ? m.rope_positions
                                                 : std::max<std::int64_t>(before, 1)},
      .no_rope_layers = every(m.no_rope_every, m.n_layer),
      .norm_eps = static_cast<float>(m.norm_eps),
      .init_std = static_cast<float>(m.init_std)};
}

// --- config.json

// Of transformers 5, rope_parameters; before it rope_scaling, whose kind was once called "type".
// A yarn without factor stretches to the whole context.
void read_rope(const HfConfig& hf, nn::LlamaConfig& c, double default_theta) {
  const bool old_form = hf.has("rope_scaling") || !hf.has("rope_parameters");
  const HfConfig rope = hf.object(old_form ? "rope_scaling" : "rope_parameters");
  c.rope_theta = rope.number("rope_theta", hf.number("rope_theta", default_theta));
  if (rope.number("partial_rotary_factor", hf.number("partial_rotary_factor", 1.0)) != 1.0)
    hf.unsupported("only rotation of whole heads is supported (partial_rotary_factor 1)");
  Scaling& s = c.rope_scaling;
  s.kind = parse_scaling(rope.text("rope_type", rope.text("type", "default")));
  s.original_positions = rope.size("original_max_position_embeddings", c.n_positions);
  const bool stretched = s.kind == Scaling::Kind::yarn && s.original_positions > 0;
  s.factor = rope.number("factor", stretched ? static_cast<double>(c.n_positions) /
                                                   static_cast<double>(s.original_positions)
                                             : 1.0);
  s.low_freq_factor = rope.number("low_freq_factor", s.low_freq_factor);
  s.high_freq_factor = rope.number("high_freq_factor", s.high_freq_factor);
  s.beta_fast = rope.number("beta_fast", s.beta_fast);
  s.beta_slow = rope.number("beta_slow", s.beta_slow);
  s.mscale = rope.number("mscale", s.mscale);
  s.mscale_all_dim = rope.number("mscale_all_dim", s.mscale_all_dim);
  s.truncate = rope.flag("truncate", s.truncate);
  if (rope.has("attention_factor")) s.attention_factor = rope.number("attention_factor", 1.0);
}

// A window as long as the context hides nothing.
void require_full_attention(const HfConfig& hf, const nn::LlamaConfig& c) {
  const bool always = c.hf_type == "mistral";
  if (!always && !hf.flag("use_sliding_window", false)) return;
  const std::int64_t window = hf.size("sliding_window", always ? 4096 : c.n_positions);
  if ((always && !hf.has("sliding_window")) || window >= c.n_positions) return;
  hf.unsupported(
      fmt::format("attention in a sliding window of {} positions is not supported: it must cover "
                  "the context of {}",
                  window, c.n_positions),
      fmt::format("set \"max_position_embeddings\" to {} to train within one window", window));
}

void read_options(const HfConfig& hf, nn::LlamaConfig& c) {
  const std::string& type = c.hf_type;
  c.qk_norm = type == "qwen3";
  if (type == "qwen2") {
    c.qkv_bias = true;
  } else if (type != "mistral") {
    c.qkv_bias = c.o_bias = hf.flag("attention_bias", false);
  }
  if (type == "llama" || type == "smollm3") c.mlp_bias = hf.flag("mlp_bias", false);
  if (type != "smollm3") return;
  c.no_rope_layers = every(hf.size("no_rope_layer_interval", 4), c.n_layer);
  if (!hf.has("no_rope_layers")) return;
  const auto rotates = hf.sizes("no_rope_layers");  // 1: rotates, despite its name
  if (static_cast<std::int64_t>(rotates.size()) < c.n_layer)
    hf.unsupported(
        fmt::format("'no_rope_layers' must have one entry for each of the {} layers, "
                    "got {}",
                    c.n_layer, rotates.size()));
  c.no_rope_layers.clear();
  for (std::int64_t i = 0; i < c.n_layer; ++i)
    if (rotates[static_cast<std::size_t>(i)] == 0) c.no_rope_layers.push_back(i);
}

std::int64_t default_positions(const std::string& type) {
  return type == "llama" ? 2048 : type == "mistral" ? 4096 * 32 : 32768;
}

nn::ModelSpec from_hf(const HfConfig& hf, const ModelConfig& m) {
  if (m.dropout > 0)
    throw Error(
        ErrorCode::unsupported,
        fmt::format("this kind of model has no dropout, got model.dropout = {}", m.dropout));
  const auto activation = hf.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish")
    hf.unsupported(fmt::format("hidden_act must be silu, got \"{}\"", activation));
  nn::LlamaConfig c;
  c.hf_type = hf.text("model_type", "");
  c.vocab_size = hf.required_size("vocab_size");
  c.n_positions = hf.size("max_position_embeddings", default_positions(c.hf_type));
  c.n_layer = hf.required_size("num_hidden_layers", kMostLayers);
  c.n_head = hf.required_size("num_attention_heads");
  c.n_kv_head = hf.size("num_key_value_heads", 0);
  c.n_embd = hf.required_size("hidden_size");
  c.n_inner = hf.required_size("intermediate_size");
  c.head_dim = hf.size("head_dim", c.hf_type == "qwen3" ? 128 : 0);
  c.tie = hf.flag("tie_word_embeddings", c.hf_type == "smollm3");
  c.norm_eps = static_cast<float>(hf.number("rms_norm_eps", 1e-6));
  c.init_std = static_cast<float>(hf.number("initializer_range", 0.02));
  read_rope(hf, c, c.hf_type == "smollm3" ? 2e6 : 10000.0);
  read_options(hf, c);
  require_full_attention(hf, c);
  return c;
}

}  // namespace

extern const ModelKind kLlamaKind;
const ModelKind kLlamaKind{
    .name = "llama",
    .keys = {"head_dim", "qk_norm", "qkv_bias", "o_bias", "mlp_bias", "rope_theta", "rope_scaling",
             "rope_factor", "rope_positions", "no_rope_every"},
    .hf_types = {"llama", "mistral", "qwen2", "qwen3", "smollm3"},
    .from_config = from_config,
    .from_hf = from_hf};

}  // namespace gigatrain
