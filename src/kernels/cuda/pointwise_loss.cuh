// Losses that are sums over elements, on the GPU: kernels/pointwise_loss.h. A block has a chunk of
// kScalarChunk elements and a thread groups of eight of them, so that the order of the sum does not
// depend on how they can be read; the last block adds the chunks' sums by the aligned tree.
#pragma once

#include "kernels/cuda/geometry.h"
#include "kernels/cuda/tree.cuh"
#include "kernels/pointwise_loss.h"
#include "kernels/reduce.h"

namespace gigatrain::kernels::cuda {

struct LossTerm {
  float value, slope;
};

struct MseTerm {
  GT_DEVICE LossTerm operator()(float x, float t) const {
    const float e = x - t;
    return {e * e, e + e};
  }
};

struct HuberTerm {
  float delta;
  GT_DEVICE LossTerm operator()(float x, float t) const {
    const float e = x - t, size = fabsf(e), c = size < delta ? size : delta;
    return {c * (size - 0.5f * c), e < -delta ? -delta : e > delta ? delta : e};
  }
};

struct BceTerm {
  float positive;
  GT_DEVICE LossTerm operator()(float x, float t) const {
    const float e = expf(-fabsf(x)), tail = log1pf(e), weight = t * positive, rest = 1.0f - t;
    const float softplus = fmaxf(x, 0.0f) + tail, softplus_minus = fmaxf(-x, 0.0f) + tail;
    const float sigmoid = (x < 0.0f ? e : 1.0f) / (1.0f + e);
    const float sigmoid_minus = (x < 0.0f ? 1.0f : e) / (1.0f + e);
    if (!(t >= 0.0f && t <= 1.0f)) return {NAN, NAN};
    return {rest * softplus + weight * softplus_minus, rest * sigmoid - weight * sigmoid_minus};
  }
};

template <class T, class U, class F>
struct PointwiseLossKernel {
  static constexpr int kThreads = 256;
  static constexpr int N = 8;
  static constexpr int kGroups = static_cast<int>(kScalarChunk) / (kThreads * N);  // of a thread
  static_assert(kGroups * kThreads * N == kScalarChunk);
  struct Shared {
    double slots[kThreads / kWarp];
  };
  F term;
  const T* x;
  const U* target;
  T* dx;  // or null
  double* partials;
  std::int64_t n;
  float scale;
  bool packs;  // may groups be read and written in packs?

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t first = cta.block() * kScalarChunk + cta.thread() * N;
    double sum = 0.0;
    GT_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      const std::int64_t i = first + g * kThreads * N;
      if (i >= n) continue;
      if (packs && i + N <= n)
        whole_group(i, sum);
      else
        part_of_group(i, sum);
    }
    const double total = block_sum<kThreads>(cta, sum, s.slots);
    if (cta.thread() == 0) partials[cta.block()] = total;
  }

  GT_DEVICE void whole_group(std::int64_t i, double& sum) const {
    float v[N], t[N];
    load_wide<N>(x + i, v);
    load_wide<N>(target + i, t);
    GT_UNROLL
    for (int k = 0; k < N; ++k) {
      const LossTerm at = term(v[k], t[k]);
      sum += static_cast<double>(at.value);
      v[k] = at.slope * scale;
    }
    if (dx) store_wide<N>(dx + i, v);
  }
  GT_DEVICE void part_of_group(std::int64_t i, double& sum) const {
    for (int k = 0; k < N && i + k < n; ++k) {
      const LossTerm at = term(to_float(x[i + k]), to_float(target[i + k]));
      sum += static_cast<double>(at.value);
      if (dx) dx[i + k] = from_float<T>(at.slope * scale);
    }
  }
};

// loss = scale * the tree over the chunks' sums.
struct LossTotalKernel {
  static constexpr int kThreads = 256;
  struct Shared {};
  double* partials;
  std::int64_t chunks;
  float* loss;
  double scale;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const double sum = block_tree<kThreads>(cta, partials, chunks);
    if (cta.thread() == 0) *loss = static_cast<float>(sum * scale);
  }
};

template <class T, class U, class Queue, class F>
void launch_pointwise_loss(Queue& queue, const PointwiseLoss& a, const F& term) {
  using Kernel = PointwiseLossKernel<T, U, F>;
  const std::int64_t n = a.x.numel(), chunks = blocks_for(n, kScalarChunk);
  const Storage memory = queue.scratch(chunks * 8, "pointwise_loss.partials");
  auto* partials = static_cast<double*>(memory.data());
  if (chunks > 0)
    queue.launch(Kernel{.term = term,
                        .x = a.x.as<T>(),
                        .target = a.target.as<U>(),
                        .dx = a.dx.as<T>(),
                        .partials = partials,
                        .n = n,
                        .scale = static_cast<float>(a.scale),
                        .packs = packs_fit<T>(0, {a.x.data, a.target.data, a.dx.data})},
                 {.x = chunks});
  queue.launch(
      LossTotalKernel{
          .partials = partials, .chunks = chunks, .loss = a.loss.as<float>(), .scale = a.scale},
      {.x = 1});
}

template <class T, class U, class Queue>
void launch_loss_term(Queue& queue, const PointwiseLoss& a) {
  switch (a.term) {
    case PointwiseTerm::mse:
      return launch_pointwise_loss<T, U>(queue, a, MseTerm{});
    case PointwiseTerm::huber:
      return launch_pointwise_loss<T, U>(queue, a, HuberTerm{a.parameter});
    case PointwiseTerm::bce:
      return launch_pointwise_loss<T, U>(queue, a, BceTerm{a.parameter});
  }
}

template <class Queue>
void launch(Queue& queue, const PointwiseLoss& a) {
  with_activation_type(a.kName, a.x.dtype, [&](auto type) {
    using T = decltype(type);
    if (a.target.dtype == DType::f32) return launch_loss_term<T, float>(queue, a);
    launch_loss_term<T, T>(queue, a);
  });
}

}  // namespace gigatrain::kernels::cuda
