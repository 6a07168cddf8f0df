#include "presets.h"

#include <fmt/format.h>

#include "gigatrain/base/error.h"

namespace gigatrain::tools {

namespace {

struct Preset {
  const char* name;
  int n_layer, n_head, n_embd, vocab_size = 50257;
  const char* more = "";
};
constexpr Preset kPresets[] = {
    {"gpt2", 12, 12, 768},
    {"gpt2-medium", 24, 16, 1024},
    {"gpt2-large", 36, 20, 1280},
    {"gpt2-xl", 48, 25, 1600},
    {"llama-114m", 12, 12, 768, 50257, "kind = \"llama\"\nn_kv_head = 4\nn_inner = 2048\n"},
    {"smollm2-135m", 30, 9, 576, 49152, "kind = \"llama\"\nn_kv_head = 3\nn_inner = 1536\n"},
    {"qwen3-0.6b", 28, 16, 1024, 151936,
     "kind = \"llama\"\nn_kv_head = 8\nn_inner = 3072\nhead_dim = 128\nqk_norm = true\n"},
    {"llama3.2-1b", 16, 32, 2048, 128256, "kind = \"llama\"\nn_kv_head = 8\nn_inner = 8192\n"},
    {"llama3.1-8b", 32, 32, 4096, 128256,
     "kind = \"llama\"\nn_kv_head = 8\nn_inner = 14336\ntie = false\n"}};

std::string preset_text(const std::string& wanted, const std::string& batch) {
  for (const auto& p : kPresets)
    if (wanted == p.name)
      return fmt::format(
          "[model]\nn_layer = {}\nn_head = {}\nn_embd = {}\nvocab_size = {}\n{}"
          "[data]\ntrain = \"none\"\ntokenizer = \"none\"\n{}",
          p.n_layer, p.n_head, p.n_embd, p.vocab_size, p.more, batch);
  throw Error(ErrorCode::invalid_argument,
              fmt::format("--model must be one of {}, got '{}'", preset_names(), wanted),
              "give a configuration file for any other model");
}

}  // namespace

std::string preset_names() {
  std::string names;
  for (const auto& p : kPresets) names += fmt::format("{}{}", names.empty() ? "" : ", ", p.name);
  return names;
}

Config read_config(const ConfigChoice& choice, const std::string& batch, const char* what) {
  if (choice.model.empty()) {
    if (choice.file.empty())
      throw Error(ErrorCode::invalid_argument, fmt::format("there is nothing to {}", what),
                  "give a configuration file, or --model gpt2");
    return load_config(choice.file, choice.overrides);
  }
  std::vector<std::string> overrides = choice.overrides;
  if (!choice.file.empty()) overrides.insert(overrides.begin(), choice.file);
  return parse_config(preset_text(choice.model, batch), "--model " + choice.model, overrides);
}

}  // namespace gigatrain::tools
