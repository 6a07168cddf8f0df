// The keys of the configuration, defined once: name, documentation, unit, range (see fields.h).
#pragma once

#include <type_traits>

#include "gigatrain/base/fields.h"
#include "gigatrain/optim/make_optimizer.h"
#include "gigatrain/train/config.h"

namespace gigatrain {

template <class S, class Section>
concept SectionOf = std::is_same_v<std::remove_const_t<S>, Section>;

template <SectionOf<RunConfig> S>
void visit_fields(S& s, auto&& visit) {
  visit(Field{.name = "name", .doc = "run name; default: the configuration file's name"}, s.name);
  visit(Field{.name = "dir", .doc = "folder that holds the run folders"}, s.dir);
}

template <SectionOf<ModelConfig> S>
void visit_fields(S& s, auto&& visit) {
  visit(Field{.name = "kind",
              .doc = "architecture; with model.from the folder's",
              .choices = model_kind_names()},
        s.kind);
  visit(Field{.name = "from",
              .doc = "Hugging Face folder to start from; its config.json gives sizes"},
        s.from);
  visit(Field{.name = "n_layer", .doc = "transformer blocks", .min = 1, .max = 10000}, s.n_layer);
  visit(Field{.name = "n_head", .doc = "attention heads", .min = 1, .max = 65536}, s.n_head);
  visit(Field{.name = "n_kv_head", .doc = "key and value heads; 0: n_head", .min = 0, .max = 65536},
        s.n_kv_head);
  visit(Field{.name = "n_embd",
              .doc = "channels, a multiple of n_head unless head_dim is given",
              .min = 1,
              .max = 1 << 20},
        s.n_embd);
  visit(Field{.name = "n_inner",
              .doc = "MLP channels; 0: 4 n_embd (gpt), 8/3 n_embd up to a multiple of 64 (llama)",
              .min = 0,
              .max = 1 << 22},
        s.n_inner);
  visit(Field{.name = "vocab_size",
              .doc = "token ids; 0: the tokenizer's; more is allowed, less is not",
              .min = 0,
              .max = 1 << 24},
        s.vocab_size);
  visit(Field{.name = "dropout", .doc = "probability", .min = 0, .max = 1, .below_max = true},
        s.dropout);
  visit(Field{.name = "tie", .doc = "the head is the token table"}, s.tie);
  visit(Field{.name = "init_std",
              .doc = "of initial matrices; small models learn sooner with 1 / sqrt(n_embd)",
              .min = 0,
              .max = 1,
              .above_min = true},
        s.init_std);
  visit(Field{.name = "norm_eps",
              .doc = "added to the variance in norms",
              .min = 0,
              .max = 1,
              .above_min = true},
        s.norm_eps);
  visit(Field{.name = "head_dim",
              .doc = "llama: channels of a head; 0: n_embd / n_head",
              .min = 0,
              .max = 4096},
        s.head_dim);
  visit(Field{.name = "qk_norm", .doc = "llama: normalise each head's query and key (Qwen3)"},
        s.qk_norm);
  visit(Field{.name = "qkv_bias", .doc = "llama: biases on q, k and v (Qwen2)"}, s.qkv_bias);
  visit(Field{.name = "o_bias", .doc = "llama: bias on the attention's output"}, s.o_bias);
  visit(Field{.name = "mlp_bias", .doc = "llama: biases in the MLP"}, s.mlp_bias);
  visit(Field{.name = "rope_theta",
              .doc = "llama: base of the rotary frequencies",
              .min = 1,
              .max = 1e12,
              .above_min = true},
        s.rope_theta);
  visit(Field{.name = "rope_scaling",
              .doc = "llama: how rotary positions stretch to longer contexts",
              .choices = {"none", "linear", "llama3", "yarn"}},
        s.rope_scaling);
  visit(Field{.name = "rope_factor", .doc = "llama: by how much", .min = 1, .max = 1e6},
        s.rope_factor);
  visit(Field{.name = "rope_positions",
              .doc = "llama: context before stretching; 0: train.seq_len / rope_factor",
              .unit = "tokens",
              .min = 0,
              .max = 1 << 30},
        s.rope_positions);
  visit(Field{.name = "no_rope_every",
              .doc = "llama: every so many layers, one does not rotate (SmolLM3: 4); 0: all do",
              .unit = "layers",
              .min = 0,
              .max = 10000},
        s.no_rope_every);
}

template <SectionOf<DataConfig> S>
void visit_fields(S& s, auto&& visit) {
  visit(Field{.name = "train",
              .doc = "token shards to train on: a file, a folder (its train*.bin), or a list",
              .required = true},
        s.train);
  visit(Field{.name = "val", .doc = "token shards to evaluate on; a folder means its val*.bin"},
        s.val);
  visit(Field{.name = "tokenizer",
              .doc = "how text became tokens; none: ids of another tokenizer, no text is shown",
              .choices = {"byte", "none"}},
        s.tokenizer);
}

template <SectionOf<TrainConfig> S>
void visit_fields(S& s, auto&& visit) {
  visit(Field{.name = "global_batch",
              .doc = "batch of a step, = leaves * A * micro_batch",
              .unit = "sequences",
              .min = 1,
              .max = 1 << 24},
        s.global_batch);
  visit(Field{.name = "micro_batch",
              .doc = "what one forward pass sees; 0: largest divisor of global_batch up to 4",
              .unit = "sequences",
              .min = 0,
              .max = 1 << 24},
        s.micro_batch);
  visit(Field{.name = "leaves",
              .doc = "leaves of the gradient tree, a power of two; 0: the largest up to 16",
              .min = 0,
              .max = 65536},
        s.leaves);
  visit(Field{.name = "batch_ramp",
              .doc = "STEP: LEAVES of steps from that one on; the most is train.leaves, as is "
                     "every step's without a ramp"},
        s.batch_ramp);
  visit(Field{.name = "seq_len", .doc = "context", .unit = "tokens", .min = 1, .max = 1 << 24},
        s.seq_len);
  visit(Field{.name = "steps",
              .doc = "optimizer steps of the whole run",
              .unit = "steps",
              .min = 1,
              .max = 2147483647,
              .required = true},
        s.steps);
  visit(Field{.name = "seed", .doc = "of initial values, data order and dropout", .min = 0},
        s.seed);
  visit(Field{.name = "numerics",
              .doc = "what the bits of the weights may depend on",
              .choices = {"fast", "deterministic", "strict"}},
        s.numerics);
  visit(Field{.name = "eval_every", .doc = "evaluate; 0: never", .unit = "steps", .min = 0},
        s.eval_every);
  visit(Field{.name = "eval_batches",
              .doc = "micro-batches of an evaluation; 0: the whole of data.val",
              .unit = "batches",
              .min = 0},
        s.eval_batches);
  visit(Field{.name = "sample_every", .doc = "write a sample; 0: never", .unit = "steps", .min = 0},
        s.sample_every);
  visit(Field{.name = "sample_tokens",
              .doc = "length of a sample",
              .unit = "tokens",
              .min = 1,
              .max = 1 << 20},
        s.sample_tokens);
  visit(Field{.name = "sample_prompt", .doc = "text that a sample continues"}, s.sample_prompt);
  visit(Field{.name = "limit_seconds",
              .doc = "stop at a clean step after this much training; 0: no limit",
              .unit = "s",
              .min = 0,
              .max = 1e9},
        s.limit_seconds);
  visit(Field{.name = "anomaly",
              .doc = "stop where the first NaN or Inf is made and name it; several times slower"},
        s.anomaly);
}

template <SectionOf<OptimConfig> S>
void visit_fields(S& s, auto&& visit) {
  visit(Field{.name = "name", .doc = "optimizer", .choices = optim::optimizer_names()}, s.name);
  visit(Field{.name = "lr", .doc = "peak learning rate", .min = 0, .max = 1e3, .above_min = true},
        s.lr);
  visit(Field{.name = "weight_decay",
              .doc = "of matrices; decoupled, but for sgd L2",
              .min = 0,
              .max = 1e3},
        s.weight_decay);
  visit(Field{.name = "beta1", .doc = "decay of the mean", .min = 0, .max = 1, .below_max = true},
        s.beta1);
  visit(Field{.name = "beta2", .doc = "decay of the square", .min = 0, .max = 1, .below_max = true},
        s.beta2);
  visit(Field{.name = "eps", .doc = "added to the root", .min = 0, .max = 1, .above_min = true},
        s.eps);
  visit(Field{.name = "momentum", .doc = "of sgd and muon", .min = 0, .max = 1, .below_max = true},
        s.momentum);
  visit(Field{.name = "nesterov", .doc = "of sgd and muon: look ahead along the momentum"},
        s.nesterov);
  visit(Field{.name = "decoupled", .doc = "sgd: weight decay apart from the gradient, not L2"},
        s.decoupled);
  visit(Field{.name = "threshold",
              .doc = "adafactor: largest root mean square of a tensor's update",
              .min = 0,
              .max = 1e30,
              .above_min = true},
        s.threshold);
  visit(Field{.name = "relative_step",
              .doc = "adafactor: the paper's rates in place of the schedule's"},
        s.relative_step);
  visit(Field{.name = "clip",
              .doc = "largest global gradient norm; 0: no clipping",
              .min = 0,
              .max = 1e30},
        s.clip);
  visit(Field{.name = "ema",
              .doc = "decay of an average of the weights, which is then evaluated; 0: none",
              .min = 0,
              .max = 1,
              .below_max = true},
        s.ema);
  visit(Field{.name = "ema_bias_correction",
              .doc = "weigh the average's first steps as Adam does; else it starts at the weights"},
        s.ema_bias_correction);
  visit(Field{.name = "groups",
              .doc = "PATTERN: lr=FACTOR, decay=VALUE by parameter name; the first that matches"},
        s.groups);
}

template <SectionOf<ScheduleConfig> S>
void visit_fields(S& s, auto&& visit) {
  visit(Field{.name = "kind",
              .doc = "of the learning rate after warm-up",
              .choices = {"cosine", "linear", "constant", "inverse_sqrt", "wsd"}},
        s.kind);
  visit(Field{.name = "warmup", .doc = "linear rise from zero", .unit = "steps", .min = 0},
        s.warmup);
  visit(
      Field{
          .name = "min_lr", .doc = "last learning rate, fraction of optim.lr", .min = 0, .max = 1},
      s.min_lr);
  visit(Field{.name = "decay",
              .doc = "wsd: the last fraction of train.steps, in which the rate falls",
              .min = 0,
              .max = 1,
              .above_min = true},
        s.decay);
  visit(Field{.name = "decay_shape",
              .doc = "wsd: the fall is a line, or 1 - sqrt(t)",
              .choices = {"linear", "sqrt"}},
        s.decay_shape);
}

template <SectionOf<ParallelConfig> S>
void visit_fields(S& s, auto&& visit) {
  visit(Field{.name = "dp", .doc = "data; 0: what is left of the ranks", .unit = "ranks", .min = 0},
        s.dp);
  visit(Field{.name = "zero", .doc = "ZeRO stage of sharded data parallelism", .min = 0, .max = 3},
        s.zero);
  visit(Field{.name = "tp", .doc = "tensor", .unit = "ranks", .min = 1}, s.tp);
  visit(Field{.name = "sp", .doc = "sequence", .unit = "ranks", .min = 1}, s.sp);
  visit(Field{.name = "cp", .doc = "context", .unit = "ranks", .min = 1}, s.cp);
  visit(Field{.name = "pp", .doc = "pipeline", .unit = "ranks", .min = 1}, s.pp);
  visit(Field{.name = "ep", .doc = "experts", .unit = "ranks", .min = 1}, s.ep);
}

template <SectionOf<PrecisionConfig> S>
void visit_fields(S& s, auto&& visit) {
  visit(Field{.name = "params",
              .doc = "weights; bf16: no f32 master, stochastic rounding",
              .choices = {"f32", "bf16"}},
        s.params);
  visit(Field{.name = "compute",
              .doc = "matrix products, attention",
              .choices = {"f32", "bf16", "f16"}},
        s.compute);
  visit(Field{.name = "grads", .doc = "gradient sums", .choices = {"f32"}}, s.grads);
  visit(Field{.name = "loss_scale",
              .doc = "f16: the loss is multiplied by this power of two; 0: as large as fits",
              .min = 0,
              .max = 16777216},
        s.loss_scale);
}

template <SectionOf<CheckpointConfig> S>
void visit_fields(S& s, auto&& visit) {
  visit(Field{.name = "every", .doc = "save; 0: at the end only", .unit = "steps", .min = 0},
        s.every);
  visit(Field{.name = "keep",
              .doc = "newest checkpoints to keep, besides the best",
              .min = 1,
              .max = 1000000},
        s.keep);
  visit(Field{.name = "keep_every",
              .doc = "checkpoints of its multiples are kept for good; 0: none",
              .unit = "steps",
              .min = 0},
        s.keep_every);
  visit(Field{.name = "async", .doc = "write while training goes on, from a copy of the state"},
        s.async);
  visit(Field{.name = "bandwidth",
              .doc = "of each rank's writing while training goes on, at most; 0: no limit",
              .unit = "MB/s",
              .min = 0},
        s.bandwidth);
}

template <SectionOf<LogConfig> S>
void visit_fields(S& s, auto&& visit) {
  visit(Field{.name = "every", .doc = "one progress line", .unit = "steps", .min = 1}, s.every);
  visit(Field{.name = "trace",
              .doc = "write steps 2 to 4 of this process to trace/, for ui.perfetto.dev"},
        s.trace);
}

template <SectionOf<TrustConfig> S>
void visit_fields(S&, auto&&) {}

// Calls visit(name, section) for each section, in the order of the file.
template <SectionOf<Config> C>
void visit_sections(C& c, auto&& visit) {
  visit("run", c.run);
  visit("model", c.model);
  visit("data", c.data);
  visit("train", c.train);
  visit("optim", c.optim);
  visit("schedule", c.schedule);
  visit("parallel", c.parallel);
  visit("precision", c.precision);
  visit("checkpoint", c.checkpoint);
  visit("log", c.log);
  visit("trust", c.trust);
}

}  // namespace gigatrain
