// A small model, data and optimizer: a training state that tests can run and compare by digest.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include "gigatrain/nn/models/gpt.h"
#include "gigatrain/nn/models/llama.h"
#include "gigatrain/optim/make_optimizer.h"
#include "gigatrain/train/shard.h"
#include "gigatrain/train/state_digest.h"
#include "gigatrain/train/token_source.h"
#include "gigatrain/train/trainer.h"
#include "support/random.h"

namespace gigatrain::test {

// A folder of this test's own, removed at the end.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "gigatrain-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A shard of ids in [0, vocab) with some structure to learn: each id follows from the one before.
inline void write_shard(const std::string& path, std::int64_t tokens, std::int64_t vocab) {
  const auto u = random_values(tokens, "shard");
  std::vector<std::int32_t> ids{0};
  for (std::size_t i = 1; i < u.size(); ++i) {
    const auto next = (ids.back() * 5 + 3) % vocab;
    ids.push_back(static_cast<std::int32_t>(
        u[i] < 0.4 ? next
                   : static_cast<std::int64_t>((u[i] + 1) / 2 * static_cast<double>(vocab))));
  }
  ShardWriter writer(path, vocab);
  writer.append(ids);
  ShardSidecar sidecar;
  sidecar.vocab_size = vocab;
  writer.finish(sidecar);
}

// The same tokens with other numbers of targets: sample s lacks s mod T of them, and the samples of
// leaf 3 have none.
class UnequalTargets : public BatchSource {
 public:
  UnequalTargets(const TokenSource& tokens, std::int64_t samples_of_leaf)
      : tokens_(tokens), samples_of_leaf_(samples_of_leaf) {}
  const std::vector<nn::FieldSpec>& fields() const override { return tokens_.fields(); }
  std::int64_t global_batch() const override { return tokens_.global_batch(); }
  void fill(std::int64_t step, std::int64_t first, std::int64_t count,
            FieldPointers out) const override {
    tokens_.fill(step, first, count, out);
    const std::int64_t length = tokens_.positions();
    auto* targets = static_cast<std::int32_t*>(out[1]);
    for (std::int64_t s = 0; s < count; ++s)
      for (std::int64_t t = 0; t < length; ++t)
        if ((first + s) / samples_of_leaf_ == 3 || t < (first + s) % length)
          targets[s * length + t] = -1;
  }
  std::int64_t loss_terms(std::int64_t count, FieldPointers filled) const override {
    return tokens_.loss_terms(count, filled);
  }
  std::uint64_t digest() const override { return tokens_.digest() + 1; }
  std::int64_t positions() const override { return tokens_.positions(); }

 private:
  const TokenSource& tokens_;
  std::int64_t samples_of_leaf_;
};

struct TinyOptions {
  int threads = 1;
  Isa isa = CpuFeatures::get().best;
  DType compute = DType::f32;
  DType params = DType::f32;
  BatchShape batch{.leaves = 8, .micro_batches = 2, .micro_batch = 2, .seq_len = 12};
  LeafOrder order{};
  float dropout = 0.1f;  // of the GPT
  bool llama = false;    // in place of the GPT: packed weights, norms of q and k, an untied head
  optim::OptimizerOptions optimizer{.seed = 5};
  float lr = 3e-3f;
  LossScaleOptions loss_scale{};
  std::int64_t steps = 6;
  std::int64_t n_embd = 32, vocab = 37;
  bool unequal = false;  // targets
  // Who share the work; null: one rank.
  Communicator* ranks = nullptr;
  int zero = 0;
  std::int64_t bucket_bytes = 16 << 20;
  int ranks_per_node = 0;
};

struct TinyRun {
  static constexpr std::int64_t kVocab = 37, kSteps = 6;
  std::unique_ptr<Device> own_device;  // none: the device is the caller's
  Device& device;
  Communicator* ranks;
  std::shared_ptr<nn::LanguageModel> model;
  std::unique_ptr<parallel::DataParallel> sharing;
  std::unique_ptr<optim::Optimizer> optimizer;
  TokenSource data;
  UnequalTargets unequal;
  std::unique_ptr<Trainer> trainer;

  // On a CPU device of its own, or on the one given (whose threads and isa are its own affair).
  TinyRun(const std::string& shard, const TinyOptions& o)
      : TinyRun(shard, o,
                std::make_unique<Device>(CpuOptions{.threads = o.threads, .isa = o.isa})) {}
  TinyRun(const std::string& shard, const TinyOptions& o, std::unique_ptr<Device> own)
      : TinyRun(shard, o, *own) {
    own_device = std::move(own);
  }
  TinyRun(const std::string& shard, const TinyOptions& o, Device& on)
      : device(on),
        ranks(o.ranks),
        data({shard},
             {.seq_len = o.batch.seq_len, .global_batch = o.batch.global_batch(), .seed = 5}),
        unequal(data, o.batch.micro_batches * o.batch.micro_batch) {
    if (o.llama)
      model = nn::llama({.vocab_size = o.vocab,
                         .n_positions = o.batch.seq_len,
                         .n_layer = 2,
                         .n_head = 4,
                         .n_kv_head = 2,
                         .n_embd = o.n_embd,
                         .n_inner = o.n_embd * 3 / 2,
                         .head_dim = 12,
                         .tie = false,
                         .qk_norm = true});
    else
      model = nn::gpt({.vocab_size = o.vocab,
                       .n_positions = o.batch.seq_len,
                       .n_layer = 2,
                       .n_head = 4,
                       .n_kv_head = 2,
                       .n_embd = o.n_embd,
                       .dropout = o.dropout});
    nn::materialize(*model, device, {.compute = o.compute, .params = o.params, .seed = 5});
    if (o.ranks)
      sharing = std::make_unique<parallel::DataParallel>(
          *model, device, *o.ranks,
          parallel::DataParallelOptions{.leaves = o.batch.leaves,
                                        .zero = o.zero,
                                        .whole = optim::whole_tensors(o.optimizer),
                                        .bucket_bytes = o.bucket_bytes,
                                        .ranks_per_node = o.ranks_per_node});
    optimizer = optim::make_optimizer(nn::named_parameters(*model), o.optimizer);
    const BatchSource& source = o.unequal ? static_cast<const BatchSource&>(unequal) : data;
    trainer = std::make_unique<Trainer>(*model, *optimizer, source,
                                        TrainerOptions{.batch = o.batch,
                                                       .steps = o.steps,
                                                       .seed = 5,
                                                       .schedule = {.lr = o.lr, .warmup = 2},
                                                       .loss_scale = o.loss_scale,
                                                       .leaf_order = o.order,
                                                       .ranks = sharing.get()});
  }
  std::uint64_t digest() {
    return state_digest(trainer->parameters(), optimizer.get(), ranks).value;
  }
  std::uint64_t digest_after(std::int64_t steps) {
    losses_to(steps);
    return digest();
  }
  // Trains until `steps` steps are done; the loss of each step made.
  std::vector<double> losses_to(std::int64_t steps) {
    std::vector<double> losses;
    while (trainer->steps_done() < steps) losses.push_back(trainer->step().loss);
    return losses;
  }
};

}  // namespace gigatrain::test
