// What follows a matrix product where the product's library does not do it itself:
//
//   v = source [+ bias[n]]  ->  [pre[m,n] = v; v = gelu(v)]  ->  C
//
// source is C itself, a product in f32, or nothing (zeros: the product over K = 0). Bytes moved:
// source and C once each, pre once; the bias comes from the second cache.
#pragma once

#include "kernels/cpu/gemm_problem.h"
#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/geometry.h"

namespace gigatrain::kernels::cuda {

// A (batch, m, n) matrix: elements from batch to batch and from row to row.
template <class T>
struct Rows {
  T* data = nullptr;
  std::int64_t batch = 0, row = 0;
  GT_HOST_DEVICE T* at(std::int64_t b, std::int64_t r, std::int64_t column) const {
    return data + b * batch + r * row + column;
  }
};

template <class S, class T, class B, int N>
struct EpilogueKernel {
  static constexpr int kThreads = 256;
  struct Shared {};
  Rows<const S> source;
  Rows<T> c, pre;
  const B* bias;
  std::int64_t m, n, packs;  // packs of N elements, over all batches
  bool gelu_follows;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t i = cta.block() * kThreads + cta.thread();
    if (i >= packs) return;
    const std::int64_t each = n / N, at = i / each, column = (i - at * each) * N;
    const std::int64_t batch = at / m, row = at - batch * m;
    WideOf<T> v[N] = {};
    if (source.data) load_wide<N>(source.at(batch, row, column), v);
    if (bias) {
      WideOf<B> b[N];
      load_wide<N>(bias + column, b);
      GT_UNROLL
      for (int k = 0; k < N; ++k) v[k] += b[k];
    }
    if (pre.data) store_wide<N>(pre.at(batch, row, column), v);
    if (gelu_follows) {
      GT_UNROLL
      for (int k = 0; k < N; ++k) v[k] = gelu(v[k]);
    }
    store_wide<N>(c.at(batch, row, column), v);
  }
};

// y = x rounded to T: a bias as the library wants it beside a 16-bit C.
template <class T>
struct RoundKernel {
  static constexpr int kThreads = 256;
  struct Shared {};
  const float* x;
  T* y;
  std::int64_t n;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t i = cta.block() * kThreads + cta.thread();
    if (i < n) y[i] = from_float<T>(x[i]);
  }
};

template <class Queue>
void round_bias(Queue& queue, const TensorView& bias, DType dtype, void* rounded) {
  const std::int64_t n = bias.numel();
  with_activation_type("gemm", dtype, [&](auto type) {
    using Kernel = RoundKernel<decltype(type)>;
    queue.launch(Kernel{.x = bias.as<float>(), .y = static_cast<decltype(type)*>(rounded), .n = n},
                 {.x = blocks_for(n, Kernel::kThreads)});
  });
}

template <class S, class T, class B, class Queue>
void launch_epilogue_as(Queue& queue, const Gemm& g, const GemmProblem& p, Rows<const S> source) {
  const Rows<T> c{g.c.as<T>(), p.c_batch, p.c_row}, pre{g.pre.as<T>(), p.pre_batch, p.pre_row};
  bool packs = packs_fit<T>(p.n, {source.data, c.data, pre.data, g.bias.data});
  const std::int64_t steps[] = {c.batch, c.row, pre.batch, pre.row, source.batch, source.row};
  for (const std::int64_t step : steps) packs = packs && step % kPack<T> == 0;
  with_width<T>(packs, [&](auto width) {
    using Kernel = EpilogueKernel<S, T, B, decltype(width)::value>;
    const std::int64_t count = p.batch * p.m * (p.n / decltype(width)::value);
    queue.launch(Kernel{.source = source,
                        .c = c,
                        .pre = pre,
                        .bias = g.bias.as<B>(),
                        .m = p.m,
                        .n = p.n,
                        .packs = count,
                        .gelu_follows = g.gelu},
                 {.x = blocks_for(count, Kernel::kThreads)});
  });
}

// `zero`: v starts from zero instead of C.
template <class Queue>
void launch_epilogue(Queue& queue, const Gemm& g, const GemmProblem& p, bool zero) {
  with_floating_type(g.kName, g.c.dtype, [&](auto type) {
    using T = decltype(type);
    const Rows<const T> source{zero ? nullptr : g.c.as<const T>(), p.c_batch, p.c_row};
    if constexpr (sizeof(T) == 8) {
      if (g.bias && g.bias.dtype == DType::f64)
        return launch_epilogue_as<T, T, T>(queue, g, p, source);
    }
    launch_epilogue_as<T, T, float>(queue, g, p, source);
  });
}

}  // namespace gigatrain::kernels::cuda
