#include "gigatrain/parallel/partial_sums.h"

#include <algorithm>
#include <utility>

#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace gigatrain::parallel {

namespace {

bool are_siblings(const TreeNode& a, const TreeNode& b) {
  const std::int64_t left = std::min(a.begin, b.begin), right = std::max(a.begin, b.begin);
  return a.count == b.count && left + a.count == right && left % (2 * a.count) == 0;
}

TreeNode parent_of(const TreeNode& node) {
  return {node.begin - node.begin % (2 * node.count), 2 * node.count};
}

}  // namespace

void add_into(const Tensor& total, const Tensor& x) {
  total.stream().submit(kernels::Add{.a = total.view(), .b = x.view(), .y = total.view()});
}

void add_parts(std::span<const Tensor> parts, std::span<const Tensor> totals, const Tensor& to) {
  constexpr std::size_t kMost = kernels::TreeSum::kMostThen;
  const auto some = totals.first(std::min(totals.size(), kMost));
  const Tensor& y = some.empty() ? to : some.back();
  kernels::TreeSum sum{.count = static_cast<int>(parts.size()),
                       .y = y.view().as<float>(),
                       .numel = y.numel(),
                       .then_count = static_cast<int>(some.size())};
  for (std::size_t i = 0; i < parts.size(); ++i) sum.x[i] = parts[i].view().as<float>();
  for (std::size_t i = 0; i < some.size(); ++i) sum.then[i] = some[i].view().as<float>();
  y.stream().submit(sum);
  if (totals.size() > kMost) add_parts(some.last(1), totals.subspan(kMost), to);
}

void add_gradient(GradLeaf& leaf, std::span<const Tensor> totals) {
  std::vector<Tensor> sums;
  if (leaf.filled) sums.push_back(leaf.gradient);
  const auto left = totals.subspan(leaf.added > 0 ? leaf.added - 1 : 0);
  sums.insert(sums.end(), left.begin(), left.end());
  if (sums.size() > 1) add_parts(std::span(sums).first(1), std::span(sums).subspan(1), {});
  leaf.forget();
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

PartialSums::Held::const_iterator PartialSums::sibling_in(const Held& held, const TreeNode& node) {
  return std::find_if(held.begin(), held.end(),
                      [&](const PartialSum& p) { return are_siblings(p.node, node); });
}

std::vector<Tensor> PartialSums::totals_for(TreeNode node) const {
  std::vector<Tensor> totals;
  for (auto at = sibling_in(held_, node); at != held_.end(); at = sibling_in(held_, node)) {
    if (at->sum) totals.push_back(at->sum);
    node = parent_of(node);
  }
  return totals;
}

void PartialSums::join(PartialSum partial, bool added) {
  for (;;) {
    peak_ = std::max(peak_, static_cast<std::int64_t>(held_.size()) + 1);
    const auto sibling = sibling_in(held_, partial.node);
    if (sibling == held_.end()) break;
    if (!added && partial.sum && sibling->sum) add_into(sibling->sum, partial.sum);
    partial = {parent_of(partial.node), sibling->sum ? sibling->sum : partial.sum};
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
