// Groups whose buffers are memory of a device: what moves is what moves between hosts, queues wait
// where they must and nobody else does, and failures end as they do there.
#include <catch2/catch.hpp>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "collectives/device_arrays.h"
#include "collectives/ranks.h"
#include "gigatrain/collectives/device_mesh.h"
#include "kernels/dry/dry_queue.h"
#include "kernels/simt/simt_queue.h"
#include "support/late_device.h"

using namespace gigatrain;
using namespace gigatrain::test;
using Catch::Matchers::Contains;

namespace {

using OpenDevice = std::function<std::unique_ptr<Device>()>;

void check_every_operation(const OpenDevice& open) {
  for (const int ranks : {1, 2, 3, 4})
    for (const std::int64_t n : {0, 5, 6000}) {
      INFO(ranks << " ranks, parts of " << n);
      const auto want = on_ranks<Floats>(ranks, [&](Communicator& world) {
        Device cpu({.threads = 1});
        return every_operation(world, cpu, n);
      });
      const auto got = on_ranks<Floats>(ranks, [&](Communicator& world) {
        const auto device = open();
        const auto group = world.on(*device);
        return every_operation(*group, *device, n);
      });
      for (std::size_t r = 0; r < got.size(); ++r) CHECK((got[r] == want[r]));
    }
}

constexpr Pace kPaces[] = {Pace::all_late, Pace::copies_at_once};

}  // namespace

TEST_CASE("a device's memory moves as a host's does", "[unit][collectives][threads]") {
  check_every_operation([] { return simt_device(); });
  check_every_operation([] { return std::make_unique<Device>(CpuOptions{.threads = 1}); });
  for (const Pace pace : kPaces) {
    const auto machine = std::make_shared<LateMachine>(pace);
    check_every_operation([&] { return late_device(machine); });
    CHECK(machine->faults() == 0);
  }
}

// A sender's kernel writes what is sent, a receiver's kernel still writes where it is received, and
// after wait() both have new work for these buffers.
TEST_CASE("queues wait for each other, and no host waits for a device",
          "[unit][collectives][threads]") {
  constexpr std::int64_t kSize = 100;
  for (const Pace pace : kPaces)
    for (const int ranks : {1, 2, 4}) {
      INFO(ranks << " ranks, pace " << static_cast<int>(pace));
      const auto machine = std::make_shared<LateMachine>(pace);
      const auto got = on_ranks<std::vector<Floats>>(ranks, [&](Communicator& world) {
        const auto device = late_device(machine);
        auto& queue = dynamic_cast<LateQueue&>(*device->backend());
        const auto group = world.on(*device);
        const Array mine(*device, junk(kSize)), all(*device, junk(kSize * ranks)),
            after(*device, junk(kSize * ranks));
        world.barrier().wait();
        const int before = machine->host_waits();
        const auto fill = [&](const Array& array, float value) {
          queue.launch([=, at = array.data(), size = array.view().numel()] {
            std::fill_n(at, size, value);
          });
        };
        fill(mine, static_cast<float>(world.rank()));
        fill(all, -2.0f);
        Work work = group->all_gather(mine.view(), all.view());
        work.wait();
        queue.launch([from = all.data(), to = after.data(), size = kSize * ranks] {
          std::copy_n(from, size, to);
        });
        fill(mine, -3.0f);
        fill(all, -4.0f);
        world.barrier().wait();
        const bool nobody_waited = machine->host_waits() == before;
        world.barrier().wait();
        // The senders' queues run to their end before the receivers'.
        for (int r = 0; r < ranks; ++r) {
          if (r == world.rank()) device->synchronize();
          world.barrier().wait();
        }
        return std::vector<Floats>{after.values(), mine.values(), {nobody_waited ? 1.0f : 0.0f}};
      });
      Floats want;
      for (int r = 0; r < ranks; ++r) want.insert(want.end(), kSize, static_cast<float>(r));
      for (const auto& mine : got) {
        CHECK((mine[0] == want));
        CHECK((mine[1] == Floats(kSize, -3.0f)));
        CHECK(mine[2] == Floats{1.0f});
      }
    }
}

// Copies are queued by other threads then, and none of them has run.
TEST_CASE("test() says when wait() would not block the host", "[unit][collectives][threads]") {
  const auto machine = std::make_shared<LateMachine>(Pace::all_late);
  const auto got = on_ranks<std::vector<Floats>>(3, [&](Communicator& world) {
    const auto device = late_device(machine);
    const auto group = world.on(*device);
    const Array mine(*device, values_of(world.rank(), 10)), all(*device, junk(30));
    Work work = group->all_gather(mine.view(), all.view());
    while (!work.test()) std::this_thread::yield();  // to the deadline at most
    work.wait();
    world.barrier().wait();
    const auto waits = static_cast<float>(machine->host_waits());
    world.barrier().wait();
    return std::vector<Floats>{all.values(), {waits}};
  });
  for (const auto& mine : got) {
    CHECK(mine[0][9] == 9.0f);
    CHECK(mine[0][29] == 200009.0f);
    CHECK(mine[1] == Floats{0.0f});
  }
}

TEST_CASE("buffers may go after wait(), and groups before their works",
          "[unit][collectives][threads]") {
  for (const Pace pace : kPaces) {
    const auto machine = std::make_shared<LateMachine>(pace);
    const auto got = on_ranks<Floats>(3, [&](Communicator& world) {
      const auto device = late_device(machine);
      auto group = world.on(*device);
      const Array all(*device, junk(3000));
      {
        const Array mine(*device, values_of(world.rank(), 1000));
        Work work = group->all_gather(mine.view(), all.view());
        group.reset();
        work.wait();
      }
      return all.values();
    });
    machine->finish();
    CHECK(machine->faults() == 0);
    Floats want;
    for (int r = 0; r < 3; ++r) {
      const Floats part = values_of(r, 1000);
      want.insert(want.end(), part.begin(), part.end());
    }
    for (const auto& all : got) CHECK((all == want));
  }
}

TEST_CASE("a rank may use several devices, and groups inherit theirs",
          "[unit][collectives][threads]") {
  constexpr std::int64_t kSize = 9000;
  for (const Pace pace : kPaces) {
    const auto machine = std::make_shared<LateMachine>(pace);
    const auto got = on_ranks<std::vector<Floats>>(4, [&](Communicator& world) {
      const auto one = late_device(machine), other = late_device(machine);
      Device& mixed = world.rank() % 2 ? *one : *other;
      const auto first = world.on(mixed), second = world.on(*one);
      const DeviceMesh mesh(*first, {{"dp", 2}, {"tp", 2}});
      const Array mine(mixed, values_of(world.rank(), kSize)), pair(mixed, junk(2 * kSize));
      mesh.axis("dp").all_gather(mine.view(), pair.view()).wait();
      const Array own(*one, values_of(world.rank(), kSize)), alone(*one, junk(kSize));
      second->alone("me")->all_gather(own.view(), alone.view()).wait();
      return std::vector<Floats>{pair.values(), alone.values()};
    });
    for (int r = 0; r < 4; ++r) {
      Floats want = values_of(r % 2, kSize);
      const Floats second = values_of(r % 2 + 2, kSize);
      want.insert(want.end(), second.begin(), second.end());
      CHECK((got[static_cast<std::size_t>(r)][0] == want));
      CHECK((got[static_cast<std::size_t>(r)][1] == values_of(r, kSize)));
    }
    CHECK(machine->faults() == 0);
  }
}

TEST_CASE("dry devices meet and move nothing", "[unit][collectives][threads]") {
  const OpenDevice opens[] = {
      [] { return std::make_unique<Device>(CpuOptions{.threads = 1, .dry = true}); },
      [] { return dry_cuda_device({.kind = "cuda", .model = "a GPU"}); }};
  for (const auto& open : opens)
    for (const int ranks : {1, 3}) {
      const auto got = on_ranks<std::int64_t>(ranks, [&](Communicator& world) {
        const auto device = open();
        const auto group = world.on(*device);
        every_operation(*group, *device, 10);
        return group->log().total();
      });
      for (const auto total : got) CHECK(total == (ranks > 1 ? 13 : 9));
    }
}

TEST_CASE("calls that differ on a device are refused", "[unit][collectives][threads][errors]") {
  const auto on_simt = [](const std::function<void(Communicator&, Device&)>& body) {
    return errors_of(2, [&](Communicator& world) {
      const auto device = simt_device();
      const auto group = world.on(*device);
      body(*group, *device);
    });
  };
  const auto dtype = on_simt([](Communicator& c, Device& device) {
    const Array a(device, junk(8));
    TensorView view = a.view();
    if (c.rank() == 1) view.dtype = DType::i32;
    c.broadcast(view, 0).wait();
  });
  const auto count = on_simt([](Communicator& c, Device& device) {
    const Array a(device, junk(8)), b(device, junk(8));
    const std::int64_t own = c.rank() == 0 ? 5 : 4;
    const TensorView to[] = {a.view(0, own), a.view(own, 8 - own)},
                     from[] = {b.view(0, own), b.view(own, 8 - own)};
    c.all_to_all(to, from).wait();
  });
  const auto kind = errors_of(2, [](Communicator& world) {
    const auto device =
        world.rank() == 0 ? simt_device() : std::make_unique<Device>(CpuOptions{.threads = 1});
    world.on(*device);
  });
  const auto call = errors_of(2, [](Communicator& world) {
    const auto device = simt_device();
    if (world.rank() == 0) world.on(*device);
    if (world.rank() == 1) world.split(0, 0);
  });
  const auto reduce = on_simt([](Communicator& c, Device& device) {
    const Array a(device, junk(8));
    TensorView view = a.view();
    view.dtype = DType::i32;
    c.all_reduce(view, Reduce::sum).wait();
  });
  for (std::size_t r = 0; r < 2; ++r) {
    CHECK_THAT(dtype[r], Contains("differ in dtype; nothing was moved") &&
                             Contains("broadcast number 1 of group 'world/simt' (i32, 8 elements"));
    CHECK_THAT(count[r], Contains("rank 0 sends 12 bytes to rank 1, which expects 16"));
    CHECK_THAT(kind[r], Contains("the devices of group 'world' must be of one kind, got 'simt' of "
                                 "rank 0 and 'cpu' of rank 1"));
    CHECK_THAT(call[r],
               Contains("differ in operation") && Contains("on number 1 of group 'world'"));
    CHECK_THAT(reduce[r], Contains("all_reduce takes host memory") &&
                              Contains("group 'world/simt'") && Contains("next: call it on"));
  }
}

TEST_CASE("a rank that throws with copies in flight leaves none behind",
          "[unit][collectives][threads][errors]") {
  for (const Pace pace : kPaces)
    for (const int who : {0, 2}) {
      const auto machine = std::make_shared<LateMachine>(pace);
      const auto error = error_of([&] {
        run_ranks(3, [&](Communicator& world) {
          const auto device = late_device(machine);
          const auto group = world.on(*device);
          const Array mine(*device, values_of(world.rank(), 5000)), all(*device, junk(15000)),
              more(*device, junk(15000));
          Work first = group->all_gather(mine.view(), all.view());
          if (world.rank() == who) throw std::runtime_error("lost");
          Work second = group->all_gather(mine.view(), more.view());
          second.wait();
        });
      });
      CHECK(error == "lost");
      machine->finish();  // what the ranks left in their queues
      CHECK(machine->faults() == 0);
    }
}

TEST_CASE("a device that fails ends every rank, and says what failed",
          "[unit][collectives][threads][errors]") {
  for (const int ranks : {2, 4}) {
    const auto machine = std::make_shared<LateMachine>(Pace::all_late);
    const auto errors = errors_of(ranks, [&](Communicator& world) {
      Device device(std::make_unique<LateQueue>(machine, /*broken=*/world.rank() == 1), true);
      const auto group = world.on(device);
      const Array mine(device, junk(10)), all(device, junk(10 * ranks));
      group->all_gather(mine.view(), all.view()).wait();
      world.barrier().wait();
    });
    for (const auto& error : errors)
      CHECK_THAT(error, Contains("rank 1 cannot receive: the copy engine is on fire") &&
                            Contains("all_gather number 1 of group 'world/late'") &&
                            Contains("next: call for help"));
    machine->finish();
    CHECK(machine->faults() == 0);
  }
}
