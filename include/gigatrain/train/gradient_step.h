// The forward and backward of one training step: V leaves of A micro-batches each, the loss of
// every micro-batch divided by the step's global number of loss terms (target tokens, samples), the
// leaf gradients added by the tree (parallel/gradient_tree.h). What it computes depends on
// (weights, data, seed, step) and the shape of the batch only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "gigatrain/nn/model.h"
#include "gigatrain/parallel/data_parallel.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "gigatrain/train/batch_shape.h"
#include "gigatrain/train/batch_source.h"

namespace gigatrain {

using parallel::LeafOrder;

class GradientStep {
 public:
  // fields: of the data; none: tokens and targets of shape.seq_len. ranks: who share the leaves,
  // each calling the same; null: this rank computes all.
  GradientStep(nn::Model& model, Device& device, const BatchShape& shape, std::uint64_t seed,
               const LeafOrder& order = {}, std::vector<nn::FieldSpec> fields = {},
               parallel::DataParallel* ranks = nullptr);

  // Submits the step, of shape.leaves_at(step) leaves, and does not wait for it: each parameter's
  // `grad` will hold its gradient. Returns the number of loss terms; 0: nothing to learn from, and
  // no gradient is made.
  // `loss_scale`: gradients and losses() are of so many times the loss (loss_scale.h).
  std::int64_t run(const BatchSource& data, std::int64_t step, double loss_scale = 1.0);
  // The part of run() after the batch is in the device's memory, of the leaves of the last run, or
  // V. `micro_batches`: of each leaf, A unless a memory plan, which computes nothing, is content
  // with fewer.
  void submit(std::int64_t step, std::int64_t terms, std::int64_t micro_batches,
              double loss_scale = 1.0);
  // Of each micro-batch of the last run, of all ranks, in the device's memory: f32 (leaves * A),
  // ordered by rank, then as it computes.
  const Tensor& losses() const { return losses_; }
  // Mean over the loss terms, not scaled. Waits for the device.
  double loss() const;

  double data_ms() const { return data_ms_; }  // reading the last run's batch, on this rank

  // The trainable ones.
  const std::vector<Parameter*>& parameters() const { return parameters_; }
  const BatchShape& shape() const { return shape_; }

 private:
  std::int64_t load(const BatchSource& data, std::int64_t step);
  void run_leaf(std::int64_t turn, std::int64_t step, double scale, std::int64_t micro_batches);
  std::int64_t samples_of_leaf() const { return shape_.micro_batches * shape_.micro_batch; }
  std::int64_t own_leaves() const;
  void set_leaves(std::int64_t leaves);
  // visit(place in the batch, step of the source, first sample in it, samples): this rank's, a call
  // for each run of neighbours.
  template <class Visit>
  void visit_samples(std::int64_t step, const Visit& visit) const;
  void gather_losses();
  void say(std::int64_t step, const char* phase) const;  // where this rank is, for the others

  nn::Model& model_;
  Device& device_;
  BatchShape shape_;
  std::uint64_t seed_;
  std::vector<Parameter*> parameters_;
  parallel::DataParallel* ranks_;
  std::unique_ptr<parallel::GradientCollector> tree_;  // of one rank
  parallel::GradientCollector& collector_;
  std::int64_t leaves_ = 0;  // of the step at hand
  // This rank's samples, leaf by leaf in its order, on the host (from the first load on) and on the
  // device, with room for those of V leaves.
  std::vector<nn::FieldSpec> fields_;
  std::vector<nn::IdRange> id_ranges_;
  std::optional<HostBatch> host_batch_;
  nn::Batch batch_;
  Tensor own_losses_, losses_;  // one tensor on one rank
  double data_ms_ = 0;
  double loss_scale_ = 1.0;  // of the last run
};

}  // namespace gigatrain
