// What a model kind is to a run: its name in model.kind, the keys of [model] that it reads, the
// Hugging Face folders that it opens. Adding one: a file kind_<name>.cpp beside this, and its line
// in model_kinds.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gigatrain/nn/models/model_spec.h"
#include "gigatrain/train/config.h"
#include "train/hf_config.h"

namespace gigatrain {

inline constexpr std::int64_t kMostLayers = 10000;  // of a config.json

struct ModelKind {
  std::string_view name;                   // "gpt"
  std::vector<std::string_view> keys;      // of [model], besides those that all kinds read
  std::vector<std::string_view> hf_types;  // "model_type" in config.json
  // `config` with vocab_size given; positions: the longest sequence.
  nn::ModelSpec (*from_config)(const ModelConfig& config, std::int64_t positions);
  // Of a folder; `config` says what config.json does not (dropout, init_std).
  nn::ModelSpec (*from_hf)(const HfConfig& hf, const ModelConfig& config);
};

const std::vector<const ModelKind*>& model_kinds();

// By model.kind, which a checked configuration names rightly.
const ModelKind& find_model_kind(const std::string& name);

}  // namespace gigatrain
