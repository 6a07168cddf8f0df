// The gradient tree across ranks: a reduce-scatter of a fixed order. Ranks exchange chunks of their
// partial sums (all-to-all), then each adds those of its own shard in the order of the tree. So the
// sum has the bits of one rank that computes all leaves, whatever the number of ranks and their
// nodes. Ranks of a node first make that node's partials; only these leave it.
//
//   TreeRanks ranks(comm, LeafPlan(leaves, comm.size(), Exchange::after_step));
//   TreeReduce reduce(ranks, device, shard_borders({bucket_size}, comm.size()));
//   reduce.begin(0, partials);                 // moves while the backward goes on
//   Tensor mine = reduce.finish();             // this rank's shard of the step's gradient
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/parallel/leaf_plan.h"
#include "gigatrain/parallel/partial_sums.h"

namespace gigatrain::parallel {

class TreeExchange;

// The ranks of a tree, where they stand and what each brings.
class TreeRanks {
 public:
  // ranks_per_node: ranks [k n, k n + n) are a node; 0: all of them. Every rank makes one.
  TreeRanks(Communicator& ranks, const LeafPlan& plan, int ranks_per_node = 0);

  // Between two steps; the groups and shards stay.
  void set_leaves(std::int64_t leaves);
  const LeafPlan& plan() const { return plan_; }
  int rank() const { return rank_; }
  int nodes() const { return nodes_; }
  int per_node() const { return per_node_; }
  Communicator& within() const { return *within_; }      // this rank's node
  Communicator& across() const { return *across_; }      // the ranks at this place of every node
  Communicator& by_shard() const { return *by_shard_; }  // all; rank s owns shard s
  // The partials of node `node` after it has added what its ranks bring to the wave.
  std::vector<TreeNode> nodes_of(std::int64_t wave, int node) const;

 private:
  LeafPlan plan_;
  int rank_, per_node_, nodes_;
  std::unique_ptr<Communicator> owned_[3];
  Communicator *within_, *across_, *by_shard_;
};

// Of one flat f32 buffer. In a step, for each wave of the plan: begin(), later end(); then
// finish().
class TreeReduce {
 public:
  // borders: of the shards, ranks + 1, ascending from 0 to the buffer's size (shard_borders).
  TreeReduce(TreeRanks& ranks, Device& device, std::vector<std::int64_t> borders);
  ~TreeReduce();

  // Starts to move. `partials`: this rank's plan.nodes(wave, rank), each a whole buffer, which is
  // used up; an undefined one counts as nothing. Not before end() of the wave before.
  void begin(std::int64_t wave, const std::vector<Tensor>& partials);
  void end();             // waits for the data and adds
  bool complete() const;  // every wave has ended
  // After every wave: this rank's shard of the sum (shard_size()).
  Tensor finish();
  // Forgets a step that was broken off.
  void discard();

  std::int64_t size() const { return borders_.back(); }
  std::int64_t shard_begin() const;
  std::int64_t shard_size() const;
  // `whole` (size(), any dtype) holds this rank's shard at its place; the others' are filled in.
  Work all_gather(const Tensor& whole) const;

 private:
  std::vector<std::vector<TreeNode>> lists(std::int64_t wave, bool across) const;

  TreeRanks& ranks_;
  Device& device_;
  std::vector<std::int64_t> borders_;  // of all shards
  std::int64_t wave_ = -1;             // the last that began
  std::unique_ptr<TreeExchange> moving_;
  PartialSums sums_;
};

}  // namespace gigatrain::parallel
