// Many arrays added over the tree in one pass, on the GPU: kernels/reduce.h.
#pragma once

#include "kernels/cuda/geometry.h"
#include "kernels/reduce.h"

namespace gigatrain::kernels::cuda {

// Of kCount arrays, and of others after them. With N = 4 all pointers are 16-byte aligned, and the
// last numel % 4 elements are added one by one.
template <int kCount, int N>
struct TreeSumKernel {
  static constexpr int kThreads = 256;
  static constexpr int kElements = kThreads * 4;  // of a block
  struct Shared {};
  const float* x[kCount];
  float* y;
  std::int64_t numel;
  const float* then[TreeSum::kMostThen];
  int then_count;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t begin = cta.block() * kElements;
    const std::int64_t end = begin + kElements < numel ? begin + kElements : numel;
    for (std::int64_t i = begin + cta.thread() * N; i < end; i += kThreads * N) {
      if (i + N <= end) {
        add<N>(i);
      } else {
        for (std::int64_t k = i; k < end; ++k) add<1>(k);
      }
    }
  }

  // Elements [i, i + n), read before any is written: y may be one of the arrays.
  template <int n>
  GT_DEVICE void add(std::int64_t i) const {
    Pack<float, n> v[kCount];
    GT_UNROLL
    for (int c = 0; c < kCount; ++c) v[c] = load_pack<n>(x[c] + i);
    GT_UNROLL
    for (int step = 1; step < kCount; step *= 2) {
      GT_UNROLL
      for (int c = 0; c < kCount; c += 2 * step) {
        GT_UNROLL
        for (int k = 0; k < n; ++k) v[c].v[k] += v[c + step].v[k];
      }
    }
    GT_UNROLL
    for (int c = 0; c < TreeSum::kMostThen; ++c) {
      if (c >= then_count) break;
      const auto more = load_pack<n>(then[c] + i);
      GT_UNROLL
      for (int k = 0; k < n; ++k) v[0].v[k] += more.v[k];
    }
    store_pack<n>(y + i, v[0]);
  }
};

template <int kCount, class Queue>
void launch_tree_sum(Queue& queue, const TreeSum& a) {
  bool packs = packs_fit<float>(0, {a.y});
  for (int c = 0; c < kCount; ++c) packs = packs && packs_fit<float>(0, {a.x[c]});
  for (int c = 0; c < a.then_count; ++c) packs = packs && packs_fit<float>(0, {a.then[c]});
  with_width<float>(packs, [&](auto width) {
    using Kernel = TreeSumKernel<kCount, decltype(width)::value>;
    Kernel kernel{.x = {}, .y = a.y, .numel = a.numel, .then = {}, .then_count = a.then_count};
    for (int c = 0; c < kCount; ++c) kernel.x[c] = a.x[c];
    for (int c = 0; c < a.then_count; ++c) kernel.then[c] = a.then[c];
    queue.launch(kernel, {.x = blocks_for(a.numel, Kernel::kElements)});
  });
}

template <class Queue>
void launch(Queue& queue, const TreeSum& a) {
  switch (a.count) {
    case 1:
      return launch_tree_sum<1>(queue, a);
    case 2:
      return launch_tree_sum<2>(queue, a);
    case 4:
      return launch_tree_sum<4>(queue, a);
    case 8:
      return launch_tree_sum<8>(queue, a);
    default:
      return launch_tree_sum<TreeSum::kMost>(queue, a);
  }
}

}  // namespace gigatrain::kernels::cuda
