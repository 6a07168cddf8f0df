// A LlamaConfig is checked, given its Hugging Face architecture, and written as config.json.

#include "nn/models/llama_family.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "gigatrain/base/error.h"
#include "gigatrain/base/integers.h"
#include "nn/models/causal_model.h"

namespace gigatrain::nn {

namespace {

using Json = nlohmann::ordered_json;

struct Family {
  const char* type;
  const char* architecture;
  bool (*fits)(const LlamaConfig&);
};

// The plainest first. `attention_bias` is of q, k, v and o together.
constexpr Family kFamilies[] = {
    {"llama", "LlamaForCausalLM",
     [](const LlamaConfig& c) {
       return !c.qk_norm && c.qkv_bias == c.o_bias && c.no_rope_layers.empty();
     }},
    {"qwen2", "Qwen2ForCausalLM",
     [](const LlamaConfig& c) {
       return !c.qk_norm && c.qkv_bias && !c.o_bias && !c.mlp_bias && c.no_rope_layers.empty();
     }},
    {"qwen3", "Qwen3ForCausalLM",
     [](const LlamaConfig& c) {
       return c.qk_norm && c.qkv_bias == c.o_bias && !c.mlp_bias && c.no_rope_layers.empty();
     }},
    {"smollm3", "SmolLM3ForCausalLM",
     [](const LlamaConfig& c) { return !c.qk_norm && c.qkv_bias == c.o_bias; }},
    {"mistral", "MistralForCausalLM",
     [](const LlamaConfig& c) {
       return !c.qk_norm && !c.qkv_bias && !c.o_bias && !c.mlp_bias && c.no_rope_layers.empty();
     }},
};

const Family& family_of(const LlamaConfig& c) {
  for (const auto& family : kFamilies)
    if ((c.hf_type.empty() || c.hf_type == family.type) && family.fits(c)) return family;
  throw Error(
      ErrorCode::unsupported,
      fmt::format("{} has qk_norm {}, biases on q, k, v {}, on o {}, in the MLP {}, and {} layers "
                  "without rotation",
                  c.hf_type.empty() ? "no Hugging Face architecture"
                                    : fmt::format("no Hugging Face model of type '{}'", c.hf_type),
                  c.qk_norm, c.qkv_bias, c.o_bias, c.mlp_bias, c.no_rope_layers.size()),
      "leave one of them out: checkpoints are folders that transformers opens");
}

const char* rope_type(ops::RopeScaling::Kind kind) {
  switch (kind) {
    case ops::RopeScaling::Kind::none:
      break;
    case ops::RopeScaling::Kind::linear:
      return "linear";
    case ops::RopeScaling::Kind::dynamic:
      return "dynamic";
    case ops::RopeScaling::Kind::llama3:
      return "llama3";
    case ops::RopeScaling::Kind::yarn:
      return "yarn";
  }
  return "default";
}

Json rope_parameters(const LlamaConfig& c) {
  using Kind = ops::RopeScaling::Kind;
  const auto& s = c.rope_scaling;
  Json j = {{"rope_type", rope_type(s.kind)}};
  if (s.kind != Kind::none) j["factor"] = s.factor;
  if (s.kind == Kind::llama3 || s.kind == Kind::yarn)
    j["original_max_position_embeddings"] = s.original_positions;
  if (s.kind == Kind::llama3) {
    j["low_freq_factor"] = s.low_freq_factor;
    j["high_freq_factor"] = s.high_freq_factor;
  }
  if (s.kind == Kind::yarn) {
    j["beta_fast"] = s.beta_fast;
    j["beta_slow"] = s.beta_slow;
    j["truncate"] = s.truncate;
    if (s.attention_factor) j["attention_factor"] = *s.attention_factor;
    if (s.mscale > 0) j["mscale"] = s.mscale;
    if (s.mscale_all_dim > 0) j["mscale_all_dim"] = s.mscale_all_dim;
  }
  return j;
}

void add_rope(Json& j, const LlamaConfig& c) {
  Json parameters = rope_parameters(c);
  j["rope_theta"] = c.rope_theta;
  if (c.rope_scaling.kind != ops::RopeScaling::Kind::none) j["rope_scaling"] = parameters;
  parameters["rope_theta"] = c.rope_theta;
  j["rope_parameters"] = std::move(parameters);
}

// What only some architectures know.
void add_options(Json& j, const LlamaConfig& c) {
  const std::string& type = c.hf_type;
  if (type == "llama" || type == "qwen3" || type == "smollm3") j["attention_bias"] = c.qkv_bias;
  if (type == "llama" || type == "smollm3") j["mlp_bias"] = c.mlp_bias;
  if (type != "llama") j["sliding_window"] = nullptr;
  if (type == "qwen2" || type == "qwen3" || type == "smollm3") j["use_sliding_window"] = false;
  if (type != "smollm3") return;
  Json rotates = Json::array();
  for (std::int64_t i = 0; i < c.n_layer; ++i)
    rotates.push_back(std::binary_search(c.no_rope_layers.begin(), c.no_rope_layers.end(), i) ? 0
                                                                                              : 1);
  j["no_rope_layers"] = std::move(rotates);
}

void require_sizes(const LlamaConfig& c) {
  require_positive("vocab_size", c.vocab_size);
  require_positive("n_positions", c.n_positions);
  require_positive("n_layer", c.n_layer);
  require_positive("n_head", c.n_head);
  require_positive("n_kv_head", c.n_kv_head);
  require_positive("n_embd", c.n_embd);
  require_positive("n_inner", c.n_inner);
  require_positive("head_dim", c.head_dim);
  require_multiple("n_head", c.n_head, "n_kv_head", c.n_kv_head);
  if (c.head_dim % 2)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("model.head_dim must be even for rotary positions, got {}", c.head_dim));
  for (std::size_t i = 0; i < c.no_rope_layers.size(); ++i)
    if (c.no_rope_layers[i] < 0 || c.no_rope_layers[i] >= c.n_layer ||
        (i > 0 && c.no_rope_layers[i] <= c.no_rope_layers[i - 1]))
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("layers without rotation must ascend in [0, {}), got {} at place {}",
                              c.n_layer, c.no_rope_layers[i], i));
}

// 1e-05f as 1e-05, not as 9.99999974738e-06.
double as_written(float x) {
  return std::stod(fmt::format("{}", x));
}

}  // namespace

LlamaConfig resolve(LlamaConfig c) {
  if (c.n_kv_head == 0) c.n_kv_head = c.n_head;
  if (c.n_inner == 0) c.n_inner = round_up(8 * c.n_embd / 3, 64);
  if (c.head_dim == 0) {
    require_positive("n_head", c.n_head);
    require_multiple("n_embd", c.n_embd, "n_head", c.n_head);
    c.head_dim = c.n_embd / c.n_head;
  }
  require_sizes(c);
  auto& scaling = c.rope_scaling;  // Hugging Face's dynamic scaling begins past n_positions
  if (scaling.original_positions == 0 || scaling.kind == ops::RopeScaling::Kind::dynamic)
    scaling.original_positions = c.n_positions;
  c.hf_type = family_of(c).type;
  // Fails here, not in the first step, when the scaling's fields make no sense.
  ops::rope_frequencies({.theta = c.rope_theta, .scaling = c.rope_scaling}, c.head_dim,
                        c.n_positions);
  return c;
}

std::string hf_llama_config(const LlamaConfig& c) {
  Json j = {{"architectures", {family_of(c).architecture}},
            {"model_type", c.hf_type},
            {"vocab_size", c.vocab_size},
            {"max_position_embeddings", c.n_positions},
            {"bos_token_id", nullptr},
            {"eos_token_id", nullptr},
            {"pad_token_id", nullptr},
            {"num_hidden_layers", c.n_layer},
            {"num_attention_heads", c.n_head},
            {"num_key_value_heads", c.n_kv_head},
            {"head_dim", c.head_dim},
            {"hidden_size", c.n_embd},
            {"intermediate_size", c.n_inner},
            {"hidden_act", "silu"},
            {"rms_norm_eps", as_written(c.norm_eps)},
            {"initializer_range", as_written(c.init_std)},
            {"tie_word_embeddings", c.tie},
            {"torch_dtype", "float32"}};
  add_rope(j, c);
  add_options(j, c);
  return j.dump();
}

}  // namespace gigatrain::nn
