// One exchange of partial sums among the ranks of a group: each gets a slice of everybody's
// partials and adds them over the tree.
#pragma once

#include <cstdint>
#include <vector>

#include "gigatrain/collectives/communicator.h"
#include "gigatrain/parallel/partial_sums.h"

namespace gigatrain::parallel {

class TreeExchange {
 public:
  // lists[r]: the nodes that rank r brings; partials: this rank's, flat and as long as
  // borders.back(), used up; borders: of the ranks' slices. The copying begins.
  TreeExchange(Communicator& ranks, Device& device, std::vector<std::vector<TreeNode>> lists,
               std::vector<Tensor> partials, std::vector<std::int64_t> borders);

  // Waits, and adds to `sums` those of this rank's slice, which hold no more memory than they need.
  void finish(PartialSums& sums);

 private:
  struct Parts {  // of one node, to be added over the tree
    TreeNode node;
    std::vector<Tensor> sums;
    Tensor to;  // one of them
  };
  void require_partials() const;
  void start_round(std::size_t round);  // every rank's partial number `round`
  std::int64_t own_size() const;
  std::vector<Parts> whole_nodes(std::vector<PartialSum> parts) const;
  void add_node(const Parts& parts, PartialSums& sums) const;
  bool is_own(const Tensor& sum) const;  // in the memory of a partial?

  Communicator& ranks_;
  Device& device_;
  std::vector<std::vector<TreeNode>> lists_;
  std::vector<Tensor> partials_;
  std::vector<std::int64_t> borders_;
  std::vector<PartialSum> arrived_;
  std::vector<Work> works_;  // goes first: waits before the memory goes
};

}  // namespace gigatrain::parallel
