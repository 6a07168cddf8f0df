// The aligned binary tree of tree_sum (kernels/reduce.h) over f64 values in memory, by one block:
// pairs (0, 1), (2, 3), ...; then pairs of pairs. A value without a partner goes up as it is.
#pragma once

#include "kernels/cuda/cta.cuh"

namespace gigatrain::kernels::cuda {

// The root over the warp's lanes, one value each, for every lane.
template <class Cta>
GT_DEVICE double lanes_tree(Cta& cta, double v) {
  GT_UNROLL
  for (int mask = 1; mask < kWarp; mask *= 2) v += cta.shfl_xor(v, mask);
  return v;
}

// The root over N values of one thread, N a power of two; they are spoiled.
template <int N>
GT_DEVICE double values_tree(double (&v)[N]) {
  GT_UNROLL
  for (int step = 1; step < N; step *= 2) {
    GT_UNROLL
    for (int i = 0; i < N; i += 2 * step) v[i] += v[i + step];
  }
  return v[0];
}

inline constexpr int kTreeLeaves = 4 * kWarp;  // that a warp adds up at once

// The root over leaf(0), leaf(1), ..., of which there are `count`, at most kTreeLeaves are used.
// Adding -0.0 leaves every number as it is, so it stands for leaves that are missing.
template <class Cta, class Leaf>
GT_DEVICE double warp_tree(Cta& cta, std::int64_t count, const Leaf& leaf) {
  double v[4];
  GT_UNROLL
  for (int k = 0; k < 4; ++k) {
    const int i = cta.lane() * 4 + k;
    v[k] = i < count ? leaf(i) : -0.0;
  }
  return lanes_tree(cta, values_tree(v));
}

// The root over values[0, n), for every thread; 0 for n = 0. The values are spoiled: a group's sum
// takes the place of its first value, which no other group reads.
template <int kThreads, class Cta>
GT_DEVICE double block_tree(Cta& cta, double* values, std::int64_t n) {
  for (std::int64_t stride = 1; n > 1; stride *= kTreeLeaves) {
    const std::int64_t groups = (n + kTreeLeaves - 1) / kTreeLeaves;
    for (std::int64_t g = cta.warp(); g < groups; g += kThreads / kWarp) {
      double* const group = values + g * kTreeLeaves * stride;
      const double sum =
          warp_tree(cta, n - g * kTreeLeaves, [group, stride](int i) { return group[i * stride]; });
      if (cta.lane() == 0) *group = sum;
    }
    cta.sync();
    n = groups;
  }
  return n > 0 ? values[0] : 0.0;
}

// The root over leaf(0) ... leaf(n - 1), likewise; `sums` has room for one of each kTreeLeaves.
template <int kThreads, class Cta, class Leaf>
GT_DEVICE double block_tree(Cta& cta, const Leaf& leaf, std::int64_t n, double* sums) {
  const std::int64_t groups = (n + kTreeLeaves - 1) / kTreeLeaves;
  for (std::int64_t g = cta.warp(); g < groups; g += kThreads / kWarp) {
    const std::int64_t begin = g * kTreeLeaves;
    const double sum = warp_tree(cta, n - begin, [leaf, begin](int i) { return leaf(begin + i); });
    if (cta.lane() == 0) sums[g] = sum;
  }
  cta.sync();
  return block_tree<kThreads>(cta, sums, groups);
}

}  // namespace gigatrain::kernels::cuda
