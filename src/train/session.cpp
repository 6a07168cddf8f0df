#include "gigatrain/train/session.h"

#include <fmt/format.h>

#include <bit>
#include <filesystem>

#include "gigatrain/base/error.h"
#include "gigatrain/train/checkpoint_files.h"
#include "train/model_kind.h"

namespace gigatrain {

std::shared_ptr<const Tokenizer> make_tokenizer(const Config& config) {
  return config.data.tokenizer == "none" ? nullptr : make_tokenizer(config.data.tokenizer);
}

nn::ModelSpec model_spec(const Config& config, const Tokenizer* tokenizer) {
  ModelConfig m = config.model;
  if (m.vocab_size == 0 && tokenizer) m.vocab_size = tokenizer->vocab_size();
  if (m.from.empty() && m.vocab_size == 0)
    throw Error(ErrorCode::invalid_argument,
                "model.vocab_size must be given, since data.tokenizer is \"none\"");
  const nn::ModelSpec spec = m.from.empty()
                                 ? find_model_kind(m.kind).from_config(m, config.train.seq_len)
                                 : read_hf_folder(m.from, m);
  if (tokenizer && spec.vocab_size() < tokenizer->vocab_size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("model.vocab_size must be at least the tokenizer's {}, got {}",
                            tokenizer->vocab_size(), spec.vocab_size()));
  if (config.train.seq_len > spec.max_positions())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("train.seq_len must not pass the {} positions of {}, got {}",
                            spec.max_positions(), m.from, config.train.seq_len));
  return spec;
}

namespace {

void require_work_for(int ranks, const BatchShape& batch, const Config& config) {
  const std::int64_t leaves = batch.leaves, fewest = batch.fewest_leaves();
  if (config.parallel.dp > 0 && config.parallel.dp != ranks)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("parallel.dp = {}, but the program has {} ranks", config.parallel.dp, ranks),
        fmt::format("gigatrain --ranks {} train ..., or leave parallel.dp out",
                    config.parallel.dp));
  if (ranks > leaves)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{} ranks need as many leaves in a step, which has {}", ranks, leaves),
        fmt::format("gigatrain --ranks {} ..., or raise train.leaves, a power of two, which "
                    "makes it another run",
                    leaves));
  if (ranks > fewest)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{} ranks need as many leaves in a step, train.batch_ramp has steps of {}",
                    ranks, fewest),
        fmt::format("use at most {} ranks, or let every step have at least {} leaves (which "
                    "makes it another run)",
                    fewest, std::bit_ceil(static_cast<unsigned>(ranks))));
}

// The fewest leaves that these ranks need.
std::int64_t fast_leaves(const TrainConfig& t, int ranks) {
  const auto leaves = static_cast<std::int64_t>(std::bit_ceil(static_cast<unsigned>(ranks)));
  return t.global_batch / t.micro_batch % leaves == 0 ? leaves : 0;
}

}  // namespace

BatchShape batch_shape(const Config& config, std::int64_t parameters, int ranks) {
  const TrainConfig& t = config.train;
  BatchShape batch{
      .leaves = t.leaves > 0 ? t.leaves : default_leaves(t.global_batch, t.micro_batch, parameters),
      .micro_batch = t.micro_batch,
      .seq_len = t.seq_len,
      .ramp = parse_batch_ramp(t.batch_ramp)};
  require_work_for(ranks, batch, config);
  if (t.numerics == "fast" && batch.ramp.empty())
    if (const std::int64_t fewer = fast_leaves(t, ranks)) batch.leaves = fewer;
  batch.micro_batches = t.global_batch / t.micro_batch / batch.leaves;
  return batch;
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

parallel::DataParallelOptions sharing_options(const Config& config, const BatchShape& batch) {
  return {.leaves = batch.leaves,
          .zero = static_cast<int>(config.parallel.zero),
          .whole = optim::whole_tensors(optimizer_options(config))};
}

bool saves_in_background(const Config& config) {
  const CheckpointConfig& c = config.checkpoint;
  return c.async && c.every > 0 && c.every < config.train.steps;
}

TrainerOptions trainer_options(const Config& c, const BatchShape& batch) {
  return {.batch = batch,
          .steps = c.train.steps,
          .seed = static_cast<std::uint64_t>(c.train.seed),
          .schedule = {.kind = optim::parse_schedule(c.schedule.kind),
                       .lr = static_cast<float>(c.optim.lr),
                       .warmup = c.schedule.warmup,
                       .steps = c.train.steps,
                       .min_lr = static_cast<float>(c.schedule.min_lr),
                       .decay = static_cast<float>(c.schedule.decay),
                       .shape = optim::parse_decay_shape(c.schedule.decay_shape)},
          .clip = static_cast<float>(c.optim.clip),
          .loss_scale = {.fixed = c.precision.loss_scale},
          .limit_seconds = c.train.limit_seconds,
          .anomaly = c.train.anomaly};
}

std::shared_ptr<nn::LanguageModel> build_model(Device& device, const Config& config,
                                               const nn::ModelSpec& spec) {
  const auto model = spec.make();
  nn::materialize(*model, device, weights_of(config, *model));
  return model;
}

nn::MaterializeOptions weights_of(const Config& config, nn::LanguageModel& model) {
  nn::MaterializeOptions options = weight_options(config);
  if (!config.model.from.empty())
    options.fill = weights_from(model, ModelFiles::open(config.model.from));
  return options;
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

void load(LoadedModel& loaded, Device& device, const nn::ModelSpec& spec, const ModelFiles& files,
          DType compute) {
  loaded.model = spec.make();
  loaded.dtypes = stored_dtypes(*loaded.model, files);  // checks them before memory is taken
  nn::materialize(*loaded.model, device, {.compute = compute});
  load_weights(*loaded.model, files);
}

LoadedModel load_checkpoint(Device& device, const std::string& path, DType compute) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  LoadedModel loaded;
  loaded.folder = checkpoint.folder();
  loaded.step = checkpoint.state().step;
  loaded.config = parse_config(checkpoint.state().config, checkpoint.folder() + "/state.json");
  loaded.tokenizer = make_tokenizer(loaded.config);
  const auto spec = read_hf_config(checkpoint.config_json(), checkpoint.folder() + "/config.json");
  load(loaded, device, spec, checkpoint.model(), compute);
  return loaded;
}

LoadedModel load_hugging_face(Device& device, const std::string& path, DType compute) {
  LoadedModel loaded;
  loaded.folder = path;
  const nn::ModelSpec spec = read_hf_folder(path);
  loaded.config.train.seq_len = spec.max_positions();
  load(loaded, device, spec, ModelFiles::open(path), compute);
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
