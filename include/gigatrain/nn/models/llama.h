// Llama and its family (Touvron et al., arXiv:2302.13971), with Hugging Face's names:
//   - rotary positions, RMS norms before attention and MLP, SwiGLU, grouped key heads
//   - Linear weights are (out, in); q, k, v and gate, up are parameters of their own that lie
//     together, so that one product serves them
//   - options make Mistral, Qwen2 (biases on q, k, v), Qwen3 (norms of query and key heads),
//     SmolLM2 (a tied head) and SmolLM3 (layers without rotation)
//   - initial matrices as Hugging Face's, normal with init_std, but for the residual projections o
//     and down, which start smaller by 1 / sqrt(2 n_layer) as in our GPT-2
//   - no dropout
#pragma once

#include <string>
#include <vector>

#include "gigatrain/nn/models/language_model.h"
#include "gigatrain/ops/rope.h"

namespace gigatrain::nn {

struct LlamaConfig {  // defaults: SmolLM2-135M
  std::int64_t vocab_size = 49152;
  std::int64_t n_positions = 8192;
  std::int64_t n_layer = 30;
  std::int64_t n_head = 9;
  std::int64_t n_kv_head = 3;  // 0: n_head
  std::int64_t n_embd = 576;
  std::int64_t n_inner = 1536;  // 0: 8/3 n_embd, rounded up to a multiple of 64
  std::int64_t head_dim = 0;    // 0: n_embd / n_head; even
  bool tie = true;
  bool qk_norm = false;
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  double rope_theta = 100000.0;
  ops::RopeScaling rope_scaling{};  // original_positions 0: n_positions; always so if dynamic
  std::vector<std::int64_t> no_rope_layers{};  // ascending, e.g. {3, 7, 11}
  float norm_eps = 1e-5f;
  float init_std = 0.02f;
  std::string hf_type{};  // "model_type" of config.json; "": the plainest that has these options
};

// Fills zeros and hf_type in. Throws Error(invalid_argument) for sizes that do not divide, and
// Error(unsupported) for a mixture of options that no Hugging Face architecture has.
LlamaConfig resolve(LlamaConfig config);
// Number of weights, tied ones once.
std::int64_t parameter_count(const LlamaConfig& config);

std::shared_ptr<LanguageModel> llama(const LlamaConfig& config);
inline std::shared_ptr<LanguageModel> make_model(const LlamaConfig& config) {
  return llama(config);
}

}  // namespace gigatrain::nn
