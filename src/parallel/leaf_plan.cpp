#include "gigatrain/parallel/leaf_plan.h"

#include <fmt/format.h>

#include <bit>

#include "gigatrain/base/error.h"
#include "gigatrain/base/integers.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "kernels/reduce.h"

namespace gigatrain::parallel {

namespace {

bool is_power_of_two(std::int64_t n) {
  return n > 0 && std::has_single_bit(static_cast<std::uint64_t>(n));
}

}  // namespace

LeafPlan::LeafPlan(std::int64_t leaves, int ranks, Exchange exchange)
    : leaves_(leaves), ranks_(ranks), exchange_(exchange) {
  if (!is_power_of_two(leaves))
    throw Error(ErrorCode::invalid_argument,
                fmt::format("the number of leaves must be a power of two, got {}", leaves));
  if (ranks < 1 || ranks > leaves)
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("{} leaves keep 1 to {} ranks busy, got {} ranks", leaves, leaves, ranks),
        fmt::format("use at most {} ranks, or raise train.leaves (which changes the bits)",
                    leaves));
}

std::vector<std::int64_t> LeafPlan::leaves_of(int rank) const {
  if (exchange_ == Exchange::after_leaf && is_power_of_two(ranks_))
    return strided_leaves(leaves_, rank, ranks_);
  return contiguous_leaves(leaves_, rank, ranks_);
}

std::int64_t LeafPlan::waves() const {
  return exchange_ == Exchange::after_step ? 1 : ceil_div(leaves_, ranks_);
}

std::vector<TreeNode> LeafPlan::nodes(std::int64_t wave, int rank) const {
  const auto own = leaves_of(rank);
  if (exchange_ == Exchange::after_step) return aligned_nodes(own.front(), own.back() + 1);
  if (wave >= static_cast<std::int64_t>(own.size())) return {};
  return {{own[static_cast<std::size_t>(wave)], 1}};
}

std::vector<std::int64_t> shard_borders(const std::vector<std::int64_t>& sizes,
                                        std::int64_t shards) {
  std::int64_t total = 0;
  for (const std::int64_t size : sizes) total += size;
  std::vector<std::int64_t> borders;
  std::size_t tensor = 0;
  std::int64_t begin = 0;  // of that tensor
  for (std::int64_t s = 0; s < shards; ++s) {
    const std::int64_t even = total / shards * s + total % shards * s / shards;
    while (tensor < sizes.size() && begin + sizes[tensor] <= even) begin += sizes[tensor++];
    borders.push_back(begin + (even - begin) / kernels::kScalarChunk * kernels::kScalarChunk);
  }
  borders.push_back(total);
  return borders;
}

}  // namespace gigatrain::parallel
