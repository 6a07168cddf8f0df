// The Hugging Face architectures that a LlamaConfig may be.
#pragma once

#include <string>

#include "gigatrain/nn/models/llama.h"

namespace gigatrain::nn {

// config.json, with rotary parameters in the form of transformers 4 (rope_theta, rope_scaling) and
// of 5 (rope_parameters).
std::string hf_llama_config(const LlamaConfig& resolved);

}  // namespace gigatrain::nn
