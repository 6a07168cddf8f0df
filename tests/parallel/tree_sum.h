// Leaf gradients added over the tree by the ranks of a group, on any device.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "gigatrain/parallel/tree_reduce.h"
#include "support/random.h"

namespace gigatrain::test {

// A leaf's gradient; leaves differ by powers of two, so that order matters.
inline Tensor leaf_gradient(Device& device, std::int64_t size, std::int64_t leaf) {
  auto values = random_values(size, "leaf " + std::to_string(leaf));
  for (auto& x : values) x *= std::exp2(static_cast<double>(leaf * 7 % 11));
  return tensor_of(device, {size}, values, DType::f32);
}

// Bits of the sum of `leaves` gradients, whole on every rank; `ranks` is a group on `device`, of a
// number that is a power of two.
inline std::vector<std::uint32_t> tree_sum(Communicator& ranks, Device& device,
                                           const std::vector<std::int64_t>& sizes,
                                           std::int64_t leaves) {
  using namespace parallel;
  const LeafPlan plan(leaves, ranks.size(), Exchange::after_leaf);
  TreeRanks tree(ranks, plan);
  TreeReduce reduce(tree, device, shard_borders(sizes, tree.plan().ranks()));
  const auto own = plan.leaves_of(ranks.rank());
  for (std::int64_t wave = 0; wave < plan.waves(); ++wave) {
    if (wave > 0) reduce.end();
    reduce.begin(wave, {leaf_gradient(device, reduce.size(), own[static_cast<std::size_t>(wave)])});
  }
  const Tensor shard = reduce.finish();
  const Tensor whole = Tensor::full(device, {reduce.size()}, -7.0);
  auto* place = whole.view().as<float>() + reduce.shard_begin();
  whole.alias(TensorView(place, DType::f32, {reduce.shard_size()})).assign(shard);
  reduce.all_gather(whole).wait();
  std::vector<std::uint32_t> bits(static_cast<std::size_t>(reduce.size()));
  device.download(bits.data(), whole.view().data, whole.view().bytes());
  return bits;
}

}  // namespace gigatrain::test
