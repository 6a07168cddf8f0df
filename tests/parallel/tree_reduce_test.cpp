// The tree across ranks has the bits of one rank that computes all leaves.
#include "gigatrain/parallel/tree_reduce.h"

#include <catch2/catch.hpp>

#include <bit>
#include <cmath>

#include "collectives/ranks.h"
#include "gigatrain/parallel/gradient_tree.h"
#include "support/random.h"

using namespace gigatrain;
using namespace gigatrain::parallel;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

const std::vector<std::int64_t> kSizes = {5000, 1, 0, 12289, 700};
constexpr std::int64_t kElements = 17990;

// Leaf gradients that differ by powers of two, so that order matters.
std::vector<float> gradient(std::int64_t leaf) {
  auto u = random_values(kElements, "leaf " + std::to_string(leaf));
  for (auto& x : u) x *= std::exp2(static_cast<double>(leaf * 7 % 11));
  return {u.begin(), u.end()};
}

using Gradients = std::vector<std::vector<float>>;

Gradients gradients(std::int64_t leaves) {
  Gradients out;
  for (std::int64_t leaf = 0; leaf < leaves; ++leaf) out.push_back(gradient(leaf));
  return out;
}

// -0 and 0, and NaNs, are told apart.
std::vector<std::uint32_t> bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> out;
  for (const float x : values) out.push_back(std::bit_cast<std::uint32_t>(x));
  return out;
}

// By the tree of one rank; leaves without a gradient give it nothing.
std::vector<std::uint32_t> on_one_rank(const Gradients& leaves) {
  Device device({.threads = 1});
  Parameter parameter({kElements}, {});
  parameter.allocate(device, DType::f32);
  const auto use = parameter.add_use();
  GradientTree tree({&parameter}, static_cast<std::int64_t>(leaves.size()));
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
    tree.begin_leaf({static_cast<std::int64_t>(leaf)});
    if (!leaves[leaf].empty()) {
      use->leaf().gradient = Tensor::from<float>(device, {kElements}, leaves[leaf]);
      use->leaf().filled = true;
    }
    tree.end_leaf();
  }
  tree.finish();
  return bits(parameter.grad.to_vector<float>());
}

struct Layout {
  int ranks;
  Exchange exchange;
  int per_node = 0;
};

// What a rank has after a reduce-scatter and an all-gather.
std::vector<std::uint32_t> run_rank(Communicator& comm, const Layout& layout,
                                    const Gradients& leaves) {
  Device device({.threads = 1});
  const LeafPlan plan(static_cast<std::int64_t>(leaves.size()), layout.ranks, layout.exchange);
  TreeRanks ranks(comm, plan, layout.per_node);
  TreeReduce reduce(ranks, device, shard_borders(kSizes, layout.ranks));
  const auto leaf_sum = [&](std::int64_t leaf) {
    const auto& g = leaves[static_cast<std::size_t>(leaf)];
    return PartialSum{{leaf, 1},
                      g.empty() ? Tensor() : Tensor::from<float>(device, {kElements}, g)};
  };
  const auto own = plan.leaves_of(comm.rank());
  for (std::int64_t wave = 0; wave < plan.waves(); ++wave) {
    PartialSums sums;
    if (layout.exchange == Exchange::after_step)
      for (const auto leaf : own) sums.add(leaf_sum(leaf));
    else if (wave < static_cast<std::int64_t>(own.size()))
      sums.add(leaf_sum(own[static_cast<std::size_t>(wave)]));
    std::vector<Tensor> partials;
    for (auto& partial : sums.take()) partials.push_back(std::move(partial.sum));
    reduce.begin(wave, partials);
    reduce.end();
  }
  const Tensor shard = reduce.finish();
  const Tensor whole = Tensor::full(device, {kElements}, -7.0);
  const std::int64_t begin = reduce.shard_begin();
  whole.alias(TensorView(whole.view().as<float>() + begin, DType::f32, {reduce.shard_size()}))
      .assign(shard);
  reduce.all_gather(whole).wait();
  return bits(whole.to_vector<float>());
}

void check(const Layout& layout, const Gradients& leaves,
           const std::vector<std::uint32_t>& expected) {
  INFO(layout.ranks << " ranks, " << layout.per_node << " a node, "
                    << (layout.exchange == Exchange::after_leaf ? "after each leaf" : "after all"));
  const auto got = on_ranks<std::vector<std::uint32_t>>(
      layout.ranks, [&](Communicator& comm) { return run_rank(comm, layout, leaves); });
  for (const auto& mine : got) CHECK((mine == expected));
}

}  // namespace

TEST_CASE("the tree across ranks has the bits of the tree on one", "[unit][parallel][threads]") {
  for (const std::int64_t V : {16, 32}) {
    const Gradients leaves = gradients(V);
    const auto expected = on_one_rank(leaves);
    for (const Exchange exchange : {Exchange::after_step, Exchange::after_leaf}) {
      for (const int ranks : {1, 2, 3, 4, 5, 7, 8, 16}) check({ranks, exchange}, leaves, expected);
      for (const auto& [ranks, per_node] :
           {std::pair{4, 2}, {6, 2}, {6, 3}, {8, 4}, {12, 4}, {16, 4}, {16, 2}, {3, 1}})
        check({ranks, exchange, per_node}, leaves, expected);
    }
  }
}

TEST_CASE("the leaf gradients of these tests would show another order", "[unit][parallel]") {
  const Gradients leaves = gradients(16);
  std::vector<float> in_order = leaves[0];
  for (std::size_t leaf = 1; leaf < leaves.size(); ++leaf)
    for (std::size_t i = 0; i < in_order.size(); ++i) in_order[i] += leaves[leaf][i];
  CHECK((bits(in_order) != on_one_rank(leaves)));
}

TEST_CASE("leaves without a gradient add nothing, not even to a zero's sign",
          "[unit][parallel][threads]") {
  Gradients leaves = gradients(16);
  for (auto& g : leaves) std::fill(g.begin(), g.begin() + 100, -0.0f);
  for (const std::size_t leaf : {0, 1, 6, 15}) leaves[leaf].clear();
  const auto expected = on_one_rank(leaves);
  CHECK(expected[5] == 0x80000000u);
  for (const Exchange exchange : {Exchange::after_step, Exchange::after_leaf})
    for (const int ranks : {2, 3, 8, 16}) check({ranks, exchange}, leaves, expected);
}

TEST_CASE("buffers smaller than a chunk stay whole, on one rank", "[unit][parallel][threads]") {
  const auto sizes = on_ranks<std::int64_t>(4, [](Communicator& comm) {
    Device device({.threads = 1});
    TreeRanks ranks(comm, LeafPlan(4, 4, Exchange::after_step));
    TreeReduce reduce(ranks, device, shard_borders({10}, comm.size()));
    reduce.begin(0, {Tensor::full(device, {10}, comm.rank() + 1.0)});
    const Tensor shard = reduce.finish();
    for (const float x : shard.to_vector<float>())
      if (x != 10.0f) return std::int64_t{-1};
    return shard.numel();
  });
  CHECK(sizes == std::vector<std::int64_t>{0, 0, 0, 10});
}

TEST_CASE("tree reduce refuses what does not fit the plan", "[unit][parallel][errors]") {
  const auto alone = make_local_communicator();
  Device device({.threads = 1});
  CHECK_THROWS_WITH(TreeRanks(*alone, LeafPlan(4, 2, Exchange::after_step)),
                    Contains("deals leaves to 2 ranks, group 'world' has 1"));
  CHECK_THROWS_WITH(TreeRanks(*alone, LeafPlan(4, 1, Exchange::after_step), 2),
                    Contains("an equal part of the 1 ranks, got 2 a node"));
  TreeRanks ranks(*alone, LeafPlan(4, 1, Exchange::after_leaf));
  TreeReduce reduce(ranks, device, {0, 10});
  const Tensor ten = Tensor::full(device, {10}, 1.0);
  CHECK_THROWS_WITH(TreeReduce(ranks, device, {10}), Contains("1 shards have 2 ascending borders"));
  CHECK_THROWS_WITH(reduce.begin(1, {ten}), Contains("must begin in order"));
  CHECK_THROWS_WITH(reduce.begin(0, {}), Contains("brings 1 partial sums to this wave, got 0"));
  CHECK_THROWS_WITH(reduce.begin(0, {Tensor::full(device, {9}, 1.0)}),
                    Contains("10 contiguous elements of f32, got (9) f32"));
  CHECK_THROWS_WITH(reduce.end(), Contains("did not begin"));
  reduce.begin(0, {ten});
  CHECK_THROWS_WITH(reduce.begin(1, {ten}), Contains("under way"));
  CHECK_THROWS_WITH(reduce.finish(), Contains("only 1 of 4 waves"));
  reduce.discard();
  for (int wave = 0; wave < 4; ++wave) {
    reduce.begin(wave, {Tensor::full(device, {10}, 1.0)});
    reduce.end();
  }
  CHECK(reduce.finish().to_vector<float>() == std::vector<float>(10, 4.0f));
}
