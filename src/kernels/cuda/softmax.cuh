// Softmax and its gradient on the GPU: kernels/softmax.h. A block has a row, which it reads twice,
// the second time mostly from a cache.
#pragma once

#include "kernels/cuda/cross_entropy.cuh"
#include "kernels/softmax.h"

namespace gigatrain::kernels::cuda {

// This thread's packs of a row: body(first column).
template <int kThreads, int N, class Cta, class Body>
GT_DEVICE void for_row_packs(Cta& cta, std::int64_t columns, const Body& body) {
  GT_UNROLL_4
  for (std::int64_t c = cta.thread() * N; c < columns; c += kThreads * N) body(c);
}

template <class T, int N, int kBlock, bool kLog>
struct SoftmaxKernel {
  static constexpr int kThreads = kBlock;
  struct Shared {
    float slots[kThreads / kWarp];
  };
  const T* x;
  T* y;
  std::int64_t columns;  // a multiple of N

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const T* from = x + cta.block() * columns;
    T* to = y + cta.block() * columns;
    OnlineSum mine;
    for_row_packs<kThreads, N>(cta, columns, [&](std::int64_t c) {
      float v[N];
      load_wide<N>(from + c, v);
      mine.add(v);
    });
    const float highest = block_max<kThreads>(cta, mine.highest, s.slots);
    const float sum =
        block_sum<kThreads>(cta, mine.sum * exp_below(mine.highest, highest), s.slots);
    const float factor = 1.0f / sum, shift = kLog ? logf(sum) : 0.0f;
    for_row_packs<kThreads, N>(cta, columns, [&](std::int64_t c) {
      float v[N];
      load_wide<N>(from + c, v);
      GT_UNROLL
      for (int i = 0; i < N; ++i)
        v[i] = kLog ? v[i] - highest - shift : exp_below(v[i], highest) * factor;
      store_wide<N>(to + c, v);
    });
  }
};

template <class T, int N, int kBlock, bool kLog>
struct SoftmaxBackwardKernel {
  static constexpr int kThreads = kBlock;
  struct Shared {
    float slots[kThreads / kWarp];
  };
  const T *y, *dy;
  T* dx;
  std::int64_t columns;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t row = cta.block() * columns;
    float mine = 0.0f;
    for_row_packs<kThreads, N>(cta, columns, [&](std::int64_t c) {
      float v[N], d[N];
      load_wide<N>(dy + row + c, d);
      if constexpr (!kLog) load_wide<N>(y + row + c, v);
      GT_UNROLL
      for (int i = 0; i < N; ++i) mine += kLog ? d[i] : d[i] * v[i];
    });
    const float sum = block_sum<kThreads>(cta, mine, s.slots);
    for_row_packs<kThreads, N>(cta, columns, [&](std::int64_t c) {
      float v[N], d[N];
      load_wide<N>(dy + row + c, d);
      load_wide<N>(y + row + c, v);
      GT_UNROLL
      for (int i = 0; i < N; ++i)
        v[i] = kLog ? d[i] - exp_below(v[i], 0.0f) * sum : v[i] * (d[i] - sum);
      store_wide<N>(dx + row + c, v);
    });
  }
};

// f(Width, threads of a block as Width, log as true_type or false_type)
template <class T, class F>
void with_softmax_shape(std::int64_t columns, bool packs, bool log, const F& f) {
  with_width<T>(packs, [&](auto width) {
    const auto with_block = [&](auto block) {
      if (log) return f(width, block, std::true_type{});
      f(width, block, std::false_type{});
    };
    if (columns <= 1024) return with_block(Width<kWarp>{});
    with_block(Width<256>{});
  });
}

template <class Queue>
void launch(Queue& queue, const SoftmaxForward& a) {
  with_activation_type(a.kName, a.x.dtype, [&](auto type) {
    using T = decltype(type);
    const std::int64_t columns = a.x.cols();
    const bool packs = packs_fit<T>(columns, {a.x.data, a.y.data});
    with_softmax_shape<T>(columns, packs, a.log, [&](auto width, auto block, auto log) {
      using Kernel = SoftmaxKernel<T, width.value, block.value, log.value>;
      queue.launch(Kernel{.x = a.x.as<T>(), .y = a.y.as<T>(), .columns = columns},
                   {.x = a.x.rows()});
    });
  });
}

template <class Queue>
void launch(Queue& queue, const SoftmaxBackward& a) {
  with_activation_type(a.kName, a.y.dtype, [&](auto type) {
    using T = decltype(type);
    const std::int64_t columns = a.y.cols();
    const bool packs = packs_fit<T>(columns, {a.y.data, a.dy.data, a.dx.data});
    with_softmax_shape<T>(columns, packs, a.log, [&](auto width, auto block, auto log) {
      using Kernel = SoftmaxBackwardKernel<T, width.value, block.value, log.value>;
      queue.launch(
          Kernel{.y = a.y.as<T>(), .dy = a.dy.as<T>(), .dx = a.dx.as<T>(), .columns = columns},
          {.x = a.y.rows()});
    });
  });
}

}  // namespace gigatrain::kernels::cuda
