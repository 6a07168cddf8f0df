// The order in which a run sees its tokens. A window is seq_len + 1 consecutive tokens; sample s of
// step t is window number n = t * global_batch + s of the run. Epoch e = n / W starts its windows
// at an offset of its own and walks them in an order of its own, so that
//   batch(t, s) is a pure function of (dataset digest, seed, t, s)
// and no loader state but the step exists: nothing to save, nothing that depends on rank count or
// micro-batch size. Within an epoch every window comes exactly once.
//
//   gt::TokenSource data({"data/train.bin"}, {.seq_len = 256, .global_batch = 16, .seed = 1});
//   data.fill(step, first_sample, samples, tokens, targets);
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gigatrain/base/philox.h"
#include "gigatrain/train/batch_source.h"
#include "gigatrain/train/shard.h"

namespace gigatrain {

struct TokenSourceOptions {
  std::int64_t seq_len = 256;
  std::int64_t global_batch = 1;
  std::uint64_t seed = 0;
  std::int64_t vocab_size = 0;        // ids must be below it; 0: not checked
  std::string tokenizer_sha256 = {};  // shards made by another tokenizer are refused; "": any
  std::string split = "train";        // a folder stands for its <split>*.bin
};

struct TokenBatch {
  std::int64_t samples = 0, seq_len = 0;
  std::vector<std::int32_t> tokens, targets;  // (samples, seq_len) each
};

// The fields "tokens" and "targets", (seq_len) i32 each.
std::vector<nn::FieldSpec> token_fields(std::int64_t seq_len);

class TokenSource : public BatchSource {
 public:
  // Several shards are one stream of tokens, in the order given (a folder's by name).
  TokenSource(const std::vector<std::string>& paths, const TokenSourceOptions& options);

  // Samples [first_sample, first_sample + samples) of a step, as (samples, seq_len) rows; a target
  // is the token after. Safe to call from several threads.
  void fill(std::int64_t step, std::int64_t first_sample, std::int64_t samples,
            std::int32_t* tokens, std::int32_t* targets) const;
  TokenBatch batch_at(std::int64_t step) const;

  const std::vector<nn::FieldSpec>& fields() const override { return fields_; }
  std::int64_t global_batch() const override { return options_.global_batch; }
  void fill(std::int64_t step, std::int64_t first_sample, std::int64_t samples,
            FieldPointers out) const override;
  void will_need(std::int64_t step, std::int64_t first_sample, std::int64_t count) const override;
  std::int64_t loss_terms(std::int64_t samples, FieldPointers filled) const override;
  std::int64_t eval_samples() const override { return eval_windows(); }
  void fill_eval(std::int64_t first, std::int64_t count, FieldPointers out) const override;
  std::int64_t positions() const override { return options_.seq_len; }
  std::string_view unit() const override { return "tokens"; }

  // Evaluation: windows in order, without overlap, that cover every token after the first exactly
  // once as a target. The last may be partial; its unused targets are -1.
  std::int64_t eval_windows() const;
  void eval_window(std::int64_t index, std::int32_t* tokens, std::int32_t* targets) const;

  std::int64_t tokens() const { return tokens_; }
  std::int64_t windows_per_epoch() const { return windows_; }
  std::int64_t seq_len() const { return options_.seq_len; }
  std::uint64_t digest() const override { return digest_; }
  const std::vector<Shard>& shards() const { return shards_; }

  // First token of the run's window number n, for tests and inspection.
  std::int64_t window_begin(std::int64_t n) const;

 private:
  void check_options() const;
  void plan_windows();
  // visit(shard, first token in it, tokens) for each shard that a range of tokens touches.
  template <class Visit>
  void in_shards(std::int64_t first, std::int64_t count, const Visit& visit) const;
  void read(std::int64_t first, std::span<std::int32_t> out) const;

  TokenSourceOptions options_;
  std::vector<nn::FieldSpec> fields_;
  std::vector<Shard> shards_;
  std::vector<std::int64_t> begins_;  // first token of each shard, and the end
  std::int64_t tokens_ = 0, windows_ = 0, offsets_ = 1;
  std::uint64_t digest_ = 0;
  PhiloxKey key_;
};

// Shard files for what a configuration names: a file is itself, a folder its <split>*.bin.
std::vector<std::string> find_shards(const std::vector<std::string>& paths,
                                     const std::string& split);

// Position `index` of a keyed permutation of [0, size): a Feistel network (Luby and Rackoff, 1988)
// on the next even number of bits, walked along its cycle until it falls inside.
std::int64_t permute(std::int64_t index, std::int64_t size, PhiloxKey key, std::int64_t epoch);

}  // namespace gigatrain
