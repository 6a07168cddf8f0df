// Group normalisation on the GPU: kernels/group_norm.h. A block has one group of one sample, whose
// channels are contiguous; later passes read it again, from the caches where it fits. Mean first,
// then the mean of squared deviations: no cancellation.
//
//   backward, with xhat = (x - mean) rstd and g = dy weight[c]:
//   dx = rstd (g - mean(g) - xhat mean(g xhat)),   dweight = sum dy xhat,   dbias = sum dy
#pragma once

#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/geometry.h"
#include "kernels/group_norm.h"

namespace gigatrain::kernels::cuda {

// Groups have fewer than 2^31 elements (ops/group_norm.cpp): positions in them are ints, which
// divide fast.
struct GroupSizes {
  int groups, channels, pixels;  // of a sample, of a group, of a channel
  GT_HOST_DEVICE int elements() const { return channels * pixels; }
};

// N: elements of one channel that move together.
template <class T, int N>
struct GroupNormForwardKernel {
  static constexpr int kThreads = 512;
  static constexpr int kMinBlocks = 1;  // or ptxas spills (f32, one at a time)
  struct Shared {
    float slots[kThreads / kWarp];
  };
  const T* x;
  const float* weight;
  const float* bias;  // or null
  T* y;
  float *mean, *rstd;
  GroupSizes z;
  float eps;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t row = cta.block(), at = row * z.elements();
    const auto n = static_cast<float>(z.elements());
    const float m = block_sum<kThreads>(cta, deviations<false>(cta, at, 0.0f), s.slots) / n;
    const float var = block_sum<kThreads>(cta, deviations<true>(cta, at, m), s.slots) / n;
    const float r = 1.0f / sqrtf(var + eps);
    const std::int64_t first = row % z.groups * z.channels;
    for (std::int64_t i = cta.thread() * N; i < z.elements(); i += kThreads * N) {
      const std::int64_t c = first + static_cast<int>(i) / z.pixels;
      const float w = weight[c], b = bias ? bias[c] : 0.0f;
      float v[N];
      load_wide<N>(x + at + i, v);
      GT_UNROLL
      for (int k = 0; k < N; ++k) v[k] = fmaf((v[k] - m) * r, w, b);
      store_wide<N>(y + at + i, v);
    }
    if (cta.thread() == 0) mean[row] = m, rstd[row] = r;
  }

  // This thread's sum of x - m, or of its square.
  template <bool kSquared, class Cta>
  GT_DEVICE float deviations(Cta& cta, std::int64_t at, float m) const {
    float sum = 0.0f;
    GT_UNROLL_4
    for (std::int64_t i = cta.thread() * N; i < z.elements(); i += kThreads * N) {
      float v[N];
      load_wide<N>(x + at + i, v);
      GT_UNROLL
      for (int k = 0; k < N; ++k) {
        const float d = v[k] - m;
        sum = kSquared ? fmaf(d, d, sum) : sum + d;
      }
    }
    return sum;
  }
};

// Teams of warps take the group's channels in turn: as many teams as there are channels, up to one
// for each warp.
template <class T, int N>
struct GroupNormBackwardKernel {
  static constexpr int kThreads = 512;
  static constexpr int kWarps = kThreads / kWarp;
  struct Shared {
    float sums[2][kWarps];
    float slots[2][kWarps];
  };
  const T* x;
  const T* dy;
  const float *weight, *mean, *rstd;
  T* dx;                   // may be dy
  float *dbias, *dweight;  // (N, C): of each sample
  GroupSizes z;
  int teams;  // a power of two

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t row = cta.block(), at = row * z.elements();
    const std::int64_t first = row % z.groups * z.channels;
    const float m = mean[row], r = rstd[row];
    float sum_g = 0.0f, sum_gx = 0.0f;  // of the channels that this thread finished
    for (int c = 0; c < z.channels; c += teams) add_channels(cta, s, row, c, m, r, sum_g, sum_gx);
    const auto n = static_cast<float>(z.elements());
    const float mean_g = block_sum<kThreads>(cta, sum_g, s.slots[0]) / n;
    const float slope = -r * (block_sum<kThreads>(cta, sum_gx, s.slots[1]) / n);
    for (std::int64_t i = cta.thread() * N; i < z.elements(); i += kThreads * N) {
      const float w = weight[first + static_cast<int>(i) / z.pixels];
      float v[N], d[N];
      load_wide<N>(x + at + i, v);
      load_wide<N>(dy + at + i, d);
      GT_UNROLL
      for (int k = 0; k < N; ++k) v[k] = fmaf(v[k] - m, slope, d[k] * w - mean_g) * r;
      store_wide<N>(dx + at + i, v);
    }
  }

  // Channels [c, c + teams) of the group; the first `teams` threads each finish one.
  template <class Cta>
  GT_DEVICE void add_channels(Cta& cta, Shared& s, std::int64_t row, int c, float m, float r,
                              float& sum_g, float& sum_gx) const {
    const int team_warps = kWarps / teams, team = cta.warp() / team_warps;
    const int member = (cta.warp() % team_warps) * kWarp + cta.lane();
    float sums[2] = {};
    if (c + team < z.channels) {
      const std::int64_t at = (row * z.channels + c + team) * z.pixels;
      GT_UNROLL_4
      for (std::int64_t i = member * N; i < z.pixels; i += team_warps * kWarp * N) {
        float v[N], d[N];
        load_wide<N>(x + at + i, v);
        load_wide<N>(dy + at + i, d);
        GT_UNROLL
        for (int k = 0; k < N; ++k) {
          sums[0] += d[k];
          sums[1] = fmaf(d[k], (v[k] - m) * r, sums[1]);
        }
      }
    }
    GT_UNROLL
    for (int k = 0; k < 2; ++k) sums[k] = warp_sum(cta, sums[k]);
    cta.sync();  // the slots of the channels before are read
    if (cta.lane() == 0) s.sums[0][cta.warp()] = sums[0], s.sums[1][cta.warp()] = sums[1];
    cta.sync();
    const int mine = c + cta.thread();
    if (cta.thread() >= teams || mine >= z.channels) return;
    float total[2] = {};
    for (int w = 0; w < team_warps; ++w) {
      total[0] += s.sums[0][cta.thread() * team_warps + w];
      total[1] += s.sums[1][cta.thread() * team_warps + w];
    }
    const float w = weight[row % z.groups * z.channels + mine];
    sum_g = fmaf(w, total[0], sum_g), sum_gx = fmaf(w, total[1], sum_gx);
    const std::int64_t out = row * z.channels + mine;  // (N, G, C / G) is (N, C)
    dbias[out] = total[0], dweight[out] = total[1];
  }
};

inline GroupSizes group_sizes(const TensorView& x, const TensorView& mean) {
  const std::int64_t groups = mean.shape[1];
  return {.groups = static_cast<int>(groups),
          .channels = static_cast<int>(x.shape[1] / groups),
          .pixels = static_cast<int>(x.shape[2])};
}

// f(Width<N>{}): packs stay within a channel.
template <class T, class F>
void with_plane_width(const GroupSizes& z, std::initializer_list<const void*> pointers,
                      const F& f) {
  with_width<T>(packs_fit<T>(z.pixels, pointers), f);
}

template <class Queue>
void launch(Queue& queue, const GroupNormForward& a) {
  const GroupSizes z = group_sizes(a.x, a.mean);
  with_activation_type(a.kName, a.x.dtype, [&](auto type) {
    using T = decltype(type);
    with_plane_width<T>(z, {a.x.data, a.y.data}, [&](auto width) {
      queue.launch(GroupNormForwardKernel<T, decltype(width)::value>{.x = a.x.as<T>(),
                                                                     .weight = a.weight.as<float>(),
                                                                     .bias = a.bias.as<float>(),
                                                                     .y = a.y.as<T>(),
                                                                     .mean = a.mean.as<float>(),
                                                                     .rstd = a.rstd.as<float>(),
                                                                     .z = z,
                                                                     .eps = a.eps},
                   {.x = a.mean.numel()});
    });
  });
}

template <class Queue>
void launch(Queue& queue, const GroupNormBackward& a) {
  const GroupSizes z = group_sizes(a.x, a.mean);
  const std::int64_t samples = a.x.shape[0], channels = a.x.shape[1];
  const Storage scratch = queue.scratch(2 * samples * channels * 4, "group_norm.partials");
  auto* dbias = static_cast<float*>(scratch.data());
  float* dweight = dbias + samples * channels;
  with_activation_type(a.kName, a.x.dtype, [&](auto type) {
    using T = decltype(type);
    with_plane_width<T>(z, {a.x.data, a.dy.data, a.dx.data}, [&](auto width) {
      using Kernel = GroupNormBackwardKernel<T, decltype(width)::value>;
      int teams = 1;
      while (teams < Kernel::kWarps && teams * 2 <= z.channels) teams *= 2;
      queue.launch(Kernel{.x = a.x.as<T>(),
                          .dy = a.dy.as<T>(),
                          .weight = a.weight.as<float>(),
                          .mean = a.mean.as<float>(),
                          .rstd = a.rstd.as<float>(),
                          .dx = a.dx.as<T>(),
                          .dbias = dbias,
                          .dweight = dweight,
                          .z = z,
                          .teams = teams},
                   {.x = a.mean.numel()});
    });
  });
  if (a.dbias) add_partials(queue, dbias, samples, channels, a.dbias.as<float>(), false);
  if (a.dweight) add_partials(queue, dweight, samples, channels, a.dweight.as<float>(), false);
}

}  // namespace gigatrain::kernels::cuda
