#include "parallel/tree_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

#include "gigatrain/base/error.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "parallel/window.h"

namespace gigatrain::parallel {

namespace {

constexpr BlockName kName{Purpose::gradients, "partial sums"};

// What adds nothing: -0 + x has the bits of x for every x, +0 + -0 has not.
Tensor nothing(Device& device, std::int64_t size) {
  return Tensor::full(device, {size}, -0.0, DType::f32, kName);
}

Tensor slice(const Tensor& flat, std::int64_t begin, std::int64_t end) {
  return window(flat, begin, {end - begin});
}

Tensor copy_of(const Tensor& x) {
  Tensor y = Tensor::empty(x.device(), x.shape(), DType::f32, kName);
  x.stream().submit(kernels::Copy{.x = x.view(), .y = y.view()});
  return y;
}

using PartialSpan = std::span<const PartialSum>;

// How many of the first partials, in the order of their leaves, are equal parts of one node: what
// one TreeSum adds.
std::size_t parts_of_a_node(PartialSpan sorted) {
  const TreeNode first = sorted.front().node;
  const std::size_t most = std::min<std::size_t>(sorted.size(), kernels::TreeSum::kMost);
  std::size_t parts = 1;
  for (std::size_t n = 1; n < most; ++n) {
    const auto before = static_cast<std::int64_t>(n) * first.count;
    if (sorted[n].node != TreeNode{first.begin + before, first.count}) break;
    if (std::has_single_bit(n + 1) && first.begin % (before + first.count) == 0) parts = n + 1;
  }
  return parts;
}

}  // namespace

TreeExchange::TreeExchange(Communicator& ranks, Device& device,
                           std::vector<std::vector<TreeNode>> lists, std::vector<Tensor> partials,
                           std::vector<std::int64_t> borders)
    : ranks_(ranks),
      device_(device),
      lists_(std::move(lists)),
      partials_(std::move(partials)),
      borders_(std::move(borders)) {
  for (auto& partial : partials_)
    if (!partial) partial = nothing(device, borders_.back());
  require_partials();
  std::size_t rounds = 0;
  for (const auto& list : lists_) rounds = std::max(rounds, list.size());
  for (std::size_t round = 0; round < rounds; ++round) start_round(round);
}

void TreeExchange::require_partials() const {
  const std::size_t want = lists_[static_cast<std::size_t>(ranks_.rank())].size();
  if (partials_.size() != want)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("rank {} brings {} partial sums to this wave, got {}", ranks_.rank(),
                            want, partials_.size()),
                "give those of LeafPlan::nodes(wave, rank), in their order");
  for (const auto& partial : partials_)
    if (partial.dtype() != DType::f32 || partial.numel() != borders_.back() ||
        !partial.view().is_contiguous())
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("a partial sum must be {} contiguous elements of f32, got {} {}",
                              borders_.back(), partial.shape().str(), name(partial.dtype())));
}

std::int64_t TreeExchange::own_size() const {
  const auto rank = static_cast<std::size_t>(ranks_.rank());
  return borders_[rank + 1] - borders_[rank];
}

// What stays on this rank is not sent: its slice is added where it lies.
void TreeExchange::start_round(std::size_t round) {
  const auto rank = static_cast<std::size_t>(ranks_.rank());
  const std::vector<TensorView> empty(lists_.size(), TensorView(nullptr, DType::f32, {0}));
  auto send = empty, receive = empty;
  for (std::size_t r = 0; r < lists_.size(); ++r) {
    if (r == rank) continue;
    if (round < partials_.size())
      send[r] = slice(partials_[round], borders_[r], borders_[r + 1]).view();
    if (round >= lists_[r].size()) continue;
    arrived_.push_back({lists_[r][round], Tensor::empty(device_, {own_size()}, DType::f32, kName)});
    receive[r] = arrived_.back().sum.view();
  }
  works_.push_back(ranks_.all_to_all(send, receive));
}

bool TreeExchange::is_own(const Tensor& sum) const {
  const float* at = sum.view().as<float>();
  return std::any_of(partials_.begin(), partials_.end(), [&](const Tensor& p) {
    return at >= p.view().as<float>() && at < p.view().as<float>() + p.numel();
  });
}

void TreeExchange::finish(PartialSums& sums) {
  for (auto& work : works_) work.wait();
  const auto rank = static_cast<std::size_t>(ranks_.rank());
  for (std::size_t i = 0; i < partials_.size(); ++i)
    arrived_.push_back({lists_[rank][i], slice(partials_[i], borders_[rank], borders_[rank + 1])});
  for (const auto& node : whole_nodes(std::exchange(arrived_, {}))) add_node(node, sums);
}

// Sums are made where others stand already, or in memory that has arrived, so that the partials
// can go; one that is left in a partial's memory is copied out of it.
void TreeExchange::add_node(const Parts& parts, PartialSums& sums) const {
  const auto totals = sums.totals_for(parts.node);
  if (parts.sums.size() > 1 || !totals.empty()) add_parts(parts.sums, totals, parts.to);
  if (!totals.empty()) return sums.added(parts.node);
  const bool borrowed = own_size() < borders_.back() && is_own(parts.to);
  sums.add({parts.node, borrowed ? copy_of(parts.to) : parts.to});
}

// Equal parts that make up a node are added at once; nodes in this rank's own memory come last.
std::vector<TreeExchange::Parts> TreeExchange::whole_nodes(std::vector<PartialSum> parts) const {
  const auto arrived = [this](const Tensor& sum) { return !is_own(sum); };
  std::sort(parts.begin(), parts.end(),
            [](const PartialSum& a, const PartialSum& b) { return a.node.begin < b.node.begin; });
  std::vector<Parts> nodes;
  for (PartialSpan rest = parts; !rest.empty();) {
    const PartialSpan some = rest.first(parts_of_a_node(rest));
    const auto [begin, count] = some.front().node;
    Parts& node = nodes.emplace_back();
    node.node = {begin, count * static_cast<std::int64_t>(some.size())};
    for (const auto& part : some) node.sums.push_back(part.sum);
    const auto target = std::find_if(node.sums.begin(), node.sums.end(), arrived);
    node.to = target == node.sums.end() ? node.sums.front() : *target;
    rest = rest.subspan(some.size());
  }
  std::stable_partition(nodes.begin(), nodes.end(),
                        [&](const Parts& node) { return arrived(node.to); });
  return nodes;
}

}  // namespace gigatrain::parallel
