// config.json to a model's sizes, stored tensors to its weights.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "gigatrain/base/error.h"
#include "gigatrain/train/hugging_face.h"
#include "train/atomic_file.h"
#include "train/model_kind.h"
#include "train/safetensors_internal.h"
#include "train/strict_json.h"
#include "train/tensor_transfer.h"

namespace gigatrain {

namespace {

constexpr std::int64_t kLargestConfig = 1 << 20;     // bytes; real ones have a few hundred
constexpr std::int64_t kLargestTokenizer = 1 << 28;  // bytes; real ones have a few million

const ModelKind& kind_of(const HfConfig& hf) {
  const auto type = hf.text("model_type", "");
  std::vector<std::string_view> known;
  for (const auto* kind : model_kinds()) {
    known.insert(known.end(), kind->hf_types.begin(), kind->hf_types.end());
    if (std::count(kind->hf_types.begin(), kind->hf_types.end(), type)) return *kind;
  }
  hf.unsupported(fmt::format("model_type must be one of {}, got \"{}\"", fmt::join(known, ", "),
                             printable(type)),
                 "start from a folder of such a model");
}

// A classifier's folder has the same model_type; its head is no language model's.
void require_language_model(const HfConfig& hf) {
  const auto names = hf.texts("architectures");
  const auto fits = [](const std::string& name) {
    return name.ends_with("ForCausalLM") || name.ends_with("LMHeadModel") ||
           name.ends_with("Model");
  };
  if (!names.empty() && std::none_of(names.begin(), names.end(), fits))
    hf.unsupported(fmt::format("the architecture must be a language model (...ForCausalLM), got {}",
                               printable(fmt::format("{}", fmt::join(names, ", ")))));
}

// Masks and tables that transformers once saved and now makes.
bool is_derived(const std::string& name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") ||
         name.ends_with(".rotary_emb.inv_freq");
}

struct Match {
  std::vector<std::pair<Parameter*, const StoredTensor*>> pairs;
  std::vector<std::string> problems;
};

void match_one(Match& match, Parameter* p, const StoredTensor* stored) {
  if (!stored)
    match.problems.push_back(fmt::format("missing: '{}' {}", p->name(), p->shape().str()));
  else if (!(stored->shape == p->shape()))
    match.problems.push_back(fmt::format("wrong shape: '{}' must be {}, got {}", p->name(),
                                         p->shape().str(), stored->shape.str()));
  else if (!parse_safetensors_float(stored->dtype))
    match.problems.push_back(fmt::format("wrong dtype: '{}' must be F32, BF16, F16 or F64, got {}",
                                         p->name(), printable(stored->dtype)));
  else
    match.pairs.emplace_back(p, stored);
}

Match match_weights(nn::LanguageModel& model, const ModelFiles& files) {
  const auto parameters = nn::named_parameters(model);
  const auto children = model.children();
  const std::string prefix = children.empty() ? "" : children.front().first + ".";  // "model."
  std::set<const StoredTensor*> used;
  Match match;
  for (auto* p : parameters) {
    const StoredTensor* stored = files.find(p->name());
    if (!stored && p->name().starts_with(prefix))
      stored = files.find(p->name().substr(prefix.size()));
    match_one(match, p, stored);
    if (stored) used.insert(stored);
  }
  // A tied head's own copy is not needed; an untied one was a parameter above.
  for (const auto& [name, tensor] : files.tensors())
    if (!used.count(&tensor) && !is_derived(name) && name != "lm_head.weight")
      match.problems.push_back(fmt::format("unexpected: '{}' {}, which this model has no place for",
                                           printable(name), tensor.shape.str()));
  return match;
}

Match require_match(nn::LanguageModel& model, const ModelFiles& files) {
  Match match = match_weights(model, files);
  if (match.problems.empty()) return match;
  throw Error(
      ErrorCode::corrupt,
      fmt::format("{} tensor{} of {} do{} not fit the model:\n    {}", match.problems.size(),
                  match.problems.size() == 1 ? "" : "s", files.folder(),
                  match.problems.size() == 1 ? "es" : "", fmt::join(match.problems, "\n    ")),
      "check that config.json and the weights belong together and are whole");
}

}  // namespace

nn::ModelSpec read_hf_config(const std::string& json, const std::string& origin,
                             const ModelConfig& config) {
  const HfConfig hf(json, origin);
  const ModelKind& kind = kind_of(hf);
  require_language_model(hf);
  try {
    return kind.from_hf(hf, config);
  } catch (Error& e) {
    throw e.add_frame(fmt::format("while reading {}", origin));
  }
}

std::string read_hf_config_text(const std::string& folder) {
  const std::string path = folder + "/config.json";
  if (!exists(path))
    throw Error(ErrorCode::io, fmt::format("{}: there is no readable config.json", folder),
                "name a folder that holds config.json and model.safetensors");
  return read_small_file(path, kLargestConfig);
}

std::map<std::string, std::string> read_hf_tokenizer_files(const std::string& folder) {
  std::map<std::string, std::string> texts;
  for (const char* name : {"added_tokens.json", "chat_template.jinja", "generation_config.json",
                           "merges.txt", "special_tokens_map.json", "tokenizer.json",
                           "tokenizer.model", "tokenizer_config.json", "vocab.json"})
    if (exists(folder + "/" + name))
      texts[name] = read_small_file(folder + "/" + name, kLargestTokenizer);
  return texts;
}

nn::ModelSpec read_hf_folder(const std::string& folder, const ModelConfig& config) {
  return read_hf_config(read_hf_config_text(folder), folder + "/config.json", config);
}

void check_weights(nn::LanguageModel& model, const ModelFiles& files) {
  require_match(model, files);
}

std::function<void(Parameter&)> weights_from(nn::LanguageModel& model, const ModelFiles& files) {
  std::map<const Parameter*, StoredTensor> stored;
  for (const auto& [parameter, tensor] : require_match(model, files).pairs)
    stored[parameter] = *tensor;
  return [files, stored = std::move(stored)](Parameter& p) {  // the files stay open
    load_tensor(stored.at(&p), p.value());
  };
}

void load_weights(nn::LanguageModel& model, const ModelFiles& files) {
  const nn::MaterializeOptions stored{.fill = weights_from(model, files)};
  for (auto* p : nn::named_parameters(model)) nn::fill(*p, stored);
}

WeightDTypes stored_dtypes(nn::LanguageModel& model, const ModelFiles& files) {
  WeightDTypes dtypes;
  for (const auto& [parameter, stored] : require_match(model, files).pairs)
    dtypes[parameter->name()] = *parse_safetensors_float(stored->dtype);
  return dtypes;
}

}  // namespace gigatrain
