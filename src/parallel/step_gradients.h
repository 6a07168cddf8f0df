// From the buckets' sums to the parameters' `grad`: the uses are added, and under ZeRO 0 every rank
// gets every part.
#pragma once

#include <cstddef>
#include <vector>

#include "parallel/shared_gradients.h"

namespace gigatrain::parallel {

class StepGradients {
 public:
  // whole: every rank gets all gradients; else its own parts.
  StepGradients(const SharePlan& plan, TreeRanks& ranks, Device& device, bool whole);

  SharedGradients& buckets() { return buckets_; }
  // Forgets what a step that was broken off has left.
  void discard();
  // After all leaves: waits, and gives each parameter its gradient.
  void finish(const std::vector<Parameter*>& parameters);

 private:
  void take(std::size_t bucket, const Tensor& sum);
  Tensor own_part(const Parameter& parameter, std::size_t use) const;
  Tensor sum_of_uses(const Parameter& parameter) const;
  bool has_single_uses(std::size_t bucket) const;
  void start_gather(std::size_t bucket);
  void finish_gathers(const std::vector<Parameter*>& parameters);
  void forget();

  const SharePlan& plan_;
  int shard_;
  bool whole_;
  SharedGradients buckets_;
  std::vector<Tensor> sums_;      // this rank's shard of each bucket's gradients
  std::vector<Tensor> gathered_;  // of each bucket, where every rank gets all
  std::vector<Work> works_;       // goes first: waits before the memory goes
};

}  // namespace gigatrain::parallel
