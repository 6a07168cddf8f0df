#include "parallel/shared_gradients.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "gigatrain/base/error.h"
#include "kernels/elementwise.h"
#include "parallel/window.h"

namespace gigatrain::parallel {

namespace {

constexpr std::size_t kInFlight = 2;  // buckets that move at once

std::vector<std::size_t> units_of_each(const SharePlan& plan) {
  std::vector<std::size_t> units;
  for (const auto& bucket : plan.buckets) units.push_back(bucket.units.size());
  return units;
}

}  // namespace

SharedGradients::SharedGradients(const SharePlan& plan, TreeRanks& ranks, Device& device,
                                 std::function<void(std::size_t, const Tensor&)> on_sum)
    : device_(device),
      on_sum_(std::move(on_sum)),
      leaves_(ranks.plan()),
      rank_(ranks.rank()),
      progress_(units_of_each(plan)) {
  for (const auto& bucket : plan.buckets)
    buckets_.push_back({&bucket, std::make_unique<TreeReduce>(ranks, device, bucket.borders)});
  for (std::size_t b = 0; b < buckets_.size(); ++b) take_over(b);
}

SharedGradients::~SharedGradients() {
  for (const auto& bucket : buckets_)
    for (const auto& unit : bucket.plan->units)
      unit.leaf->buffer = {}, unit.leaf->on_ready = {}, unit.leaf->onto = {};
}

void SharedGradients::take_over(std::size_t bucket) {
  buckets_[bucket].first_item = ready_.size();
  for (const auto& unit : buckets_[bucket].plan->units) {
    unit.leaf->buffer = [this, bucket, &unit] { return memory_for(bucket, unit); };
    unit.leaf->on_ready = [this, bucket, &unit, item = ready_.size()] {
      if (++ready_[item] != micro_batches_) return;
      add_unit(buckets_[bucket], unit);
      for (const std::size_t full : progress_.ready(item)) close(full);
    };
    ready_.push_back(0);
  }
}

Tensor SharedGradients::memory_for(std::size_t bucket, const Unit& unit) {
  Filling& f = buckets_[bucket];
  if (f.closed)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("a gradient of '{}' comes outside begin_leaf() and end_leaf(), or after "
                    "the last of the leaf's {} backward() calls",
                    unit.members.front().parameter->name(), micro_batches_),
        "give begin_leaf() the number of micro-batches, and call backward() once for each");
  if (!f.totals.empty() && micro_batches_ == 1)
    return Tensor::empty(device_, unit.shape, DType::f32, {Purpose::gradients, "leaf"});
  if (!f.buffer)
    f.buffer = Tensor::empty(device_, {f.plan->size}, DType::f32, {Purpose::gradients, "bucket"});
  return window(f.buffer, unit.offset, unit.shape);
}

void SharedGradients::discard() {
  for (auto& bucket : buckets_) {
    for (const auto& unit : bucket.plan->units) {
      unit.leaf->forget();
    }
    bucket.buffer = {};
    bucket.totals.clear();
    bucket.closed = true;
    bucket.partials.clear();
    bucket.reduce->discard();
  }
  moving_.clear();
  progress_.rest();
  wave_ = done_ = 0;
}

void SharedGradients::begin_leaf(const LeafTurn& turn, std::int64_t micro_batches) {
  turn_ = turn;
  micro_batches_ = micro_batches;
  std::fill(ready_.begin(), ready_.end(), 0);
  for (auto& bucket : buckets_) {
    bucket.closed = false;
    find_totals(bucket);
  }
}

// A gradient is added to those of other leaves as soon as it is complete, while it is in the
// caches; where it is made in one piece, an op may do so itself.
void SharedGradients::find_totals(Filling& f) {
  if (leaves_.exchange() == Exchange::after_leaf || !f.plan->matrices) return;
  f.totals = f.partials.totals_for({turn_.leaf, 1});
  if (f.totals.empty() || micro_batches_ > 1) return;
  for (const auto& unit : f.plan->units)
    for (const auto& total : f.totals)
      unit.leaf->onto.push_back(window(total, unit.offset, unit.shape));
}

void SharedGradients::add_unit(const Filling& f, const Unit& unit) {
  if (f.totals.empty()) return;
  std::vector<Tensor> sums;
  for (const auto& total : f.totals) sums.push_back(window(total, unit.offset, unit.shape));
  add_gradient(*unit.leaf, sums);
}

// Units that not every backward has reached.
void SharedGradients::add_rest(Filling& f) {
  for (std::size_t i = 0; i < f.plan->units.size(); ++i)
    if (ready_[f.first_item + i] < micro_batches_) add_unit(f, f.plan->units[i]);
  f.totals.clear();
  f.buffer = {};
}

void SharedGradients::end_leaf() {
  for (const std::size_t bucket : progress_.rest()) close(bucket);
  ++wave_;
  if (turn_.counts) ++done_;
}

// What no gradient has reached is -0, which adds nothing.
Tensor SharedGradients::take_buffer(Filling& f) {
  Tensor sum = std::exchange(f.buffer, {});
  for (const auto& unit : f.plan->units) {
    GradLeaf& leaf = *unit.leaf;
    leaf.gradient = {};
    if (std::exchange(leaf.filled, false) || !sum) continue;
    const Tensor missed = window(sum, unit.offset, unit.shape);
    device_.stream().submit(kernels::Fill{.y = missed.view(), .value = -0.0});
  }
  return sum;
}

void SharedGradients::close(std::size_t bucket) {
  Filling& f = buckets_[bucket];
  f.closed = true;
  const bool added = !f.totals.empty();
  if (added) add_rest(f);
  Tensor sum = take_buffer(f);
  if (leaves_.exchange() == Exchange::after_leaf) {
    std::vector<Tensor> partials;
    if (turn_.counts) partials.push_back(std::move(sum));
    begin(bucket, std::move(partials));
    return;
  }
  if (added)
    f.partials.added({turn_.leaf, 1});
  else
    f.partials.add({{turn_.leaf, 1}, std::move(sum)});
  if (done_ + 1 < static_cast<std::int64_t>(leaves_.leaves_of(rank_).size())) return;
  std::vector<Tensor> partials;
  for (auto& partial : f.partials.take()) partials.push_back(std::move(partial.sum));
  begin(bucket, std::move(partials));
}

void SharedGradients::begin(std::size_t bucket, std::vector<Tensor> partials) {
  while (std::find(moving_.begin(), moving_.end(), bucket) != moving_.end())
    settle(moving_.size() - 1);
  buckets_[bucket].reduce->begin(leaves_.exchange() == Exchange::after_leaf ? wave_ : 0, partials);
  moving_.push_back(bucket);
  partials.clear();
  settle(kInFlight);
}

void SharedGradients::settle(std::size_t at_most) {
  while (moving_.size() > at_most) {
    const std::size_t bucket = moving_.front();
    TreeReduce& reduce = *buckets_[bucket].reduce;
    moving_.pop_front();
    reduce.end();
    if (reduce.complete()) on_sum_(bucket, reduce.finish());
  }
}

void SharedGradients::finish() {
  // A last wave in which this rank has no leaf.
  for (; wave_ < leaves_.waves() && leaves_.exchange() == Exchange::after_leaf; ++wave_)
    for (std::size_t b = 0; b < buckets_.size(); ++b) begin(b, {});
  settle(0);
  wave_ = done_ = 0;
}

}  // namespace gigatrain::parallel
