// The gradient tree across ranks in the memory of SIMT devices: the bits of one CPU.
#include <catch2/catch.hpp>

#include "collectives/ranks.h"
#include "kernels/simt/simt_queue.h"
#include "parallel/tree_sum.h"

using namespace gigatrain;
using namespace gigatrain::test;

TEST_CASE("simt: the tree across ranks has the bits of the tree on one CPU", "[simt]") {
  using Bits = std::vector<std::uint32_t>;
  const std::vector<std::int64_t> sizes = {5000, 1, 0, 8200};
  Device cpu({.threads = 1});
  const Bits want = tree_sum(*make_local_communicator(), cpu, sizes, 8);
  for (const int ranks : {1, 2, 4}) {
    INFO(ranks << " ranks");
    const auto got = on_ranks<Bits>(ranks, [&](Communicator& world) {
      const auto device = simt_device();
      return tree_sum(*world.on(*device), *device, sizes, 8);
    });
    for (const auto& mine : got) CHECK((mine == want));
  }
}
