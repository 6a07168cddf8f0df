// Hugging Face GPT-2 folders: config.json to our configuration, weights to our parameters.
#pragma once

#include <string>

#include "gigatrain/nn/models/gpt.h"
#include "gigatrain/train/safetensors.h"

namespace gigatrain {

// Throws Error(unsupported) for another architecture, Error(corrupt) for a broken file.
nn::GptConfig read_gpt2_config(const std::string& json, const std::string& origin);
nn::GptConfig read_gpt2_config_file(const std::string& folder);

// Copies every weight. Names may lack the "transformer." prefix, as in the folders of 2019; the
// attention masks stored there and a tied lm_head are not needed. A tensor that is missing, of
// another shape, or left over is an error that names it.
void load_gpt2_weights(nn::LanguageModel& model, const ModelFiles& files);

}  // namespace gigatrain
