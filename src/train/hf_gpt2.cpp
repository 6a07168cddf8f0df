#include "train/hf_gpt2.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "gigatrain/base/error.h"
#include "train/tensor_transfer.h"

namespace gigatrain {

namespace {

using nlohmann::json;

constexpr std::uintmax_t kLargestConfig = 1 << 20;  // bytes; real ones have a few hundred

template <class T>
T get(const json& j, const char* key, T fallback, const std::string& origin) {
  const auto at = j.find(key);
  if (at == j.end() || at->is_null()) return fallback;
  try {
    return at->get<T>();
  } catch (const json::exception&) {
    throw Error(ErrorCode::corrupt,
                fmt::format("{}: '{}' has an unexpected type: {}", origin, key, at->dump()));
  }
}

void require_gpt2(const json& j, const std::string& origin) {
  const auto type = get<std::string>(j, "model_type", "", origin);
  if (type != "gpt2")
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: model_type must be \"gpt2\", got \"{}\"", origin, type),
                "start from a GPT-2 folder");
  const auto activation = get<std::string>(j, "activation_function", "gelu_new", origin);
  if (activation != "gelu_new" && activation != "gelu_pytorch_tanh")
    throw Error(
        ErrorCode::unsupported,
        fmt::format("{}: activation_function must be gelu_new, got \"{}\"", origin, activation));
  if (get(j, "scale_attn_by_inverse_layer_idx", false, origin) ||
      !get(j, "scale_attn_weights", true, origin))
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: only attention scaled by 1/sqrt(head size) is supported", origin));
}

std::string with_prefix(const std::string& name) {
  return name.starts_with("transformer.") || name.starts_with("lm_head.") ? name
                                                                          : "transformer." + name;
}

bool not_needed(const std::string& name) {  // causal masks, and the tied head's second copy
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") ||
         name == "lm_head.weight";
}

}  // namespace

nn::GptConfig read_gpt2_config(const std::string& text, const std::string& origin) {
  const json j = json::parse(text, nullptr, false);
  if (!j.is_object())
    throw Error(ErrorCode::corrupt, fmt::format("{} is not a JSON object", origin));
  require_gpt2(j, origin);
  nn::GptConfig c;
  const auto size = [&](const char* key, std::int64_t fallback) {
    return get(j, key, fallback, origin);
  };
  c.vocab_size = size("vocab_size", c.vocab_size);
  c.n_positions = size("n_positions", size("n_ctx", c.n_positions));
  c.n_layer = size("n_layer", c.n_layer);
  c.n_head = size("n_head", c.n_head);
  c.n_kv_head = size("n_kv_head", 0);
  c.n_embd = size("n_embd", c.n_embd);
  c.n_inner = size("n_inner", 0);
  c.layer_norm_eps = get(j, "layer_norm_epsilon", c.layer_norm_eps, origin);
  c.tie = get(j, "tie_word_embeddings", true, origin);
  try {
    return nn::resolve(c);
  } catch (Error& e) {
    throw e.add_frame(fmt::format("while reading {}", origin));
  }
}

nn::GptConfig read_gpt2_config_file(const std::string& folder) {
  const std::string path = folder + "/config.json";
  std::error_code failed;
  const auto bytes = std::filesystem::file_size(path, failed);
  if (failed || !std::filesystem::is_regular_file(path, failed))
    throw Error(ErrorCode::io, fmt::format("{}: there is no readable config.json", folder),
                "name a folder that holds config.json and model.safetensors");
  if (bytes > kLargestConfig)
    throw Error(ErrorCode::corrupt, fmt::format("{} has {} bytes, at most {} are expected", path,
                                                bytes, kLargestConfig));
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return read_gpt2_config(text.str(), path);
}

void load_gpt2_weights(nn::LanguageModel& model, const ModelFiles& files) {
  std::map<std::string, const StoredTensor*> stored;
  for (const auto& [name, tensor] : files.tensors()) stored[with_prefix(name)] = &tensor;
  for (auto* p : nn::named_parameters(model)) {
    const auto at = stored.find(p->name());
    if (at == stored.end())
      throw Error(ErrorCode::corrupt,
                  fmt::format("the weights lack '{}' {}", p->name(), p->shape().str()),
                  "check that the folder holds a whole GPT-2 of these sizes");
    try {
      load_tensor(*at->second, p->value());
    } catch (Error& e) {
      throw e.add_frame(fmt::format("while loading '{}'", p->name()));
    }
    p->changed();
    stored.erase(at);
  }
  for (const auto& [name, tensor] : stored)
    if (!not_needed(name))
      throw Error(ErrorCode::corrupt,
                  fmt::format("the weights hold '{}' {}, which this model has no place for", name,
                              tensor->shape.str()));
}

}  // namespace gigatrain
