// The configuration of a run: one plain struct a section. Members are initialised to their
// defaults; names, documentation and ranges stand in config_fields.h, once.
//
//   gt::Config c = gt::load_config("bible.toml", {"train.steps=100", "optim.lr=1e-3"});
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gigatrain {

struct RunConfig {
  std::string name;  // "": the configuration file's name without .toml
  std::string dir = "runs";
};

struct ModelConfig {
  std::string kind = "gpt";
  std::string from;  // a Hugging Face folder; sizes are then read from its config.json
  std::int64_t n_layer = 12;
  std::int64_t n_head = 12;
  std::int64_t n_kv_head = 0;  // 0: n_head
  std::int64_t n_embd = 768;
  std::int64_t n_inner = 0;     // 0: 4 n_embd
  std::int64_t vocab_size = 0;  // 0: the tokenizer's
  double dropout = 0.0;
  bool tie = true;
  double init_std = 0.02;
  double norm_eps = 1e-5;
  std::int64_t head_dim = 0;  // 0: n_embd / n_head
  bool qk_norm = false;
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  double rope_theta = 10000.0;
  std::string rope_scaling = "none";
  double rope_factor = 1.0;
  std::int64_t rope_positions = 0;  // 0: train.seq_len / rope_factor
  std::int64_t no_rope_every = 0;   // 0: every layer rotates
};

// The architectures that model.kind names.
std::vector<std::string_view> model_kind_names();

struct DataConfig {
  std::vector<std::string> train;
  std::vector<std::string> val;
  std::string tokenizer = "byte";
};

struct TrainConfig {
  std::int64_t global_batch = 16;  // = leaves * A * micro_batch
  std::int64_t micro_batch = 0;    // 0: default_micro_batch(global_batch)
  std::int64_t leaves = 0;         // 0: default_leaves(...)
  std::vector<std::string> batch_ramp;
  std::int64_t seq_len = 256;
  std::int64_t steps = 0;
  std::int64_t seed = 1;
  std::string numerics = "deterministic";
  std::int64_t eval_every = 100;
  std::int64_t eval_batches = 0;
  std::int64_t sample_every = 0;
  std::int64_t sample_tokens = 200;
  std::string sample_prompt = "\n";
  double limit_seconds = 0.0;
  bool anomaly = false;
};

struct OptimConfig {
  std::string name = "adamw";
  double lr = 6e-4;
  double weight_decay = 0.1;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double momentum = 0.95;
  bool nesterov = true;
  bool decoupled = false;
  double threshold = 1.0;
  bool relative_step = false;
  double clip = 1.0;
  double ema = 0.0;
  bool ema_bias_correction = true;
  std::vector<std::string> groups;
};

struct ScheduleConfig {
  std::string kind = "cosine";
  std::int64_t warmup = 0;
  double min_lr = 0.1;  // fraction of optim.lr
  double decay = 0.2;   // of wsd: fraction of train.steps
  std::string decay_shape = "linear";
};

struct ParallelConfig {
  std::int64_t dp = 0;  // 0: what is left of the ranks
  std::int64_t zero = 0;
  std::int64_t tp = 1, sp = 1, cp = 1, pp = 1, ep = 1;
};

struct PrecisionConfig {
  std::string params = "f32";
  std::string compute = "f32";
  std::string grads = "f32";
  double loss_scale = 0;
};

struct CheckpointConfig {
  std::int64_t every = 200;
  std::int64_t keep = 2;
  std::int64_t keep_every = 0;
  bool async = true;
  double bandwidth = 0;
};

struct LogConfig {
  std::int64_t every = 10;
  bool trace = false;
};

struct TrustConfig {};  // its keys arrive with the features

struct Config {
  RunConfig run;
  ModelConfig model;
  DataConfig data;
  TrainConfig train;
  OptimConfig optim;
  ScheduleConfig schedule;
  ParallelConfig parallel;
  PrecisionConfig precision;
  CheckpointConfig checkpoint;
  LogConfig log;
  TrustConfig trust;
};

// Reads a TOML file, then applies overrides "section.key=value" in order. The result is checked;
// every problem found is listed in one Error(invalid_argument). train.micro_batch and run.name are
// filled in; train.leaves, model.n_kv_head, n_inner and vocab_size stay 0 where they were not
// given, since they depend on the model and the tokenizer.
Config load_config(const std::string& path, const std::vector<std::string>& overrides = {});
Config parse_config(const std::string& text, const std::string& origin,
                    const std::vector<std::string>& overrides = {});

// Checks ranges and the rules between fields; throws Error listing all that is broken.
void validate(const Config& config);

// The largest divisor of global_batch that is at most 4.
std::int64_t default_micro_batch(std::int64_t global_batch);
// The largest power of two V with global_batch = V * A * micro_batch, at most 16, or at most 4
// above a billion parameters (each doubling costs one f32 gradient of memory).
int default_leaves(std::int64_t global_batch, std::int64_t micro_batch,
                   std::int64_t parameters = 0);

std::string to_toml(const Config& config);  // every key; parses back to the same values
std::string to_json(const Config& config);
std::string config_help();      // for --help
std::string config_markdown();  // the tables of docs/reference.md
std::string config_fields();    // one line a key: name, type, default, range (the golden test)

}  // namespace gigatrain
