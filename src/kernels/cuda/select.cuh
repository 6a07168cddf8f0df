// Comparisons and choice by a mask on the GPU: kernels/elementwise.h.
#pragma once

#include "kernels/cuda/elementwise.cuh"

namespace gigatrain::kernels::cuda {

struct EqualOp {
  template <class F>
  GT_DEVICE std::uint8_t operator()(F a, F b) const {
    return a == b;
  }
};
struct LessOp {
  template <class F>
  GT_DEVICE std::uint8_t operator()(F a, F b) const {
    return a < b;
  }
};

template <class Queue, class Args, class Op>
void launch_comparison(Queue& queue, const Args& a, const Op& op) {
  const auto as = [&](auto type) {
    launch_elementwise<decltype(type), std::uint8_t>(queue, op, {&a.a, &a.b, &a.y});
  };
  if (a.a.dtype == DType::i32) return as(std::int32_t{});
  with_floating_type(a.kName, a.a.dtype, as);
}

template <class Queue>
void launch(Queue& queue, const Equal& a) {
  launch_comparison(queue, a, EqualOp{});
}
template <class Queue>
void launch(Queue& queue, const Less& a) {
  launch_comparison(queue, a, LessOp{});
}

template <class T, int N>
struct WhereKernel {
  static constexpr int kThreads = 256;
  struct Shared {};
  StridedWalk<4> walk;  // mask, a, b, y
  const std::uint8_t* mask;
  const T *a, *b;
  T* y;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t i = (cta.block() * kThreads + cta.thread()) * N;
    if (i >= walk.total) return;
    std::int64_t at[4];
    walk.offsets(i, at);
    std::uint8_t m[N];
    T yes[N], no[N];
    load_run<N>(mask + at[0], walk.stride[0][0], m);
    load_run<N>(a + at[1], walk.stride[0][1], yes);
    load_run<N>(b + at[2], walk.stride[0][2], no);
    Pack<T, N> pack;
    GT_UNROLL
    for (int k = 0; k < N; ++k) pack.v[k] = m[k] ? yes[k] : no[k];
    store_pack<N>(y + at[3], pack);
  }
};

template <class Queue>
void launch(Queue& queue, const Where& a) {
  with_floating_type(a.kName, a.y.dtype, [&](auto type) {
    using T = decltype(type);
    const TensorView* const views[] = {&a.mask, &a.a, &a.b, &a.y};
    const StridedWalk<4> walk = make_walk(views);
    with_width<T>(packs_fit(walk, views, kPack<T>), [&](auto width) {
      using Kernel = WhereKernel<T, decltype(width)::value>;
      queue.launch(Kernel{.walk = walk,
                          .mask = a.mask.as<std::uint8_t>(),
                          .a = a.a.as<T>(),
                          .b = a.b.as<T>(),
                          .y = a.y.as<T>()},
                   {.x = blocks_for(walk.total, Kernel::kThreads * decltype(width)::value)});
    });
  });
}

}  // namespace gigatrain::kernels::cuda
