// The forward and backward of one training step: V leaves of A micro-batches each, the loss of
// every micro-batch divided by the step's global number of target tokens, the leaf gradients added
// by the tree (parallel/gradient_tree.h). What it computes depends on (weights, data, seed, step)
// and the shape of the batch only.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gigatrain/nn/models/language_model.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "gigatrain/train/token_source.h"

namespace gigatrain {

struct BatchShape {
  std::int64_t leaves = 1;         // V, a power of two
  std::int64_t micro_batches = 1;  // A, of each leaf
  std::int64_t micro_batch = 1;    // sequences of one forward
  std::int64_t seq_len = 1;        // T

  std::int64_t global_batch() const { return leaves * micro_batches * micro_batch; }
  std::int64_t tokens() const { return global_batch() * seq_len; }
};

// The order in which one rank works through the leaves, as `blocks` ranks would hold them. It never
// changes a bit; tests run them all.
struct LeafOrder {
  std::int64_t blocks = 1;
  bool strided = false;
};

class GradientStep {
 public:
  GradientStep(nn::LanguageModel& model, Device& device, const BatchShape& shape,
               std::uint64_t seed, const LeafOrder& order = {});

  // Submits the step and does not wait for it: each parameter's `grad` will hold its gradient.
  // Returns the number of target tokens; 0: nothing to learn from, and no gradient is made.
  std::int64_t run(const TokenSource& data, std::int64_t step);
  // The part of run() after the tokens are in the device's memory. `micro_batches`: of each leaf, A
  // unless a memory plan, which computes nothing, is content with fewer.
  void submit(std::int64_t step, std::int64_t targets, std::int64_t micro_batches);
  // Of each micro-batch of the last run, in the device's memory: f32 (V * A).
  const Tensor& losses() const { return losses_; }
  // Mean over the target tokens. Waits for the device.
  double loss() const;

  const std::vector<Parameter*>& parameters() const { return parameters_; }
  const BatchShape& shape() const { return shape_; }

 private:
  std::int64_t load(const TokenSource& data, std::int64_t step);
  void run_leaf(std::int64_t leaf, std::int64_t step, double scale, std::int64_t micro_batches);

  nn::LanguageModel& model_;
  Device& device_;
  BatchShape shape_;
  std::uint64_t seed_;
  std::vector<std::int64_t> order_;
  std::vector<Parameter*> parameters_;
  parallel::GradientTree tree_;
  // The whole step's, sample by sample: on the host, and on the device (global_batch, T) i32.
  std::vector<std::int32_t> host_tokens_, host_targets_;
  Tensor tokens_, targets_, losses_;
};

}  // namespace gigatrain
