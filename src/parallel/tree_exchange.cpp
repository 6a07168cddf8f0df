#include "parallel/tree_exchange.h"

#include <fmt/format.h>

#include <algorithm>

#include "gigatrain/base/error.h"
#include "kernels/elementwise.h"

namespace gigatrain::parallel {

namespace {

constexpr BlockName kName{Purpose::gradients, "partial sums"};

// What adds nothing: -0 + x has the bits of x for every x, +0 + -0 has not.
Tensor nothing(Device& device, std::int64_t size) {
  return Tensor::full(device, {size}, -0.0, DType::f32, kName);
}

Tensor slice(const Tensor& flat, std::int64_t begin, std::int64_t end) {
  return flat.alias(TensorView(flat.view().as<float>() + begin, DType::f32, {end - begin}));
}

Tensor copy_of(const Tensor& x) {
  Tensor y = Tensor::empty(x.device(), x.shape(), DType::f32, kName);
  x.stream().submit(kernels::Copy{.x = x.view(), .y = y.view()});
  return y;
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

// This rank's own slices come last, so that sums are made in the memory that has arrived and the
// partials can go; one that is left in a partial's memory is copied out of it.
std::vector<PartialSum> TreeExchange::finish() {
  for (auto& work : works_) work.wait();
  PartialSums sums;
  const auto rank = static_cast<std::size_t>(ranks_.rank());
  for (auto& partial : arrived_) sums.add(std::move(partial));
  for (std::size_t i = 0; i < partials_.size(); ++i)
    sums.add({lists_[rank][i], slice(partials_[i], borders_[rank], borders_[rank + 1])});
  auto out = sums.take();
  for (auto& partial : out)
    if (own_size() < borders_.back() && is_own(partial.sum)) partial.sum = copy_of(partial.sum);
  return out;
}

}  // namespace gigatrain::parallel
