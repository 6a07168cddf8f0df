// Data parallelism: ranks compute different leaves of a step and end with the same weights, the
// bits of one rank that computes them all. With ZeRO (Rajbhandari et al., arXiv:1910.02054) each
// rank keeps only its part of
//
//   stage 0  nothing           (every rank has all gradients, and updates all weights)
//   stage 1  optimizer state, f32 masters beside a narrower compute dtype
//   stage 2  and gradients     (each leaf's are exchanged as the backward makes them)
//   stage 3  and weights       (matrices are gathered before use and freed after it)
//
//   gt::run_ranks(4, [&](gt::Communicator& ranks) {
//     ...                                                   // a device, a model with weights
//     gt::parallel::DataParallel dp(*model, device, ranks, {.leaves = 8, .zero = 2});
//     gt::optim::AdamW adamw(gt::nn::trainable_parameters(*model));   // after it
//     for (std::int64_t step = 1; step <= 100; ++step) {
//       dp.begin_step();
//       for (const auto& turn : dp.turns()) {
//         dp.begin_leaf(turn);
//         gt::backward(model->loss(batch_of(step, turn.leaf), 1.0 / terms, context));
//         dp.end_leaf();
//       }
//       dp.finish();
//       dp.step(adamw, {.step = step, .lr = 1e-3f, .clip = dp.clip_scale(1.0f)});
//     }
//   });
//
// Every rank makes the same calls in the same order. The model is whole, with all its uses, when it
// is given away; frozen parameters stay whole on every rank.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/nn/layer.h"
#include "gigatrain/optim/optimizer.h"
#include "gigatrain/parallel/gradient_collector.h"
#include "gigatrain/parallel/leaf_plan.h"

namespace gigatrain::parallel {

struct DataParallelOptions {
  // V of a step until set_leaves(), a power of two, at least the number of ranks.
  std::int64_t leaves = 1;
  int zero = 0;  // stage, 0 to 3
  // Parameters that are updated as a whole, each by one rank: optim::whole_tensors(). None: every
  // parameter is cut.
  std::function<bool(const Parameter&)> whole{};
  std::int64_t bucket_bytes = 16 << 20;  // of f32 gradients, which move together
  int ranks_per_node = 0;                // 0: all ranks are on one node
  // For a model without weights yet: it gets them bucket by bucket, so that no rank ever holds all
  // of what it will share.
  std::optional<nn::MaterializeOptions> weights{};
};

class DataParallel : public GradientCollector {
 public:
  // The model has weights, the same on every rank, or options.weights says which it gets. From
  // stage 1 on their memory is taken over:
  // Parameter::own_value() is what this rank keeps. Throws Error(invalid_argument).
  DataParallel(nn::Layer& model, Device& device, Communicator& ranks,
               const DataParallelOptions& options);
  ~DataParallel() override;

  // Every rank calls it; none waits for the others. At least as many leaves as ranks.
  void set_leaves(std::int64_t leaves) override;
  const std::vector<LeafTurn>& turns() const override { return turns_; }
  void begin_step() override;
  void begin_leaf(const LeafTurn& turn, std::int64_t micro_batches = 1) override;
  void end_leaf() override;
  // Parameter::grad holds the step's gradient of what is own.
  void finish() override;

  // optim::clip_scale() of the gradients of all ranks: {norm, factor}, the same on each. `guard`:
  // the losses of all ranks, in an order that is the same on each.
  Tensor clip_scale(float max_norm, const Tensor& guard = {}, double loss_scale = 1.0);
  // Updates what is own, and begins to gather the whole weights.
  void step(optim::Optimizer& optimizer, const optim::StepOptions& options);
  // Call after weights were changed otherwise, e.g. loaded.
  void weights_changed();

  Communicator& ranks() const { return ranks_; }
  Communicator& device_ranks() const { return *device_ranks_; }  // their devices' memory
  const LeafPlan& plan() const;
  const DataParallelOptions& options() const { return options_; }
  const std::vector<Parameter*>& parameters() const { return parameters_; }  // trainable, by name

 private:
  struct Impl;
  DataParallelOptions options_;
  Communicator& ranks_;
  std::unique_ptr<Communicator> device_ranks_;
  std::vector<Parameter*> parameters_;
  std::vector<LeafTurn> turns_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gigatrain::parallel
