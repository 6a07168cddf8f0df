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
  for (auto* parameter : parameters_) {
    std::vector<std::size_t> slots;
    for (const auto& use : parameter->uses()) slots.push_back(take_over(use->shared_leaf()));
    const bool packed = std::any_of(parameter->uses().begin(), parameter->uses().end(),
                                    [](const auto& use) { return use->first_row() >= 0; });
    if (slots.size() == 2 && !packed) pairs_.emplace_back(slots[0], slots[1]);
  }
}

GradientTree::~GradientTree() {
  for (const auto& slot : slots_) slot.leaf->on_ready = {}, slot.leaf->onto.clear();
}

std::size_t GradientTree::slot_of(const GradLeaf& leaf) const {
  const auto at = std::find_if(slots_.begin(), slots_.end(),
                               [&](const Slot& slot) { return slot.leaf.get() == &leaf; });
  return static_cast<std::size_t>(at - slots_.begin());
}

std::size_t GradientTree::take_over(const std::shared_ptr<GradLeaf>& leaf) {
  const std::size_t slot = slot_of(*leaf);
  if (slot < slots_.size()) return slot;
  slots_.push_back({leaf});
  leaf->on_ready = [this, slot] { count_backward(slot); };
  return slot;
}

void GradientTree::count_backward(std::size_t slot) {
  if (!in_leaf_) return;
  const std::int64_t count = ++slots_[slot].backwards;
  if (count == micro_batches_) add(slot);
  if (count > micro_batches_)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a gradient comes after the last of the leaf's {} backward() calls",
                            micro_batches_),
                "give begin_leaf() the number of micro-batches");
}

void GradientTree::set_leaves(std::int64_t leaves) {
  require_power_of_two(leaves);
  leaves_ = leaves;
  turns_ = turns_of(leaves, order_);
  seen_.assign(static_cast<std::size_t>(leaves), false);
}

void GradientTree::begin_step() {
  for (auto* parameter : parameters_) parameter->grad = {};  // makes room for this step's
  for (auto& slot : slots_) slot.leaf->forget(), slot = {slot.leaf};
  in_leaf_ = false;
  seen_.assign(seen_.size(), false);
}

void GradientTree::begin_leaf(const LeafTurn& turn, std::int64_t micro_batches) {
  leaf_ = turn.leaf;
  micro_batches_ = micro_batches;
  if (leaf_ < 0 || leaf_ >= leaves_ || seen_[static_cast<std::size_t>(leaf_)])
    throw Error(ErrorCode::invalid_argument,
                fmt::format("leaf {} of {} does not exist or was given twice", leaf_, leaves_));
  for (auto& slot : slots_) start(slot);
  in_leaf_ = true;
}

void GradientTree::start(Slot& slot) {
  slot.leaf->forget();
  slot.totals = slot.partials.totals_for({leaf_, 1});
  slot.backwards = 0, slot.done = false;
  const bool f32 = !slot.totals.empty() && slot.totals.front().dtype() == DType::f32;
  if (micro_batches_ == 1 && f32) slot.leaf->onto = slot.totals;
}

// The leaf's whole gradient joins the tree; where there is nothing to add it to, its memory does.
void GradientTree::add(std::size_t index) {
  Slot& slot = slots_[index];
  slot.done = true;
  if (!slot.totals.empty()) {
    add_gradient(*slot.leaf, slot.totals);
    slot.totals.clear();
    slot.partials.added({leaf_, 1});
    return;
  }
  Tensor gradient = slot.leaf->filled ? slot.leaf->gradient : Tensor{};
  slot.leaf->forget();
  if (leaves_ == 1 && micro_batches_ == 1 && gradient) lead_on(gradient, index);
  slot.partials.add({{leaf_, 1}, std::move(gradient)});
}

// A sum over one leaf: the gradient of a parameter's other use may be added to that of the first.
void GradientTree::lead_on(const Tensor& gradient, std::size_t from) {
  for (const auto& [a, b] : pairs_) {
    if (a != from && b != from) continue;
    Slot& other = slots_[a == from ? b : a];
    if (other.done || gradient.dtype() != DType::f32) continue;
    other.totals = other.leaf->onto = {gradient};
  }
}

void GradientTree::end_leaf() {
  seen_[static_cast<std::size_t>(leaf_)] = true;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot)
    if (!slots_[slot].done) add(slot);
  in_leaf_ = false;
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
  std::vector<Tensor> sums;
  for (auto& slot : slots_) sums.push_back(slot.partials.take().front().sum);
  for (auto* parameter : parameters_) parameter->grad = sum_of_uses(*parameter, sums);
  seen_.assign(seen_.size(), false);
}

Tensor GradientTree::sum_of_uses(const Parameter& parameter, std::vector<Tensor>& sums) const {
  Tensor total;
  for (const auto& use : parameter.uses()) {
    Tensor& whole = sums[slot_of(use->leaf())];
    const Tensor sum = use->part_of(whole);
    if (use->first_row() < 0) whole = {};
    if (sum && total)
      add_into(total, sum);
    else if (sum)
      total = sum;
  }
  if (!total)
    total = Tensor::full(parameter.value().device(), parameter.shape(), -0.0, DType::f32,
                         {Purpose::gradients, "zero"});
  if (diagnostics().anomaly) anomaly::check_sum(parameter.name(), total);
  return total;
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
