// The grid of ranks: coordinates, the groups of its axes, and what it refuses.
#include "gigatrain/collectives/device_mesh.h"

#include <catch2/catch.hpp>

#include "collectives/ranks.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

using Ranks = std::vector<std::int64_t>;

// The program's ranks of a group, told by the group itself.
Ranks members(Communicator& group, int rank) {
  Ranks mine = {rank}, all(static_cast<std::size_t>(group.size()));
  group.all_gather(view_of(mine), view_of(all)).wait();
  return all;
}

}  // namespace

TEST_CASE("a mesh groups the ranks along its axes", "[unit][collectives][threads]") {
  struct Seen {
    Ranks pp, dp, tp, cp, dp_tp;
    std::vector<int> coordinates;
    std::int64_t operations = 0;
  };
  const auto seen = on_ranks<Seen>(12, [](Communicator& world) {
    const DeviceMesh mesh(world, {{"pp", 2}, {"dp", 3}, {"cp", 1}, {"tp", 2}});
    const std::int64_t operations = world.log().total();
    const int r = world.rank();
    return Seen{.pp = members(mesh.axis("pp"), r),
                .dp = members(mesh.axis("dp"), r),
                .tp = members(mesh.axis("tp"), r),
                .cp = members(mesh.axis("cp"), r),
                .dp_tp = members(*mesh.group({"tp", "dp"}), r),
                .coordinates = {mesh.coordinate("pp"), mesh.coordinate("dp"), mesh.coordinate("tp"),
                                mesh.coordinate("ep"), mesh.axis("dp").rank(), mesh.size("dp")},
                .operations = operations};
  });
  for (int r = 0; r < 12; ++r) {
    const Seen& s = seen[static_cast<std::size_t>(r)];
    const int pp = r / 6, dp = r / 2 % 3, tp = r % 2;
    CHECK(s.coordinates == std::vector<int>{pp, dp, tp, 0, dp, 3});
    CHECK(s.pp == Ranks{r % 6, r % 6 + 6});
    CHECK(s.dp == Ranks{pp * 6 + tp, pp * 6 + 2 + tp, pp * 6 + 4 + tp});
    CHECK(s.tp == Ranks{r - tp, r - tp + 1});
    CHECK(s.cp == Ranks{r});
    CHECK(s.dp_tp == Ranks{pp * 6, pp * 6 + 1, pp * 6 + 2, pp * 6 + 3, pp * 6 + 4, pp * 6 + 5});
    CHECK(s.operations == 3);  // axes of size 1 cost none
  }
}

TEST_CASE("the order of the axes is the caller's", "[unit][collectives][threads]") {
  const auto tp = on_ranks<Ranks>(4, [](Communicator& world) {
    const DeviceMesh mesh(world, {{"tp", 2}, {"dp", 2}});
    return members(mesh.axis("tp"), world.rank());
  });
  CHECK(tp[1] == Ranks{1, 3});
}

TEST_CASE("a mesh refuses what cannot be meant", "[unit][collectives][errors]") {
  const auto world = make_local_communicator();
  CHECK(DeviceMesh(*world, {}).axis("dp").size() == 1);
  CHECK_THROWS_WITH(DeviceMesh(*world, {{"dp", 4}, {"tp", 2}}),
                    Contains("the axes dp 4 x tp 2 make 8 ranks, 'world' has 1") &&
                        Contains("start 8 ranks, or choose sizes whose product is 1"));
  CHECK_THROWS_WITH(DeviceMesh(*world, {{"db", 1}}),
                    Contains("has the axes pp, dp, cp, ep, tp, not 'db'"));
  CHECK_THROWS_WITH(DeviceMesh(*world, {{"dp", 1}, {"dp", 1}}), Contains("axis dp is given twice"));
  CHECK_THROWS_WITH(DeviceMesh(*world, {{"dp", 0}}), Contains("at least 1, got 0"));
  CHECK_THROWS_WITH(DeviceMesh(*world, {}).axis("data"), Contains("not 'data'"));
}
