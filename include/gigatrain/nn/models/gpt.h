// GPT-2 (Radford et al., 2019), with Hugging Face's names:
//   - learned positions, pre-LayerNorm blocks, tanh GELU, biases everywhere
//   - Conv1D weights stay (in, out); q, k and v come from one product
//   - the head is the token table again (tied), unless `tie` is false
//   - residual projections start smaller by 1 / sqrt(2 n_layer)
//   - n_kv_head < n_head groups the key heads (GPT-2 itself has n_kv_head = n_head)
#pragma once

#include "gigatrain/nn/layers.h"
#include "gigatrain/nn/models/language_model.h"

namespace gigatrain::nn {

struct GptConfig {
  std::int64_t vocab_size = 50257;
  std::int64_t n_positions = 1024;
  std::int64_t n_layer = 12;
  std::int64_t n_head = 12;
  std::int64_t n_kv_head = 0;  // 0: n_head
  std::int64_t n_embd = 768;
  std::int64_t n_inner = 0;  // 0: 4 n_embd
  float dropout = 0.0f;
  bool tie = true;
  float layer_norm_eps = 1e-5f;
  float init_std = 0.02f;  // of every matrix; small models learn sooner with about 1 / sqrt(n_embd)
};

// Fills the zeros in and checks divisibility; throws Error(invalid_argument).
GptConfig resolve(GptConfig config);
// Number of weights, tied ones once.
std::int64_t parameter_count(const GptConfig& config);

std::shared_ptr<LanguageModel> gpt(const GptConfig& config);
inline std::shared_ptr<LanguageModel> make_model(const GptConfig& config) {
  return gpt(config);
}

}  // namespace gigatrain::nn
