// The gradient of a step: the sum of its V leaf gradients over the aligned binary tree (pairs
// v, v^1; then pairs of pairs; ...), in f32, one tree for each use of a parameter; the uses are
// added after it, in their order. The tree is the same whoever computed which leaf, and in which
// order the leaves come, so the bits are the same on any number of ranks. A gradient is added as
// soon as it is complete, where it can by the product that makes it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "gigatrain/parallel/gradient_collector.h"
#include "gigatrain/parallel/partial_sums.h"
#include "gigatrain/tensor/node.h"
#include "gigatrain/tensor/parameter.h"

namespace gigatrain::parallel {

// The leaves that `block` of `blocks` computes, in its order. Contiguous: an even range (ZeRO 0 and
// 1). Strided: those whose index modulo `blocks` is the block (ZeRO 2 and 3).
std::vector<std::int64_t> contiguous_leaves(std::int64_t leaves, std::int64_t block,
                                            std::int64_t blocks);
std::vector<std::int64_t> strided_leaves(std::int64_t leaves, std::int64_t block,
                                         std::int64_t blocks);

// The order in which one rank works through the leaves, as `blocks` ranks would hold them. It never
// changes a bit; tests run them all.
struct LeafOrder {
  std::int64_t blocks = 1;
  bool strided = false;
};

class GradientTree : public GradientCollector {
 public:
  // leaves: V, a power of two. order: in which turns() has them. What the uses collect is taken
  // over while the tree lives.
  GradientTree(std::vector<Parameter*> parameters, std::int64_t leaves,
               const LeafOrder& order = {});
  ~GradientTree() override;
  GradientTree(const GradientTree&) = delete;
  GradientTree& operator=(const GradientTree&) = delete;

  void set_leaves(std::int64_t leaves) override;
  const std::vector<LeafTurn>& turns() const override { return turns_; }
  void begin_step() override;
  // Any order. Throws Error(invalid_argument) for a leaf that does not exist or came before, and
  // from a backward() beyond the leaf's micro-batches.
  void begin_leaf(const LeafTurn& turn, std::int64_t micro_batches = 1) override;
  void end_leaf() override;
  // After all V leaves. A parameter without any gradient gets -0, which adds nothing. Throws
  // Error(invalid_argument) if a leaf is missing.
  void finish() override;

  std::int64_t peak_buffers() const;  // gradients held at once, of one use

 private:
  // One of a use, or of those that a pack has joined.
  struct Slot {
    std::shared_ptr<GradLeaf> leaf;
    PartialSums partials = {};
    std::vector<Tensor> totals = {};  // that this leaf's gradient is added to
    std::int64_t backwards = 0;       // that have reached it in this leaf
    bool done = false;
  };
  std::size_t slot_of(const GradLeaf& leaf) const;
  std::size_t take_over(const std::shared_ptr<GradLeaf>& leaf);
  void start(Slot& slot);
  void count_backward(std::size_t slot);
  void add(std::size_t slot);
  void lead_on(const Tensor& gradient, std::size_t from);
  Tensor sum_of_uses(const Parameter& parameter, std::vector<Tensor>& sums) const;

  std::vector<Parameter*> parameters_;
  LeafOrder order_;
  std::int64_t leaves_ = 0, leaf_ = 0, micro_batches_ = 1;
  bool in_leaf_ = false;
  std::vector<LeafTurn> turns_;
  std::vector<Slot> slots_;
  std::vector<std::pair<std::size_t, std::size_t>> pairs_;  // slots of parameters with two uses
  std::vector<bool> seen_;
};

// For a loop of one's own on one rank, V = 1: after one or more backward() calls, moves what the
// uses collected into each parameter's `grad`.
void collect_gradients(const std::vector<Parameter*>& parameters);
// Forgets what the uses collected, e.g. of a backward() that was broken off.
void discard_gradients(const std::vector<Parameter*>& parameters);

}  // namespace gigatrain::parallel
