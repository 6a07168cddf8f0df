#include "gigatrain/parallel/partial_sums.h"

#include <algorithm>
#include <utility>

#include "kernels/elementwise.h"

namespace gigatrain::parallel {

namespace {

bool are_siblings(const TreeNode& a, const TreeNode& b) {
  const std::int64_t left = std::min(a.begin, b.begin), right = std::max(a.begin, b.begin);
  return a.count == b.count && left + a.count == right && left % (2 * a.count) == 0;
}

}  // namespace

void add_into(const Tensor& total, const Tensor& x) {
  total.stream().submit(kernels::Add{.a = total.view(), .b = x.view(), .y = total.view()});
}

std::vector<TreeNode> aligned_nodes(std::int64_t begin, std::int64_t end) {
  std::vector<TreeNode> nodes;
  while (begin < end) {
    std::int64_t count = 1;
    while (begin % (2 * count) == 0 && begin + 2 * count <= end) count *= 2;
    nodes.push_back({begin, count});
    begin += count;
  }
  return nodes;
}

void PartialSums::add(PartialSum partial) {
  for (;;) {
    peak_ = std::max(peak_, static_cast<std::int64_t>(held_.size()) + 1);
    const auto sibling = std::find_if(held_.begin(), held_.end(), [&](const PartialSum& p) {
      return are_siblings(p.node, partial.node);
    });
    if (sibling == held_.end()) break;
    if (partial.sum && sibling->sum) add_into(sibling->sum, partial.sum);
    partial = {{std::min(partial.node.begin, sibling->node.begin), 2 * partial.node.count},
               sibling->sum ? std::move(sibling->sum) : std::move(partial.sum)};
    held_.erase(sibling);
  }
  held_.push_back(std::move(partial));
}

std::vector<PartialSum> PartialSums::take() {
  std::sort(held_.begin(), held_.end(),
            [](const PartialSum& a, const PartialSum& b) { return a.node.begin < b.node.begin; });
  return std::exchange(held_, {});
}

}  // namespace gigatrain::parallel
