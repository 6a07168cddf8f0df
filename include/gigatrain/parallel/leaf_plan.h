// Which leaves of a step each rank computes, and what it then brings to the exchange. Leaves are
// dealt evenly: V / D each, or one more. The same tree, hence the same bits, for every plan.
#pragma once

#include <cstdint>
#include <vector>

#include "gigatrain/parallel/partial_sums.h"

namespace gigatrain::parallel {

enum class Exchange : std::uint8_t {
  // Contiguous leaves, added on the rank; one exchange of its subtrees at the end. ZeRO 0 and 1.
  after_step,
  // Each wave of leaves, one a rank, is exchanged at once and added on the shards, so that no rank
  // holds more than a leaf's gradient. Strided leaves where D is a power of two: a wave is a
  // subtree; else contiguous ones. ZeRO 2 and 3.
  after_leaf
};

class LeafPlan {
 public:
  // Throws Error(invalid_argument) unless leaves is a power of two and 1 <= ranks <= leaves.
  LeafPlan(std::int64_t leaves, int ranks, Exchange exchange);

  std::int64_t leaves() const { return leaves_; }
  int ranks() const { return ranks_; }
  Exchange exchange() const { return exchange_; }
  std::vector<std::int64_t> leaves_of(int rank) const;  // in the order of computing them
  std::int64_t waves() const;                           // exchanges in a step
  // What the rank brings to a wave: at most 2 log2 V nodes, of after_leaf one or none.
  std::vector<TreeNode> nodes(std::int64_t wave, int rank) const;

 private:
  std::int64_t leaves_;
  int ranks_;
  Exchange exchange_;
};

// Where `shards` ranks cut a flat buffer of tensors with these sizes, evenly but for whole chunks
// of 4,096 elements counted from each tensor's begin, so that sums over chunks are the same however
// it is cut. shards + 1 borders; a shard may be empty.
std::vector<std::int64_t> shard_borders(const std::vector<std::int64_t>& sizes,
                                        std::int64_t shards);

}  // namespace gigatrain::parallel
