#include "gigatrain/train/session.h"

#include <fmt/format.h>

#include <filesystem>

#include "gigatrain/base/error.h"
#include "gigatrain/train/checkpoint_files.h"
#include "train/hf_gpt2.h"

namespace gigatrain {

std::shared_ptr<const Tokenizer> make_tokenizer(const Config& config) {
  return config.data.tokenizer == "none" ? nullptr : make_tokenizer(config.data.tokenizer);
}

nn::GptConfig model_config(const Config& config, const Tokenizer* tokenizer) {
  const ModelConfig& m = config.model;
  nn::GptConfig c;
  if (!m.from.empty()) {
    c = read_gpt2_config_file(m.from);
  } else {
    const std::int64_t vocab =
        m.vocab_size > 0 || !tokenizer ? m.vocab_size : tokenizer->vocab_size();
    c = {.vocab_size = vocab,
         .n_positions = config.train.seq_len,
         .n_layer = m.n_layer,
         .n_head = m.n_head,
         .n_kv_head = m.n_kv_head,
         .n_embd = m.n_embd,
         .n_inner = m.n_inner,
         .tie = m.tie,
         .init_std = static_cast<float>(m.init_std)};
  }
  c.dropout = static_cast<float>(m.dropout);
  if (c.vocab_size == 0)
    throw Error(ErrorCode::invalid_argument,
                "model.vocab_size must be given, since data.tokenizer is \"none\"");
  if (tokenizer && c.vocab_size < tokenizer->vocab_size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("model.vocab_size must be at least the tokenizer's {}, got {}",
                            tokenizer->vocab_size(), c.vocab_size));
  if (config.train.seq_len > c.n_positions)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("train.seq_len must not pass the {} positions of {}, got {}",
                            c.n_positions, m.from, config.train.seq_len));
  return nn::resolve(c);
}

BatchShape batch_shape(const Config& config, std::int64_t parameters) {
  const TrainConfig& t = config.train;
  const std::int64_t leaves =
      t.leaves > 0 ? t.leaves : default_leaves(t.global_batch, t.micro_batch, parameters);
  return {.leaves = leaves,
          .micro_batches = t.global_batch / t.micro_batch / leaves,
          .micro_batch = t.micro_batch,
          .seq_len = t.seq_len};
}

DType compute_dtype(const Config& config) {
  return parse_dtype(config.precision.compute);
}

nn::MaterializeOptions weight_options(const Config& config) {
  return {.compute = compute_dtype(config),
          .params = parse_dtype(config.precision.params),
          .seed = static_cast<std::uint64_t>(config.train.seed)};
}

optim::OptimizerOptions optimizer_options(const Config& config) {
  const OptimConfig& c = config.optim;
  optim::OptimizerOptions o{.name = c.name,
                            .weight_decay = static_cast<float>(c.weight_decay),
                            .beta1 = static_cast<float>(c.beta1),
                            .beta2 = static_cast<float>(c.beta2),
                            .eps = static_cast<float>(c.eps),
                            .momentum = static_cast<float>(c.momentum),
                            .nesterov = c.nesterov,
                            .decoupled = c.decoupled,
                            .threshold = static_cast<float>(c.threshold),
                            .relative_step = c.relative_step,
                            .ema = static_cast<float>(c.ema),
                            .ema_bias_correction = c.ema_bias_correction,
                            .seed = static_cast<std::uint64_t>(config.train.seed)};
  for (const auto& text : c.groups) o.groups.push_back(optim::parse_group_rule(text));
  return o;
}

std::shared_ptr<nn::LanguageModel> build_model(Device& device, const Config& config,
                                               const nn::GptConfig& sizes) {
  auto model = nn::gpt(sizes);
  nn::materialize(*model, device, weight_options(config));
  if (!config.model.from.empty()) load_gpt2_weights(*model, ModelFiles::open(config.model.from));
  return model;
}

TokenSource open_data(const Config& config, Split split, const Tokenizer* tokenizer,
                      std::int64_t vocab_size, std::int64_t global_batch) {
  const bool train = split == Split::train;
  return TokenSource(train ? config.data.train : config.data.val,
                     {.seq_len = config.train.seq_len,
                      .global_batch = global_batch,
                      .seed = static_cast<std::uint64_t>(config.train.seed),
                      .vocab_size = vocab_size,
                      .tokenizer_sha256 = tokenizer ? tokenizer->sha256() : "",
                      .split = train ? "train" : "val"});
}

namespace {

LoadedModel load_checkpoint(Device& device, const std::string& path, DType compute) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  LoadedModel loaded;
  loaded.folder = checkpoint.folder();
  loaded.step = checkpoint.state().step;
  loaded.config = parse_config(checkpoint.state().config, checkpoint.folder() + "/state.json");
  loaded.tokenizer = make_tokenizer(loaded.config);
  loaded.model =
      nn::gpt(read_gpt2_config(checkpoint.config_json(), checkpoint.folder() + "/config.json"));
  nn::materialize(*loaded.model, device, {.compute = compute});
  load_gpt2_weights(*loaded.model, checkpoint.model());
  return loaded;
}

LoadedModel load_hugging_face(Device& device, const std::string& path, DType compute) {
  LoadedModel loaded;
  loaded.folder = path;
  const nn::GptConfig sizes = read_gpt2_config_file(path);
  loaded.model = nn::gpt(sizes);
  loaded.config.train.seq_len = sizes.n_positions;
  nn::materialize(*loaded.model, device, {.compute = compute});
  load_gpt2_weights(*loaded.model, ModelFiles::open(path));
  return loaded;
}

}  // namespace

LoadedModel load_model(Device& device, const std::string& path, DType compute) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (!fs::is_directory(path, ignored))
    throw Error(ErrorCode::io, fmt::format("'{}' is not a folder", path),
                "name a run folder (runs/NAME), a checkpoint, or a Hugging Face folder");
  const bool plain = fs::exists(fs::path(path) / "config.json", ignored) &&
                     !fs::exists(fs::path(path) / "manifest.json", ignored);
  return plain ? load_hugging_face(device, path, compute) : load_checkpoint(device, path, compute);
}

}  // namespace gigatrain
