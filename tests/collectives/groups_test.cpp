// Groups come and go: nothing of them stays.
#include <catch2/catch.hpp>

#include <malloc.h>

#include <cstdint>

#include "collectives/ranks.h"
#include "collectives/threads/thread_world.h"
#include "kernels/simt/simt_queue.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

struct Held {
  std::size_t groups = 0, slots = 0, tasks = 0;
  std::int64_t bytes = 0;  // of this process; a sanitizer's own memory is not seen
};

// While no rank does anything.
Held held_by(Communicator& world) {
  world.barrier().wait();
  const auto now = collectives::world_of(world)->held();
  const Held held{now.groups, now.slots, now.tasks,
                  static_cast<std::int64_t>(mallinfo2().uordblks)};
  world.barrier().wait();
  return held;
}

// Two groups of hosts and one of devices, of two ranks and of three, each used.
void make_groups(Communicator& world, Device& device, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const auto some = world.split(world.rank() == i % 3 ? -1 : 0, -world.rank(), "some");
    if (some) some->barrier().wait();
    const auto all = world.split(0, i % 2 ? world.rank() : 0);
    all->on(device)->barrier().wait();
  }
}

}  // namespace

TEST_CASE("groups of hosts and devices, a thousand of them, leave nothing behind",
          "[unit][collectives][threads]") {
  constexpr int kGroups = 3;  // of the round at hand, and forgotten by the next one
  const auto all = on_ranks<std::vector<Held>>(3, [](Communicator& world) {
    const auto device = simt_device();
    make_groups(world, *device, 400);  // the log of operations is full after it
    const Held before = held_by(world);
    make_groups(world, *device, 1000);
    return std::vector<Held>{before, held_by(world)};
  });
  for (const auto& rank : all) {
    const Held &before = rank[0], &after = rank[1];
    CHECK(after.groups <= kGroups + 1);
    CHECK(after.slots <= 1);  // of a barrier that others have not reached
    CHECK(after.tasks == 0);
    CHECK(after.bytes - before.bytes < 64 << 10);
  }
}
