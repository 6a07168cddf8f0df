// Thread ranks: how long a barrier and a small all-reduce take, and how fast the gradient tree's
// reduce-scatter and an all-gather are, beside a plain copy of as many bytes, in host memory or in
// that of a GPU which the ranks share; and what adding the partial sums that a rank gets takes, in
// one pass beside pair by pair.
//
//   collectives [ranks] [MB] [cpu|cuda]        default: 2 and 8 ranks, 100 MB of f32 on 2
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>

#include "gigatrain/collectives/thread_ranks.h"
#include "gigatrain/parallel/tree_reduce.h"
#include "kernels/reduce.h"

using namespace gigatrain;
using namespace gigatrain::parallel;

namespace {

using Clock = std::chrono::steady_clock;

// Seconds of one call on rank 0, the best of `rounds` of `calls` each; of a device, until it is
// done.
double best(Communicator& comm, int rounds, int calls, const std::function<void()>& call) {
  double least = 1e30;
  for (int round = 0; round < rounds; ++round) {
    comm.barrier().wait();
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) call();
    const double s = std::chrono::duration<double>(Clock::now() - start).count();
    least = std::min(least, s / calls);
  }
  return least;
}

void latencies(int ranks) {
  run_ranks(ranks, [&](Communicator& comm) {
    const double barrier = best(comm, 20, 500, [&] { comm.barrier().wait(); });
    const double reduce = best(comm, 20, 500, [&] { comm.all_reduce(1.0, Reduce::sum); });
    if (comm.rank() == 0)
      std::printf("%2d ranks  barrier %6.1f us  all_reduce of one f64 %6.1f us\n", ranks,
                  1e6 * barrier, 1e6 * reduce);
  });
}

std::unique_ptr<Device> open(const std::string& kind) {
  return kind == "cpu" ? std::make_unique<Device>(CpuOptions{.threads = 1}) : open_device(kind);
}

void bandwidth(int ranks, std::int64_t elements, const std::string& kind) {
  run_ranks(ranks, [&](Communicator& world) {
    const auto device = open(kind);
    const auto group = world.on(*device);
    Communicator& comm = *group;
    TreeRanks tree(comm, LeafPlan(64, ranks, Exchange::after_leaf));
    TreeReduce reduce(tree, *device, shard_borders({elements}, tree.plan().ranks()));
    const Tensor whole = Tensor::full(*device, {elements}, 1.0);
    const Tensor copy = Tensor::full(*device, {elements}, 0.0);
    const auto bytes = static_cast<std::size_t>(whole.view().bytes());
    const double plain = best(comm, 5, 1, [&] {
      if (device->host_memory())
        std::memcpy(copy.view().data, whole.view().data, bytes);
      else
        copy.assign(whole);
      device->synchronize();
    });
    const double scatter = best(comm, 5, 1, [&] {
      reduce.discard();
      reduce.begin(0, {whole});
      reduce.end();
      device->synchronize();
    });
    const double gather = best(comm, 5, 1, [&] {
      reduce.all_gather(whole).wait();
      device->synchronize();
    });
    if (comm.rank() != 0) return;
    const double gb = static_cast<double>(bytes) / 1e9;
    std::printf("%2d ranks, %.0f MB each, %s\n", ranks, 1e3 * gb, device->facts().model.c_str());
    std::printf("  copy, all ranks at once    %7.1f ms  %5.1f GB/s a rank\n", 1e3 * plain,
                gb / plain);
    std::printf("  reduce-scatter, tree order %7.1f ms  algbw %5.1f GB/s  busbw %5.1f GB/s\n",
                1e3 * scatter, gb / scatter, gb / scatter * (ranks - 1) / ranks);
    std::printf("  all-gather                 %7.1f ms  algbw %5.1f GB/s  busbw %5.1f GB/s\n",
                1e3 * gather, gb / gather, gb / gather * (ranks - 1) / ranks);
  });
}

template <class Add>
double ms_of_each(const std::vector<std::vector<Tensor>>& sets, const Add& add) {
  const auto start = Clock::now();
  for (const auto& set : sets) add(set);
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  return ms / static_cast<double>(sets.size());
}

// Sets of partials of 4 MB, so many that none is in a cache when its turn comes. On one thread, as
// many ranks are.
void tree_sums(int count) {
  constexpr std::int64_t kElements = 1 << 20;
  constexpr int kSets = 16, kRounds = 5;
  Device device({.threads = 1});
  std::vector<std::vector<Tensor>> sets(kSets);
  for (auto& set : sets)
    for (int i = 0; i < count; ++i) set.push_back(Tensor::full(device, {kElements}, 0.0));
  const auto by_pairs = [](const std::vector<Tensor>& x) {
    for (std::size_t step = 1; step < x.size(); step *= 2)
      for (std::size_t i = 0; i < x.size(); i += 2 * step) add_into(x[i], x[i + step]);
  };
  const auto at_once = [count](const std::vector<Tensor>& x) {
    kernels::TreeSum sum{.count = count, .y = x[0].view().as<float>(), .numel = kElements};
    for (std::size_t i = 0; i < x.size(); ++i) sum.x[i] = x[i].view().as<float>();
    x[0].stream().submit(sum);
  };
  double pairs = 1e30, once = 1e30;  // ms of a set
  for (int round = 0; round < kRounds; ++round) {
    pairs = std::min(pairs, ms_of_each(sets, by_pairs));
    once = std::min(once, ms_of_each(sets, at_once));
  }
  std::printf(
      "adding %d partials of 4 MB: pair by pair %5.2f ms, in one pass %5.2f ms: %.2f times\n",
      count, pairs, once, pairs / once);
}

}  // namespace

int main(int argc, char** argv) {
  const int ranks = argc > 1 ? std::atoi(argv[1]) : 2;
  const double megabytes = argc > 2 ? std::atof(argv[2]) : 100;
  latencies(ranks);
  if (argc < 2) latencies(8);
  for (const int count : {2, 4, 8, 16}) tree_sums(count);
  bandwidth(ranks, static_cast<std::int64_t>(megabytes * 1e6 / 4), argc > 3 ? argv[3] : "cpu");
  return 0;
}
