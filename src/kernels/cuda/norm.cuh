// Layer normalisation on the GPU, with the residual add and dropout before it: kernels/norm.h. With
// kCentered = false it is RMS normalisation (Zhang and Sennrich, arXiv:1910.07467):
//
//   y = s rstd weight [+ bias],   rstd = 1 / sqrt(mean(s^2) + eps)
//
// The statistics are of s as stored, which is what the backward reads. Mean first, then the mean of
// squared deviations: no cancellation.
#pragma once

#include "kernels/cuda/dropout_mask.cuh"
#include "kernels/cuda/norm_backward.cuh"
#include "kernels/cuda/norm_rows.cuh"
#include "kernels/norm.h"

namespace gigatrain::kernels::cuda {

template <class Layout, bool kCentered, bool kDropout>
struct NormForwardKernel {
  using T = typename Layout::T;
  static constexpr int N = Layout::N;
  static constexpr int kThreads = Layout::kThreads;
  struct Shared {
    float slots[2][1][Layout::kWarps];  // of the two sums
  };
  using Packs = HeldPack<T, N>[Layout::kPacks];
  const T* x;
  const T* delta;  // or null
  const float* weight;
  const float* bias;  // or null
  T* sum;             // with delta
  T* y;
  float* mean;  // when centred
  float* rstd;
  std::int64_t rows, columns;
  float eps;
  DropoutArgs dropout;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& shared) const {
    const std::int64_t row = cta.block() * Layout::kRows + cta.thread() / Layout::kLanes;
    if (row >= rows) return;  // a whole warp; where a block has one row, never
    Packs s = {};
    float total[1] = {read(cta, row, s)};
    const auto n = static_cast<float>(columns);
    float m = 0.0f;
    if constexpr (kCentered) {
      Layout::row_sums(cta, total, shared.slots[0]);
      m = total[0] / n;
    }
    float squares[1] = {deviation(cta, row, s, m)};
    Layout::row_sums(cta, squares, shared.slots[1]);
    const float r = 1.0f / sqrtf(squares[0] / n + eps);
    write(cta, row, s, m, r);
    if (cta.thread() % Layout::kLanes == 0) {
      if constexpr (kCentered) mean[row] = m;
      rstd[row] = r;
    }
  }

  // s = x [+ dropout(delta)], stored and kept; returns this thread's sum of it.
  template <class Cta>
  GT_DEVICE float read(Cta& cta, std::int64_t row, Packs& s) const {
    const std::int64_t at = row * columns;
    Packs d = {};
    const auto load = [&](int p, std::int64_t c) {
      s[p].load(x + at + c);
      if (delta) d[p].load(delta + at + c);
    };
    if constexpr (Layout::kHeld) Layout::for_packs(cta, columns, load);  // all before the first use
    DropoutRow drop{};
    if constexpr (kDropout) drop = dropout_row(dropout, row, columns);
    float total = 0.0f;
    Layout::for_packs(cta, columns, [&](int p, std::int64_t c) {
      if constexpr (!Layout::kHeld) load(p, c);
      if (delta) {
        add(s[p], d[p], drop, c);
        s[p].store(sum + at + c);
      }
      float v[N];
      s[p].get(v);
      GT_UNROLL
      for (int i = 0; i < N; ++i) total += v[i];
    });
    return total;
  }

  // s += dropout(d), rounded to T.
  GT_DEVICE void add(HeldPack<T, N>& s, const HeldPack<T, N>& d, const DropoutRow& drop,
                     std::int64_t c) const {
    float a[N], b[N];
    s.get(a);
    d.get(b);
    if constexpr (kDropout) {
      bool kept[N];
      dropout_kept(dropout, drop.sample, drop.first + static_cast<std::uint64_t>(c), kept);
      const float scale = dropout_scale(dropout);
      GT_UNROLL
      for (int i = 0; i < N; ++i) b[i] = kept[i] ? b[i] * scale : 0.0f;
    }
    GT_UNROLL
    for (int i = 0; i < N; ++i) a[i] += b[i];
    s.set(a);
  }

  // Where rows are not held, a later pass reads its pack of s again, which the same thread wrote.
  GT_DEVICE void again(std::int64_t row, Packs& s, std::int64_t c) const {
    if constexpr (!Layout::kHeld) s[0].load((delta ? sum : x) + row * columns + c);
  }

  template <class Cta>
  GT_DEVICE float deviation(Cta& cta, std::int64_t row, Packs& s, float m) const {
    float squares = 0.0f;
    Layout::for_packs(cta, columns, [&](int p, std::int64_t c) {
      again(row, s, c);
      float v[N];
      s[p].get(v);
      GT_UNROLL
      for (int i = 0; i < N; ++i) {
        const float d = v[i] - m;
        squares = fmaf(d, d, squares);
      }
    });
    return squares;
  }

  template <class Cta>
  GT_DEVICE void write(Cta& cta, std::int64_t row, Packs& s, float m, float r) const {
    Layout::for_packs(cta, columns, [&](int p, std::int64_t c) {
      again(row, s, c);
      float w[N], b[N] = {}, v[N];
      s[p].get(v);
      load_wide<N>(weight + c, w);
      if (bias) load_wide<N>(bias + c, b);
      GT_UNROLL
      for (int i = 0; i < N; ++i) v[i] = fmaf((v[i] - m) * r, w[i], b[i]);
      store_wide<N>(y + row * columns + c, v);
    });
  }
};

template <bool kCentered, bool kDropout, class Layout, class Queue>
void launch_norm_forward(Queue& queue, const LayerNormForward& a) {
  using T = typename Layout::T;
  const std::int64_t rows = a.x.rows();
  queue.launch(NormForwardKernel<Layout, kCentered, kDropout>{.x = a.x.as<T>(),
                                                              .delta = a.delta.as<T>(),
                                                              .weight = a.weight.as<float>(),
                                                              .bias = a.bias.as<float>(),
                                                              .sum = a.sum.as<T>(),
                                                              .y = a.y.as<T>(),
                                                              .mean = a.mean.as<float>(),
                                                              .rstd = a.rstd.as<float>(),
                                                              .rows = rows,
                                                              .columns = a.x.cols(),
                                                              .eps = a.eps,
                                                              .dropout = a.dropout},
               {.x = blocks_for(rows, Layout::kRows)});
}

template <bool kCentered, class Queue>
void norm_forward(Queue& queue, const LayerNormForward& a) {
  with_activation_type(a.kName, a.x.dtype, [&](auto type) {
    using T = decltype(type);
    const std::int64_t columns = a.x.cols();
    const bool packs = packs_fit<T>(
        columns, {a.x.data, a.delta.data, a.weight.data, a.bias.data, a.sum.data, a.y.data});
    with_row_layout<T>(columns, packs, [&](auto layout) {
      using Layout = decltype(layout);
      if (a.delta && a.dropout)
        launch_norm_forward<kCentered, true, Layout>(queue, a);
      else
        launch_norm_forward<kCentered, false, Layout>(queue, a);
    });
  });
}

template <class Queue>
void launch(Queue& queue, const LayerNormForward& a) {
  a.centered ? norm_forward<true>(queue, a) : norm_forward<false>(queue, a);
}
template <class Queue>
void launch(Queue& queue, const LayerNormBackward& a) {
  a.centered ? norm_backward<true>(queue, a) : norm_backward<false>(queue, a);
}

}  // namespace gigatrain::kernels::cuda
