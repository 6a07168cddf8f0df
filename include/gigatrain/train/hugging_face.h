// Hugging Face folders: config.json, and weights in safetensors (one file, or shards and an index).
// Read: GPT-2, Llama, Mistral, Qwen2, Qwen3 (dense), SmolLM; what is read can be written again.
//
//   auto spec = gt::read_hf_folder("SmolLM2-135M");
//   auto model = spec.make();
//   gt::nn::materialize(*model, device);
//   gt::load_weights(*model, gt::ModelFiles::open("SmolLM2-135M"));
//   gt::save_hf_folder(*model, "out", {.dtype = gt::DType::bf16});
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "gigatrain/nn/models/model_spec.h"
#include "gigatrain/train/config.h"
#include "gigatrain/train/safetensors.h"

namespace gigatrain {

// The sizes that a config.json describes; `origin` names it in errors. `config` says what it does
// not: dropout. Throws Error(unsupported) for an architecture or an option that this library does
// not compute, Error(corrupt) for a broken file.
nn::ModelSpec read_hf_config(const std::string& json, const std::string& origin,
                             const ModelConfig& config = {});
nn::ModelSpec read_hf_folder(const std::string& folder, const ModelConfig& config = {});
// config.json as it is, and the tokenizer's files that stand beside it, by name.
std::string read_hf_config_text(const std::string& folder);
std::map<std::string, std::string> read_hf_tokenizer_files(const std::string& folder);

// Throws one Error(corrupt) that lists every tensor that is missing, has another shape or a dtype
// that cannot be read, or has no place in the model. Names may lack the model's first part
// ("transformer.", "model."). The model needs no memory yet. Not needed: a tied head's copy, and
// the tables that folders of earlier years hold (causal masks, inverse frequencies).
void check_weights(nn::LanguageModel& model, const ModelFiles& files);
// What fills one parameter after the other, once the files have been checked: for
// nn::MaterializeOptions::fill.
std::function<void(Parameter&)> weights_from(nn::LanguageModel& model, const ModelFiles& files);
// check_weights, then copies every weight.
void load_weights(nn::LanguageModel& model, const ModelFiles& files);

// The dtype of each of the model's weights in these files: what a save needs to give them back byte
// for byte.
using WeightDTypes = std::map<std::string, DType>;
WeightDTypes stored_dtypes(nn::LanguageModel& model, const ModelFiles& files);

struct HfSaveOptions {
  DType dtype = DType::f32;   // f32, bf16 or f16, rounded to nearest
  WeightDTypes dtypes{};      // of single weights, by name; the others have `dtype`
  std::string config_json{};  // keeps all of this config.json but the dtype; "": the model's own
  std::map<std::string, std::string> texts{};  // more files: "tokenizer.json", ...
  std::int64_t max_file_bytes = 5'000'000'000;
};

// Makes a folder that transformers opens. It is whole or absent: Error(io) if the path exists.
void save_hf_folder(nn::LanguageModel& model, const std::string& folder,
                    const HfSaveOptions& options = {});

}  // namespace gigatrain
