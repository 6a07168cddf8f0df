// Leaves are dealt completely, evenly and in few pieces; shards are cut at whole chunks.
#include "gigatrain/parallel/leaf_plan.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <bit>

#include "gigatrain/base/error.h"

using namespace gigatrain;
using namespace gigatrain::parallel;
using Catch::Matchers::Contains;

TEST_CASE("every leaf has one rank, every rank as many", "[unit][parallel]") {
  for (const std::int64_t V : {1, 2, 16, 64})
    for (int ranks = 1; ranks <= V; ++ranks)
      for (const Exchange exchange : {Exchange::after_step, Exchange::after_leaf}) {
        const LeafPlan plan(V, ranks, exchange);
        std::vector<std::int64_t> all, in_waves;
        const auto most = static_cast<std::size_t>((V + ranks - 1) / ranks);
        std::size_t pieces = 0;
        for (int r = 0; r < ranks; ++r) {
          const auto own = plan.leaves_of(r);
          CHECK((own.size() == most || own.size() + 1 == most));
          all.insert(all.end(), own.begin(), own.end());
          for (std::int64_t wave = 0; wave < plan.waves(); ++wave) {
            const auto nodes = plan.nodes(wave, r);
            pieces = std::max(pieces, nodes.size());
            for (const auto& node : nodes) {
              CHECK((std::has_single_bit(static_cast<std::uint64_t>(node.count)) &&
                     node.begin % node.count == 0));
              for (std::int64_t i = 0; i < node.count; ++i) in_waves.push_back(node.begin + i);
            }
          }
        }
        std::sort(all.begin(), all.end());
        std::sort(in_waves.begin(), in_waves.end());
        for (std::int64_t leaf = 0; leaf < V; ++leaf)
          CHECK((all[static_cast<std::size_t>(leaf)] == leaf));
        CHECK(in_waves == all);
        const auto log =
            static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(V)) - 1);
        CHECK(pieces <= std::max<std::size_t>(1, 2 * log));
      }
}

TEST_CASE("powers of two: one subtree a rank, or strided leaves", "[unit][parallel]") {
  const LeafPlan whole(16, 4, Exchange::after_step), leaf(16, 4, Exchange::after_leaf);
  CHECK(whole.nodes(0, 2) == std::vector<TreeNode>{{8, 4}});
  CHECK(leaf.leaves_of(2) == std::vector<std::int64_t>{2, 6, 10, 14});
  CHECK(leaf.nodes(1, 2) == std::vector<TreeNode>{{6, 1}});
  CHECK(LeafPlan(16, 3, Exchange::after_leaf).leaves_of(1) ==
        std::vector<std::int64_t>{5, 6, 7, 8, 9});
  CHECK(LeafPlan(16, 3, Exchange::after_step).nodes(0, 1) ==
        std::vector<TreeNode>{{5, 1}, {6, 2}, {8, 2}});
}

TEST_CASE("a plan refuses too many ranks and odd numbers of leaves", "[unit][parallel][errors]") {
  CHECK_THROWS_WITH(LeafPlan(12, 2, Exchange::after_step), Contains("power of two, got 12"));
  CHECK_THROWS_WITH(LeafPlan(8, 9, Exchange::after_step),
                    Contains("8 leaves keep 1 to 8 ranks busy, got 9 ranks"));
}

TEST_CASE("shards are cut at whole chunks of each tensor", "[unit][parallel]") {
  const std::vector<std::int64_t> sizes = {100000, 5, 0, 8192, 4097, 70000};
  std::int64_t total = 0;
  for (const auto size : sizes) total += size;
  for (const std::int64_t shards : {1, 2, 3, 7, 16, 100}) {
    const auto borders = shard_borders(sizes, shards);
    REQUIRE(borders.size() == static_cast<std::size_t>(shards) + 1);
    CHECK(borders.front() == 0);
    CHECK(borders.back() == total);
    for (std::size_t s = 1; s < borders.size(); ++s) {
      CHECK(borders[s - 1] <= borders[s]);
      CHECK(std::abs(borders[s] - total * static_cast<std::int64_t>(s) / shards) < 4096);
      std::int64_t begin = 0;
      bool on_chunk = borders[s] == total;
      for (const auto size : sizes) {
        on_chunk |=
            borders[s] >= begin && borders[s] < begin + size && (borders[s] - begin) % 4096 == 0;
        begin += size;
      }
      CHECK(on_chunk);
    }
  }
  CHECK(shard_borders({}, 2) == std::vector<std::int64_t>{0, 0, 0});
}
