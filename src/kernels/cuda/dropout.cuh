// Dropout on the GPU: kernels/dropout.h. A sample's elements are consecutive in memory, so the
// tensor is walked as one line, whatever its row length; a thread looks up its place in its sample
// once and then counts on from there.
#pragma once

#include "kernels/cuda/dropout_mask.cuh"
#include "kernels/cuda/geometry.h"
#include "kernels/dropout.h"

namespace gigatrain::kernels::cuda {

template <class T, int N>
struct DropoutKernel {
  static constexpr int kThreads = 256;
  static constexpr int kPacks = N == 1 ? 4 : 16 / N;  // of a thread, all loaded before any is used
  static constexpr int kStride = kThreads * N;
  static constexpr int kElements = kStride * kPacks;  // of a block
  struct Shared {};
  const T* x;
  const T* residual;  // or null
  T* y;
  std::int64_t n, sample_size;  // multiples of N
  DropoutArgs dropout;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const std::int64_t first = cta.block() * kElements + cta.thread() * N;
    Pack<T, N> values[kPacks] = {}, added[kPacks] = {};
    GT_UNROLL
    for (int p = 0; p < kPacks; ++p) {
      const std::int64_t i = first + p * kStride;
      if (i < n) values[p] = load_pack<N>(x + i);
      if (i < n && residual) added[p] = load_pack<N>(residual + i);
    }
    std::int64_t sample = first / sample_size, element = first % sample_size;
    GT_UNROLL
    for (int p = 0; p < kPacks; ++p) {
      if (first + p * kStride < n)
        drop(values[p], added[p], sample, element, y + first + p * kStride);
      element += kStride;
      if (element >= sample_size) {
        sample += element / sample_size;
        element %= sample_size;
      }
    }
  }

  GT_DEVICE void drop(const Pack<T, N>& value, const Pack<T, N>& add, std::int64_t sample,
                      std::int64_t element, T* out) const {
    bool kept[N];
    dropout_kept(dropout, dropout.first_sample + static_cast<std::uint32_t>(sample),
                 static_cast<std::uint64_t>(element), kept);
    const float scale = dropout_scale(dropout);
    float v[N];
    GT_UNROLL
    for (int i = 0; i < N; ++i) {
      v[i] = kept[i] ? to_float(value.v[i]) * scale : 0.0f;
      if (residual) v[i] += to_float(add.v[i]);
    }
    store_wide<N>(out, v);
  }
};

template <class Queue>
void launch(Queue& queue, const Dropout& a) {
  with_activation_type(a.kName, a.x.dtype, [&](auto type) {
    using T = decltype(type);
    const std::int64_t n = a.x.numel(), sample_size = a.dropout.rows_per_sample * a.x.cols();
    const bool packs =
        packs_fit<T>(n, {a.x.data, a.residual.data, a.y.data}) && packs_fit<T>(sample_size, {});
    with_width<T>(packs, [&](auto width) {
      using Kernel = DropoutKernel<T, decltype(width)::value>;
      queue.launch(Kernel{.x = a.x.as<T>(),
                          .residual = a.residual.as<T>(),
                          .y = a.y.as<T>(),
                          .n = n,
                          .sample_size = sample_size,
                          .dropout = a.dropout},
                   {.x = blocks_for(n, Kernel::kElements)});
    });
  });
}

}  // namespace gigatrain::kernels::cuda
