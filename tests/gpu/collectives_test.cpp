// Ranks that are threads, each with a queue of its own on one GPU (or on two, where they are): what
// moves is what moves between hosts, in order with real kernels, and no host waits for it.
#include <catch2/catch.hpp>

#include <chrono>

#include "collectives/device_arrays.h"
#include "collectives/ranks.h"
#include "gpu/gpu_device.h"
#include "kernels/elementwise.h"
#include "parallel/tree_sum.h"

using namespace gigatrain;
using namespace gigatrain::test;

namespace {

// body(group, this rank's device) on ranks that deal `gpus` GPUs out among themselves.
template <class T>
std::vector<T> on_gpus(int ranks, int gpus, const std::function<T(Communicator&, Device&)>& body) {
  return on_ranks<T>(ranks, [&](Communicator& world) {
    const auto device = open_device("cuda", {.ordinal = world.rank() % gpus});
    const auto group = world.on(*device);
    return body(*group, *device);
  });
}

void check_every_operation(int ranks, int gpus) {
  for (const std::int64_t n : {0, 5, 6000, 1 << 20}) {
    INFO(ranks << " ranks on " << gpus << " GPUs, parts of " << n);
    const auto want = on_ranks<Floats>(ranks, [&](Communicator& world) {
      Device cpu({.threads = 1});
      return every_operation(world, cpu, n);
    });
    const auto got = on_gpus<Floats>(ranks, gpus, [&](Communicator& group, Device& device) {
      return every_operation(group, device, n);
    });
    for (std::size_t r = 0; r < got.size(); ++r) CHECK((got[r] == want[r]));
  }
}

struct Seen {
  bool right = false;              // what arrived
  double host_ms = 0, gpu_ms = 0;  // of everything up to wait(), and of the work before the call
};

// A long kernel, then the one that writes what is sent; after wait() both buffers are written
// again.
Seen overwrite_after_wait(Communicator& group, Device& device) {
  constexpr std::int64_t kSize = 1 << 20;
  const auto fill = [&](const Tensor& x, double value) {
    device.stream().submit(kernels::Fill{.y = x.view(), .value = value});
  };
  const Tensor busy = Tensor::empty(device, {1 << 26});
  const Tensor mine = Tensor::full(device, {kSize}, -1.0),
               all = Tensor::full(device, {kSize * group.size()}, -1.0),
               after = Tensor::full(device, {kSize * group.size()}, -1.0);
  device.synchronize();
  group.barrier().wait();
  const auto start = std::chrono::steady_clock::now();
  const auto begin = device.mark();
  for (int i = 0; i < 300; ++i) fill(busy, i);
  fill(mine, group.rank());
  fill(all, -2.0);
  const auto end = device.mark();
  Work work = group.all_gather(mine.view(), all.view());
  fill(busy, 0.0);  // beside the copies
  work.wait();
  device.stream().submit(kernels::Copy{.x = all.view(), .y = after.view()});
  fill(mine, -3.0);
  fill(all, -4.0);
  Seen seen;
  seen.host_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  std::vector<float> want;
  for (int r = 0; r < group.size(); ++r) want.insert(want.end(), kSize, static_cast<float>(r));
  seen.right = after.to_vector<float>() == want;
  seen.gpu_ms = end->ms_since(*begin);
  return seen;
}

void check_overlap(int ranks, int gpus) {
  const auto seen = on_gpus<Seen>(ranks, gpus, [](Communicator& group, Device& device) {
    overwrite_after_wait(group, device);  // loading a kernel, and new memory, may wait for the GPU
    return overwrite_after_wait(group, device);
  });
  for (const auto& rank : seen) {
    INFO(ranks << " ranks on " << gpus << " GPUs: host " << rank.host_ms << " ms, GPU "
               << rank.gpu_ms << " ms");
    CHECK(rank.right);
    CHECK(rank.host_ms < rank.gpu_ms / 2);
  }
}

using Bits = std::vector<std::uint32_t>;

void check_tree(int ranks, int gpus) {
  const std::vector<std::int64_t> sizes = {500000, 1, 0, 1228900, 700};
  const auto sum = [&](Communicator& group, Device& device) {
    return tree_sum(group, device, sizes, 8);
  };
  const Bits want = on_gpus<Bits>(1, 1, sum)[0];
  for (const auto& mine : on_gpus<Bits>(ranks, gpus, sum)) CHECK((mine == want));
}

}  // namespace

TEST_CASE("gpu: ranks on one GPU move what ranks on a host move", "[gpu][collectives]") {
  if (!open_gpu()) return;
  for (const int ranks : {1, 2, 4}) check_every_operation(ranks, 1);
}

TEST_CASE("gpu: copies between ranks are in order with kernels, and no host waits",
          "[gpu][collectives]") {
  if (!open_gpu()) return;
  for (const int ranks : {1, 2, 4}) check_overlap(ranks, 1);
}

TEST_CASE("gpu: the tree across ranks on one GPU has the bits of one rank", "[gpu][collectives]") {
  if (!open_gpu()) return;
  for (const int ranks : {2, 4}) check_tree(ranks, 1);
}

TEST_CASE("gpu: ranks on two GPUs", "[gpu][collectives]") {
  if (!open_gpu({.ordinal = 1})) return;
  check_every_operation(4, 2);
  check_overlap(2, 2);
  check_tree(2, 2);
}
