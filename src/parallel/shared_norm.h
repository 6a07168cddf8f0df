// The norm of a gradient whose parts lie on the ranks: each makes the sums of its chunks, all get
// all of them, and add them over the tree of one rank (kernels/reduce.h).
#pragma once

#include <cstdint>
#include <vector>

#include "gigatrain/collectives/communicator.h"
#include "parallel/share_plan.h"

namespace gigatrain::parallel {

class SharedNorm {
 public:
  // parameters: in name order.
  SharedNorm(const SharePlan& plan, const std::vector<Parameter*>& parameters, Communicator& shards,
             Device& device);

  // As optim::clip_scale.
  Tensor clip_scale(float max_norm, const Tensor& guard, double loss_scale) const;

 private:
  std::vector<Parameter*> parameters_;
  Communicator& shards_;
  Device& device_;
  std::vector<std::int64_t> chunks_of_;  // each parameter has
  std::vector<std::int64_t> chunks_on_;  // each shard makes
  Tensor order_;                         // where a parameter's chunks are among the shards'
};

}  // namespace gigatrain::parallel
