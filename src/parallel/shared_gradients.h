// The gradients of the ranks' leaves on their way to the shards: the backward fills buckets; a full
// one is added to the rank's partial sums, or moves at once, while the backward goes on.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "gigatrain/parallel/gradient_collector.h"
#include "gigatrain/parallel/tree_reduce.h"
#include "parallel/bucket_progress.h"
#include "parallel/share_plan.h"

namespace gigatrain::parallel {

class SharedGradients {
 public:
  // The units' leaves are taken over while this lives. `on_sum`: called with this rank's shard of
  // a bucket's sum as soon as it is there, bucket after bucket, in the same order on every rank.
  SharedGradients(const SharePlan& plan, TreeRanks& ranks, Device& device,
                  std::function<void(std::size_t, const Tensor&)> on_sum);
  ~SharedGradients();

  // Forgets what a step that was broken off has left.
  void discard();
  void begin_leaf(const LeafTurn& turn, std::int64_t micro_batches);
  void end_leaf();
  // After all leaves: waits for what still moves.
  void finish();

  Work all_gather(std::size_t bucket, const Tensor& whole) const {
    return buckets_[bucket].reduce->all_gather(whole);
  }

 private:
  struct Filling {
    const SharedBucket* plan;
    std::unique_ptr<TreeReduce> reduce;
    std::size_t first_item = 0;  // its units, among all
    PartialSums partials = {};
    Tensor buffer = {};               // of the leaf at hand
    std::vector<Tensor> totals = {};  // PartialSums::totals_for() it; empty: added as a whole
    bool closed = true;               // for the leaf at hand
  };

  void take_over(std::size_t bucket);
  Tensor memory_for(std::size_t bucket, const Unit& unit);
  void find_totals(Filling& filling);
  void add_unit(const Filling& filling, const Unit& unit);
  void add_rest(Filling& filling);
  void close(std::size_t bucket);        // no more gradients from this leaf
  Tensor take_buffer(Filling& filling);  // undefined: nothing reached it
  void begin(std::size_t bucket, std::vector<Tensor> partials);
  void settle(std::size_t at_most);  // waits until no more than so many move

  Device& device_;
  std::function<void(std::size_t, const Tensor&)> on_sum_;
  const LeafPlan& leaves_;
  int rank_;
  std::vector<Filling> buckets_;
  BucketProgress progress_;
  std::vector<std::int64_t> ready_;  // backwards that have finished each unit, in this leaf
  std::int64_t micro_batches_ = 1, wave_ = 0, done_ = 0;  // done_: leaves of this rank
  LeafTurn turn_;
  std::deque<std::size_t> moving_;
};

}  // namespace gigatrain::parallel
