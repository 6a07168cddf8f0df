// Who adds the gradients of a step's leaves: one rank's tree (gradient_tree.h), or the ranks of a
// group together (data_parallel.h). A step:
//
//   collector.begin_step();
//   for (const LeafTurn& turn : collector.turns()) {
//     collector.begin_leaf(turn, micro_batches);
//     ...                                        // one backward() for each micro-batch of the leaf
//     collector.end_leaf();
//   }
//   collector.finish();                          // every parameter's `grad` is that of the step
#pragma once

#include <cstdint>
#include <vector>

namespace gigatrain::parallel {

struct LeafTurn {
  std::int64_t leaf = 0;
  // False: computed in step with the other ranks, which need this one, and then forgotten.
  bool counts = true;
};

class GradientCollector {
 public:
  virtual ~GradientCollector() = default;
  // How many leaves the steps from now on have, between two of them. Throws Error(invalid_argument)
  // unless it is a power of two.
  virtual void set_leaves(std::int64_t leaves) = 0;
  // What this rank computes, in its order; the same in every step of as many leaves.
  virtual const std::vector<LeafTurn>& turns() const = 0;
  // Drops the gradients of the step before, and what one that was broken off has left.
  virtual void begin_step() = 0;
  virtual void begin_leaf(const LeafTurn& turn, std::int64_t micro_batches) = 0;
  virtual void end_leaf() = 0;
  virtual void finish() = 0;
};

}  // namespace gigatrain::parallel
