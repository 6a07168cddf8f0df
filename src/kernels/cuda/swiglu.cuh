// SwiGLU forward and backward on the GPU, in one pass each: kernels/swiglu.h. The forward is an
// elementwise operation on two inputs.
#pragma once

#include "kernels/cuda/elementwise.cuh"
#include "kernels/swiglu.h"

namespace gigatrain::kernels::cuda {

GT_DEVICE float logistic(float x) {
  return 1.0f / (1.0f + expf(-x));
}

struct SwigluOp {
  GT_DEVICE float operator()(float gate, float up) const { return gate * logistic(gate) * up; }
};

template <class T, int N>
struct SwigluBackwardKernel {
  static constexpr int kThreads = 256;
  struct Shared {};
  StridedWalk<5> walk;  // gate, up, dy, dgate, dup
  const T *gate, *up, *dy;
  T *dgate, *dup;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t i = (cta.block() * kThreads + cta.thread()) * N;
    if (i >= walk.total) return;
    std::int64_t at[5];
    walk.offsets(i, at);
    const Pack<T, N> g = load_pack<N>(gate + at[0]), u = load_pack<N>(up + at[1]),
                     d = load_pack<N>(dy + at[2]);
    float dg[N], du[N];
    GT_UNROLL
    for (int k = 0; k < N; ++k) {
      const float x = to_float(g.v[k]), s = logistic(x), dx = to_float(d.v[k]);
      dg[k] = dx * to_float(u.v[k]) * s * fmaf(x, 1.0f - s, 1.0f);
      du[k] = dx * x * s;
    }
    store_wide<N>(dgate + at[3], dg);
    store_wide<N>(dup + at[4], du);
  }
};

template <class Queue>
void launch(Queue& queue, const SwigluForward& a) {
  with_activation_type(a.kName, a.y.dtype, [&](auto type) {
    using T = decltype(type);
    launch_elementwise<T, T>(queue, SwigluOp{}, {&a.gate, &a.up, &a.y});
  });
}

template <class Queue>
void launch(Queue& queue, const SwigluBackward& a) {
  const TensorView* const views[] = {&a.gate, &a.up, &a.dy, &a.dgate, &a.dup};
  const StridedWalk<5> walk = make_walk(views);
  with_activation_type(a.kName, a.dy.dtype, [&](auto type) {
    using T = decltype(type);
    with_width<T>(packs_fit(walk, views, kPack<T>), [&](auto width) {
      using Kernel = SwigluBackwardKernel<T, decltype(width)::value>;
      queue.launch(Kernel{.walk = walk,
                          .gate = a.gate.as<T>(),
                          .up = a.up.as<T>(),
                          .dy = a.dy.as<T>(),
                          .dgate = a.dgate.as<T>(),
                          .dup = a.dup.as<T>()},
                   {.x = blocks_for(walk.total, Kernel::kThreads * decltype(width)::value)});
    });
  });
}

}  // namespace gigatrain::kernels::cuda
