#include "gigatrain/parallel/gradient_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "gigatrain/base/error.h"
#include "gigatrain/tensor/anomaly.h"

namespace gigatrain::parallel {

namespace {

void require_power_of_two(std::int64_t leaves) {
  if (leaves < 1 || !std::has_single_bit(static_cast<std::uint64_t>(leaves)))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the number of leaves must be a power of two, got {}", leaves));
}

std::vector<LeafTurn> turns_of(std::int64_t leaves, const LeafOrder& order) {
  std::vector<LeafTurn> turns;
  for (std::int64_t block = 0; block < order.blocks; ++block)
    for (const auto leaf : order.strided ? strided_leaves(leaves, block, order.blocks)
                                         : contiguous_leaves(leaves, block, order.blocks))
      turns.push_back({leaf});
  return turns;
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

GradientTree::GradientTree(std::vector<Parameter*> parameters, std::int64_t leaves,
                           const LeafOrder& order)
    : parameters_(std::move(parameters)), order_(order) {
  set_leaves(leaves);
  for (auto* parameter : parameters_)
    for (const auto& use : parameter->uses()) slots_.push_back({use.get()});
}

void GradientTree::set_leaves(std::int64_t leaves) {
  require_power_of_two(leaves);
  leaves_ = leaves;
  turns_ = turns_of(leaves, order_);
  seen_.assign(static_cast<std::size_t>(leaves), false);
}

void GradientTree::begin_step() {
  for (auto* parameter : parameters_) parameter->grad = {};  // makes room for this step's
  for (auto& slot : slots_) slot.partials.clear();
  seen_.assign(seen_.size(), false);
}

void GradientTree::begin_leaf(const LeafTurn& turn, std::int64_t /*micro_batches*/) {
  leaf_ = turn.leaf;
  if (leaf_ < 0 || leaf_ >= leaves_ || seen_[static_cast<std::size_t>(leaf_)])
    throw Error(ErrorCode::invalid_argument,
                fmt::format("leaf {} of {} does not exist or was given twice", leaf_, leaves_));
  for (auto& slot : slots_) slot.use->leaf().filled = false;
}

void GradientTree::end_leaf() {
  seen_[static_cast<std::size_t>(leaf_)] = true;
  // The buffers themselves become the partials: the next leaf writes into others.
  for (auto& slot : slots_) slot.partials.add({{leaf_, 1}, slot.use->gradient()});
  for (auto& slot : slots_) {
    slot.use->leaf().gradient = {};
    slot.use->leaf().filled = false;
  }
}

std::int64_t GradientTree::peak_buffers() const {
  std::int64_t peak = 0;
  for (const auto& slot : slots_) peak = std::max(peak, slot.partials.peak());
  return peak;
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
      Tensor sum = std::move(slots_[next++].partials.take().front().sum);
      if (sum && total)
        add_into(total, sum);
      else if (sum)
        total = std::move(sum);
    }
    if (!total)
      total = Tensor::full(parameter->value().device(), parameter->shape(), -0.0, DType::f32,
                           {Purpose::gradients, "zero"});
    if (diagnostics().anomaly) anomaly::check_sum(parameter->name(), total);
    parameter->grad = std::move(total);
  }
  seen_.assign(seen_.size(), false);
}

void collect_gradients(const std::vector<Parameter*>& parameters) {
  GradientTree tree(parameters, 1);
  tree.end_leaf();
  tree.finish();
}

void discard_gradients(const std::vector<Parameter*>& parameters) {
  for (auto* parameter : parameters)
    for (const auto& use : parameter->uses()) use->leaf().filled = false;
}

}  // namespace gigatrain::parallel
