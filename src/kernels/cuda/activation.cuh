// GELU (tanh form) forward and backward, and the bias gradient, on the GPU: kernels/activation.h.
#pragma once

#include "kernels/activation.h"
#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/geometry.h"

namespace gigatrain::kernels::cuda {

template <class F>
GT_DEVICE F gelu_tanh(F x) {  // tanh(sqrt(2/pi) (x + 0.044715 x^3))
  return tanh(F(0.79788456080286535588) * (x + F(0.044715) * x * x * x));
}
template <class F>
GT_DEVICE F gelu(F x) {
  return F(0.5) * x * (F(1) + gelu_tanh(x));
}
template <class F>
GT_DEVICE F gelu_derivative(F x) {
  const F t = gelu_tanh(x);
  const F inner = F(0.79788456080286535588) * (F(1) + F(3 * 0.044715) * x * x);
  return F(0.5) * (F(1) + t) + F(0.5) * x * (F(1) - t * t) * inner;
}

// y = gelu(x), or, with dy, dx = dy gelu'(x).
template <class T, int N, bool kBackward>
struct GeluKernel {
  static constexpr int kThreads = 256;
  struct Shared {};
  const T* x;
  const T* dy;
  T* out;
  std::int64_t n;  // a multiple of N

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t i = (cta.block() * kThreads + cta.thread()) * N;
    if (i >= n) return;
    WideOf<T> v[N];
    load_wide<N>(x + i, v);
    if constexpr (kBackward) {
      WideOf<T> g[N];
      load_wide<N>(dy + i, g);
      GT_UNROLL
      for (int k = 0; k < N; ++k) v[k] = g[k] * gelu_derivative(v[k]);
    } else {
      GT_UNROLL
      for (int k = 0; k < N; ++k) v[k] = gelu(v[k]);
    }
    store_wide<N>(out + i, v);
  }
};

template <bool kBackward, class Queue>
void launch_gelu(Queue& queue, const char* name, const TensorView& x, const TensorView& dy,
                 const TensorView& out) {
  with_floating_type(name, x.dtype, [&](auto type) {
    using T = decltype(type);
    const std::int64_t n = x.numel();
    with_width<T>(packs_fit<T>(n, {x.data, dy.data, out.data}), [&](auto width) {
      using Kernel = GeluKernel<T, decltype(width)::value, kBackward>;
      queue.launch(Kernel{.x = x.as<T>(), .dy = dy.as<T>(), .out = out.as<T>(), .n = n},
                   {.x = blocks_for(n, Kernel::kThreads * decltype(width)::value)});
    });
  });
}

template <class Queue>
void launch(Queue& queue, const GeluForward& a) {
  launch_gelu<false>(queue, a.kName, a.x, {}, a.y);
}
template <class Queue>
void launch(Queue& queue, const GeluBackward& a) {
  launch_gelu<true>(queue, a.kName, a.x, a.dy, a.dx);
}

template <class Queue>
void launch(Queue& queue, const BiasGradient& a) {
  const std::int64_t rows = a.dy.rows(), columns = a.dy.cols(), slabs = blocks_for(rows, kSlabRows);
  const Storage partials = queue.scratch(slabs * columns * 4, "bias_gradient.partials");
  auto* sums = static_cast<float*>(partials.data());
  with_activation_type(a.kName, a.dy.dtype, [&](auto type) {
    using T = decltype(type);
    with_width<T>(packs_fit<T>(columns, {a.dy.data}), [&](auto width) {
      using Kernel = ColumnPartialsKernel<T, decltype(width)::value>;
      queue.launch(Kernel{.x = a.dy.as<T>(), .partials = sums, .rows = rows, .columns = columns},
                   {.x = slabs, .y = blocks_for(columns, Kernel::kColumns)});
    });
  });
  add_partials(queue, sums, slabs, columns, a.dbias.as<float>(), a.accumulate);
}

}  // namespace gigatrain::kernels::cuda
