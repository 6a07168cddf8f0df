// Softmax cross-entropy and its gradient on the GPU: kernels/cross_entropy.h. A block has a row. It
// reads the row twice: for the maximum and the sum of exponentials together (Milakov and
// Gimelshein, arXiv:1805.02867), and for the gradient, backwards, so that what was read last, and
// is still in a cache, comes first. 50,257 bf16 logits are 100 KB: a row that an SM's L1 does not
// hold comes from L2, and DRAM sees one read and one write.
#pragma once

#include "kernels/cross_entropy.h"
#include "kernels/cuda/geometry.h"

namespace gigatrain::kernels::cuda {

// e^(x - highest), x <= highest, by a power of two, which the hardware has. Results below 2^-126
// are 0: to keep them, exp2f takes three more instructions, and this kernel's instructions count.
GT_DEVICE float exp_below(float x, float highest) {
  const float power = (x - highest) * 1.44269504088896340736f;
#if defined(__CUDA_ARCH__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(power));
  return y;
#else
  return exp2f(power);
#endif
}

// The sum of exponentials of numbers seen one after the other, relative to their maximum. It starts
// from the lowest finite number: masked logits of -inf before any other would make inf - inf.
struct OnlineSum {
  float highest = -3.402823466e38f;
  float sum = 0.0f;

  template <int N>
  GT_DEVICE void add(const float (&x)[N]) {
    float top = highest;
    GT_UNROLL
    for (int i = 0; i < N; ++i) top = fmaxf(top, x[i]);
    sum *= exp_below(highest, top);
    GT_UNROLL
    for (int i = 0; i < N; ++i) sum += exp_below(x[i], top);
    highest = top;
  }
};

// ... and the sum of (from - x), for smoothed labels.
struct OnlineSums : OnlineSum {
  float from;
  float below = 0.0f;

  GT_DEVICE explicit OnlineSums(float at_target) : from(at_target) {}
  template <int N>
  GT_DEVICE void add(const float (&x)[N]) {
    OnlineSum::add(x);
    GT_UNROLL
    for (int i = 0; i < N; ++i) below += from - x[i];
  }
};

// Rows may have any length: the last columns % N elements are handled one by one. kMore: with label
// smoothing or a z-loss.
template <class T, int N, int kBlock, bool kMore>
struct CrossEntropyKernel {
  static constexpr int kThreads = kBlock;
  static constexpr int kBatch = 4;  // packs of a thread that are loaded before the first is used
  static constexpr std::int64_t kRound = kThreads * kBatch;
  struct Shared {
    float slots[kThreads / kWarp];
  };
  const T* logits;
  const std::int32_t* targets;
  float* loss;
  T* dlogits;  // or null
  std::int64_t columns, stride, dstride;
  float scale, label_smoothing, z_loss;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t row = cta.block(), target = targets[row];
    const T* z = logits + row * stride;
    T* dz = dlogits ? dlogits + row * dstride : nullptr;
    if (target < 0 || target >= columns) return fill(cta, dz, target == -1 ? 0.0f : NAN);
    const float at_target = to_float(z[target]);  // before dz, maybe the same memory, is written
    OnlineSum mine;
    float below = 0.0f;
    if constexpr (kMore) {
      const OnlineSums sums = scan(cta, z, OnlineSums(at_target));
      mine = sums;
      below = block_sum<kThreads>(cta, sums.below, s.slots);
    } else {
      mine = scan(cta, z, OnlineSum());
    }
    const float highest = block_max<kThreads>(cta, mine.highest, s.slots);
    const float sum =
        block_sum<kThreads>(cta, mine.sum * exp_below(mine.highest, highest), s.slots);
    const float lse = highest + logf(sum), count = static_cast<float>(columns);
    if (cta.thread() == 0) {
      float nats = (highest - at_target) + logf(sum);
      if (kMore && label_smoothing != 0.0f) nats += label_smoothing * (below / count);
      if (kMore && z_loss != 0.0f) nats += z_loss * lse * lse;
      loss[row] = nats * scale;
    }
    if (!dz) return;
    const float factor = kMore ? scale / sum * (1.0f + 2.0f * z_loss * lse) : scale / sum;
    const float everywhere = kMore ? scale * (label_smoothing / count) : 0.0f;
    const float there = kMore ? everywhere + scale * (1.0f - label_smoothing) : scale;
    write_gradient(cta, z, dz, highest, factor, everywhere);
    cta.sync();
    if (cta.thread() == 0)
      dz[target] = from_float<T>(exp_below(at_target, highest) * factor - there);
  }

  template <class Cta, class Online>
  GT_DEVICE Online scan(Cta& cta, const T* z, Online online) const {
    const std::int64_t packs = columns / N;
    for (std::int64_t first = cta.thread(); first < packs; first += kRound) {
      Pack<T, N> batch[kBatch] = {};
      load(z, first, packs, batch);
      GT_UNROLL
      for (int b = 0; b < kBatch; ++b) {
        if (first + b * kThreads >= packs) continue;
        float x[N];
        GT_UNROLL
        for (int i = 0; i < N; ++i) x[i] = to_float(batch[b].v[i]);
        online.add(x);
      }
    }
    if (const std::int64_t i = packs * N + cta.thread(); i < columns) {
      const float x[1] = {to_float(z[i])};
      online.add(x);
    }
    return online;
  }

  GT_DEVICE static float gradient(T z, float highest, float factor, float everywhere) {
    const float p = exp_below(to_float(z), highest) * factor;
    return kMore ? p - everywhere : p;
  }

  // dz = factor e^(z - highest) - everywhere. Each thread reads what it writes.
  template <class Cta>
  GT_DEVICE void write_gradient(Cta& cta, const T* z, T* dz, float highest, float factor,
                                float everywhere) const {
    const std::int64_t packs = columns / N;
    if (const std::int64_t i = packs * N + cta.thread(); i < columns)
      dz[i] = from_float<T>(gradient(z[i], highest, factor, everywhere));
    for (std::int64_t round = packs / kRound; round >= 0; --round) {
      const std::int64_t first = round * kRound + cta.thread();
      Pack<T, N> batch[kBatch] = {};
      load(z, first, packs, batch);
      GT_UNROLL
      for (int b = 0; b < kBatch; ++b) {
        if (first + b * kThreads >= packs) continue;
        float x[N];
        GT_UNROLL
        for (int i = 0; i < N; ++i) x[i] = gradient(batch[b].v[i], highest, factor, everywhere);
        store_wide<N>(dz + (first + b * kThreads) * N, x);
      }
    }
  }

  GT_DEVICE void load(const T* z, std::int64_t first, std::int64_t packs,
                      Pack<T, N> (&batch)[kBatch]) const {
    GT_UNROLL
    for (int b = 0; b < kBatch; ++b)
      if (first + b * kThreads < packs) batch[b] = load_pack<N>(z + (first + b * kThreads) * N);
  }

  // The row of an ignored target, or of one outside the vocabulary.
  template <class Cta>
  GT_DEVICE void fill(Cta& cta, T* dz, float value) const {
    if (cta.thread() == 0) loss[cta.block()] = value;
    if (!dz) return;
    float x[N];
    GT_UNROLL
    for (int i = 0; i < N; ++i) x[i] = value;
    const std::int64_t packs = columns / N;
    for (std::int64_t p = cta.thread(); p < packs; p += kThreads) store_wide<N>(dz + p * N, x);
    if (const std::int64_t i = packs * N + cta.thread(); i < columns) dz[i] = from_float<T>(value);
  }
};

template <class T, int N, int kThreads, bool kMore, class Queue>
void launch_cross_entropy(Queue& queue, const CrossEntropy& a) {
  queue.launch(CrossEntropyKernel<T, N, kThreads, kMore>{.logits = a.logits.as<T>(),
                                                         .targets = a.targets.as<std::int32_t>(),
                                                         .loss = a.loss.as<float>(),
                                                         .dlogits = a.dlogits.as<T>(),
                                                         .columns = a.logits.cols(),
                                                         .stride = a.logits.strides[0],
                                                         .dstride = a.dlogits.strides[0],
                                                         .scale = a.scale,
                                                         .label_smoothing = a.label_smoothing,
                                                         .z_loss = a.z_loss},
               {.x = a.logits.rows()});
}

template <bool kMore, class Queue>
void launch_cross_entropy(Queue& queue, const CrossEntropy& a) {
  with_activation_type(a.kName, a.logits.dtype, [&](auto type) {
    using T = decltype(type);
    const bool packs = packs_fit<T>(a.logits.strides[0], {a.logits.data, a.dlogits.data}) &&
                       packs_fit<T>(a.dlogits.strides[0], {});
    with_width<T>(packs, [&](auto width) {
      constexpr int N = decltype(width)::value;
      if (a.logits.cols() > 8192) return launch_cross_entropy<T, N, 512, kMore>(queue, a);
      launch_cross_entropy<T, N, 128, kMore>(queue, a);
    });
  });
}

template <class Queue>
void launch(Queue& queue, const CrossEntropy& a) {
  if (a.label_smoothing != 0.0f || a.z_loss != 0.0f) return launch_cross_entropy<true>(queue, a);
  launch_cross_entropy<false>(queue, a);
}

}  // namespace gigatrain::kernels::cuda
