#include "gigatrain/parallel/tree_reduce.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "gigatrain/base/error.h"
#include "parallel/tree_exchange.h"
#include "parallel/window.h"

namespace gigatrain::parallel {

namespace {

void require_nodes(int ranks, int per_node) {
  if (per_node < 1 || ranks % per_node != 0)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("a node must hold an equal part of the {} ranks, got {} a node", ranks,
                            per_node),
                "start as many ranks on each node");
}

}  // namespace

// Shard s = place * nodes + node: the first exchange deals slices to the places of a node, the
// second parts of these to the nodes.
TreeRanks::TreeRanks(Communicator& ranks, const LeafPlan& plan, int ranks_per_node)
    : plan_(plan),
      rank_(ranks.rank()),
      per_node_(ranks_per_node ? ranks_per_node : ranks.size()),
      nodes_(ranks.size() / std::max(per_node_, 1)) {
  require_nodes(ranks.size(), per_node_);
  if (plan.ranks() != ranks.size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the plan deals leaves to {} ranks, group '{}' has {}", plan.ranks(),
                            ranks.name(), ranks.size()));
  within_ = by_shard_ = &ranks;
  if (nodes_ == 1) {
    owned_[0] = ranks.alone("across");
    across_ = owned_[0].get();
    return;
  }
  const int node = rank_ / per_node_, place = rank_ % per_node_;
  owned_[0] = ranks.split(place, node, "across");
  owned_[1] = ranks.split(node, place, "node");
  owned_[2] = ranks.split(0, place * nodes_ + node, "shards");
  across_ = owned_[0].get();
  within_ = owned_[1].get();
  by_shard_ = owned_[2].get();
}

void TreeRanks::set_leaves(std::int64_t leaves) {
  plan_ = LeafPlan(leaves, plan_.ranks(), plan_.exchange());
}

std::vector<TreeNode> TreeRanks::nodes_of(std::int64_t wave, int node) const {
  PartialSums sums;  // of no data
  for (int rank = node * per_node_; rank < (node + 1) * per_node_; ++rank)
    for (const auto& one : plan_.nodes(wave, rank)) sums.add({one});
  std::vector<TreeNode> nodes;
  for (const auto& partial : sums.take()) nodes.push_back(partial.node);
  return nodes;
}

TreeReduce::TreeReduce(TreeRanks& ranks, Device& device, std::vector<std::int64_t> borders)
    : ranks_(ranks), device_(device), borders_(std::move(borders)) {
  const auto shards = static_cast<std::size_t>(ranks.by_shard().size());
  if (borders_.size() != shards + 1 || borders_.front() != 0 ||
      !std::is_sorted(borders_.begin(), borders_.end()))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} shards have {} ascending borders from 0 on, got {}", shards,
                            shards + 1, fmt::join(borders_, " ")),
                "use shard_borders(tensor sizes, ranks)");
}

TreeReduce::~TreeReduce() = default;

std::int64_t TreeReduce::shard_begin() const {
  return borders_[static_cast<std::size_t>(ranks_.by_shard().rank())];
}

std::int64_t TreeReduce::shard_size() const {
  return borders_[static_cast<std::size_t>(ranks_.by_shard().rank()) + 1] - shard_begin();
}

std::vector<std::vector<TreeNode>> TreeReduce::lists(std::int64_t wave, bool across) const {
  std::vector<std::vector<TreeNode>> out;
  if (across)
    for (int node = 0; node < ranks_.nodes(); ++node) out.push_back(ranks_.nodes_of(wave, node));
  else
    for (int place = 0; place < ranks_.per_node(); ++place)
      out.push_back(
          ranks_.plan().nodes(wave, ranks_.rank() / ranks_.per_node() * ranks_.per_node() + place));
  return out;
}

void TreeReduce::begin(std::int64_t wave, const std::vector<Tensor>& partials) {
  if (moving_ || wave != wave_ + 1 || wave >= ranks_.plan().waves())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("waves 0 to {} must begin in order, each after the end of the one "
                            "before; got wave {} after {}{}",
                            ranks_.plan().waves() - 1, wave, wave_, moving_ ? ", under way" : ""));
  std::vector<std::int64_t> slices;
  for (int place = 0; place <= ranks_.per_node(); ++place)
    slices.push_back(borders_[static_cast<std::size_t>(place * ranks_.nodes())]);
  moving_ = std::make_unique<TreeExchange>(ranks_.within(), device_, lists(wave, false), partials,
                                           std::move(slices));
  wave_ = wave;
}

void TreeReduce::end() {
  if (!moving_) throw Error(ErrorCode::invalid_argument, "end() of a wave that did not begin");
  const auto moved = std::exchange(moving_, nullptr);
  if (ranks_.nodes() == 1) return moved->finish(sums_);
  PartialSums sums;  // of the node
  moved->finish(sums);
  const auto first = static_cast<std::size_t>(ranks_.within().rank() * ranks_.nodes());
  std::vector<std::int64_t> parts;
  for (int node = 0; node <= ranks_.nodes(); ++node)
    parts.push_back(borders_[first + static_cast<std::size_t>(node)] - borders_[first]);
  std::vector<Tensor> partials;
  for (auto& partial : sums.take()) partials.push_back(std::move(partial.sum));
  TreeExchange(ranks_.across(), device_, lists(wave_, true), std::move(partials), std::move(parts))
      .finish(sums_);
}

bool TreeReduce::complete() const {
  return !moving_ && wave_ + 1 == ranks_.plan().waves();
}

Tensor TreeReduce::finish() {
  if (moving_) end();
  auto sums = sums_.take();
  if (wave_ + 1 != ranks_.plan().waves() || sums.size() != 1)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("only {} of {} waves have come", wave_ + 1, ranks_.plan().waves()));
  wave_ = -1;
  return std::move(sums.front().sum);
}

void TreeReduce::discard() {
  moving_.reset();
  sums_.clear();
  wave_ = -1;
}

Work TreeReduce::all_gather(const Tensor& whole) const {
  const TensorView& all = whole.view();
  if (all.numel() != size())
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the whole buffer has {} elements, got {}", size(), all.shape.str()));
  auto* place = all.as<std::byte>() + shard_begin() * size_of(all.dtype);
  const TensorView own(place, all.dtype, {shard_size()}), flat(all.data, all.dtype, {size()});
  return ranks_.by_shard().all_gather(own, flat, shard_sizes(borders_)).keep(whole);
}

}  // namespace gigatrain::parallel
