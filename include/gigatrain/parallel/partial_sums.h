// Sums over nodes of the gradient tree. A sum is joined with its sibling's as soon as both are
// there, then that with its own, ..., so few are held at once and the order in which they come
// changes nothing: a + b and b + a are the same bits.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::parallel {

// Leaves [begin, begin + count) as one node of the tree: count is a power of two that divides
// begin.
struct TreeNode {
  std::int64_t begin = 0, count = 1;
  bool operator==(const TreeNode&) const = default;
};

// The fewest nodes that make up the leaves [begin, end), in order; at most 2 log2 of them.
std::vector<TreeNode> aligned_nodes(std::int64_t begin, std::int64_t end);

// total += x, in total's memory.
void add_into(const Tensor& total, const Tensor& x);
// ((sum of `parts` over the tree) + totals[0]) + totals[1] + ..., in the last one's memory, or,
// with no totals, in that of `to`. parts: a power of two, at most 16; flat.
void add_parts(std::span<const Tensor> parts, std::span<const Tensor> totals, const Tensor& to);

// Adds what a leaf has collected to `totals`, likewise, but for those that an op has added it to
// already; then the leaf forgets it.
void add_gradient(GradLeaf& leaf, std::span<const Tensor> totals);

struct PartialSum {
  TreeNode node;
  Tensor sum = {};  // undefined: nothing has come from any of its leaves
};

class PartialSums {
 public:
  // The tensor is given away: it may become the sum's memory.
  void add(PartialSum partial) { join(std::move(partial), false); }
  // For who adds himself, e.g. part by part while a part is in the caches: what add() of this node
  // would add it to, one after the other (add_parts()). Then the node has been added.
  std::vector<Tensor> totals_for(TreeNode node) const;
  void added(TreeNode node) { join({node}, true); }
  std::vector<PartialSum> take();  // all, in the order of their leaves
  void clear() { held_.clear(); }
  std::int64_t peak() const { return peak_; }  // held at once, ever

 private:
  using Held = std::vector<PartialSum>;
  static Held::const_iterator sibling_in(const Held& held, const TreeNode& node);
  void join(PartialSum partial, bool added);

  Held held_;  // pairwise no siblings
  std::int64_t peak_ = 0;
};

}  // namespace gigatrain::parallel
