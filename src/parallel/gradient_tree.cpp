#include "gigatrain/parallel/gradient_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/anomaly.h"
#include "kernels/elementwise.h"

namespace gigatrain::parallel {

namespace {

bool are_siblings(const TreeNode& a, const TreeNode& b) {
  const std::int64_t left = std::min(a.begin, b.begin), right = std::max(a.begin, b.begin);
  return a.count == b.count && left + a.count == right && left % (2 * a.count) == 0;
}

void add_into(const Tensor& total, const Tensor& x) {
  total.stream().submit(kernels::Add{.a = total.view(), .b = x.view(), .y = total.view()});
}

void require_power_of_two(std::int64_t leaves) {
  if (leaves < 1 || !std::has_single_bit(static_cast<std::uint64_t>(leaves)))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the number of leaves must be a power of two, got {}", leaves));
}

}  // namespace

std::vector<std::int64_t> contiguous_leaves(std::int64_t leaves, std::int64_t block,
                                            std::int64_t blocks) {
  std::vector<std::int64_t> out;
  for (std::int64_t v = leaves * block / blocks; v < leaves * (block + 1) / blocks; ++v)
    out.push_back(v);
  return out;
}

std::vector<std::int64_t> strided_leaves(std::int64_t leaves, std::int64_t block,
                                         std::int64_t blocks) {
  std::vector<std::int64_t> out;
  for (std::int64_t v = block; v < leaves; v += blocks) out.push_back(v);
  return out;
}

GradientTree::GradientTree(std::vector<Parameter*> parameters, std::int64_t leaves)
    : parameters_(std::move(parameters)), leaves_(leaves) {
  require_power_of_two(leaves);
  for (auto* parameter : parameters_)
    for (const auto& use : parameter->uses()) slots_.push_back({use.get(), {}});
  seen_.assign(static_cast<std::size_t>(leaves), false);
}

void GradientTree::discard() {
  for (auto& slot : slots_) slot.partials.clear();
  seen_.assign(seen_.size(), false);
}

void GradientTree::begin_leaf() {
  for (auto& slot : slots_) slot.use->leaf().filled = false;
}

void GradientTree::end_leaf(std::int64_t leaf) {
  if (leaf < 0 || leaf >= leaves_ || seen_[static_cast<std::size_t>(leaf)])
    throw Error(ErrorCode::invalid_argument,
                fmt::format("leaf {} of {} does not exist or was given twice", leaf, leaves_));
  seen_[static_cast<std::size_t>(leaf)] = true;
  // The buffers themselves become the partials: the next leaf writes into others.
  for (auto& slot : slots_) merge(slot, {{leaf, 1}, slot.use->gradient()});
  for (auto& slot : slots_) {
    slot.use->leaf().gradient = {};
    slot.use->leaf().filled = false;
  }
}

// Joins the partial with its sibling as soon as both are there, then that with its own, ...
// a + b and b + a are the same bits, so either may be the one that stays.
void GradientTree::merge(Slot& slot, Partial partial) {
  auto& held = slot.partials;
  for (;;) {
    peak_ = std::max(peak_, static_cast<std::int64_t>(held.size()) + 1);
    const auto sibling = std::find_if(held.begin(), held.end(), [&](const Partial& p) {
      return are_siblings(p.node, partial.node);
    });
    if (sibling == held.end()) break;
    if (partial.sum && sibling->sum) add_into(sibling->sum, partial.sum);
    partial = {{std::min(partial.node.begin, sibling->node.begin), 2 * partial.node.count},
               sibling->sum ? std::move(sibling->sum) : std::move(partial.sum)};
    held.erase(sibling);
  }
  held.push_back(std::move(partial));
}

void GradientTree::finish() {
  const auto missing = std::find(seen_.begin(), seen_.end(), false);
  if (missing != seen_.end())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("leaf {} of {} was never given", missing - seen_.begin(), leaves_));
  std::size_t next = 0;
  for (auto* parameter : parameters_) {
    Tensor total;
    for (std::size_t u = 0; u < parameter->uses().size(); ++u) {
      auto& partials = slots_[next++].partials;
      Tensor sum = std::move(partials.front().sum);
      partials.clear();
      if (sum && total)
        add_into(total, sum);
      else if (sum)
        total = std::move(sum);
    }
    if (!total)
      total = Tensor::full(parameter->value().device(), parameter->shape(), 0.0, DType::f32,
                           {Purpose::gradients, "zero"});
    if (diagnostics().anomaly) anomaly::check_sum(parameter->name(), total);
    parameter->grad = std::move(total);
  }
  seen_.assign(seen_.size(), false);
}

void collect_gradients(const std::vector<Parameter*>& parameters) {
  GradientTree tree(parameters, 1);
  tree.end_leaf(0);
  tree.finish();
}

void discard_gradients(const std::vector<Parameter*>& parameters) {
  for (auto* parameter : parameters)
    for (const auto& use : parameter->uses()) use->leaf().filled = false;
}

}  // namespace gigatrain::parallel
