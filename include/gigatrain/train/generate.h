// Text from a model, one token at a time, with a cache of keys and values.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "gigatrain/nn/models/language_model.h"

namespace gigatrain {

struct GenerateOptions {
  std::int64_t max_tokens = 200;
  double temperature = 0.8;  // 0: always the most likely token
  std::int64_t top_k = 0;    // keep the k most likely tokens; 0: all
  double top_p = 1.0;        // keep the smallest set of tokens with this much probability
  std::uint64_t seed = 1;
  std::int32_t stop_token = -1;
};

// Continues `prompt` (at least one token; the last max_positions of it are used). Each new token is
// handed to `on_token`, which stops the generation by returning false. Past the model's last
// position the window slides: the cache is rebuilt from the newer half. Token i is a pure function
// of (weights, prompt, options).
std::vector<std::int32_t> generate(nn::LanguageModel& model, Device& device,
                                   const std::vector<std::int32_t>& prompt,
                                   const GenerateOptions& options,
                                   const std::function<bool(std::int32_t)>& on_token = {});

}  // namespace gigatrain
