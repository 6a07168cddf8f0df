// Rotary position embedding and the norm before it on the GPU: kernels/rope.h. Each thread keeps
// its part of a few heads of one position in registers, so that memory is read and written once;
// the position's sines and cosines are computed while the heads are on their way.
#pragma once

#include "kernels/cuda/rope_backward.cuh"
#include "kernels/cuda/rope_lane.cuh"

namespace gigatrain::kernels::cuda {

// y = x turned by the angles of its position, times `sign` (-1: backwards); kNorm: normalised
// first.
template <class T, int N, bool kNorm>
struct RopeKernel {
  static constexpr int kThreads = RopeLanes::kThreads;
  static constexpr int kHeads = sizeof(T) * N == 16 && sizeof(T) == 2 ? 4 : 2;  // at a time
  using Lane = RopeLane<T, N>;
  struct Shared {
    std::uint64_t turns[kMaxHeadDim / 2];
  };
  RopeHeads<T> x, y;
  RopeLanes lanes;
  HeadChunks chunks;
  const float* weight[2];  // of queries, of keys, or null
  RopePositions positions;
  float eps, sign;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& shared) const {
    const Lane lane{lanes, cta.thread() % lanes.lanes};
    const std::int64_t row = cta.block() * (kThreads / lanes.lanes) + cta.thread() / lanes.lanes;
    const auto chunk = chunks.at(cta.block_y());
    const bool here = row < positions.rows;
    const T* from = x.at(here ? row : 0, positions.length) + chunk.first * x.head;
    typename Lane::Packs held[kHeads] = {};
    GT_UNROLL
    for (int h = 0; h < kHeads; ++h)
      if (here && h < chunk.count) lane.load(from + h * x.head, held[h]);
    positions.share(cta, shared.turns);
    const RopeTurn<T, N> turn(lane, shared.turns, positions.at(here ? row : 0),
                              positions.scale * sign, positions.scale);
    const float* w = chunk.kind < 2 ? weight[chunk.kind] : nullptr;
    T* to = y.at(here ? row : 0, positions.length) + chunk.first * y.head;
    GT_UNROLL
    for (int h = 0; h < kHeads; ++h) {
      typename Lane::Values v = {};
      lane.get(held[h], v);
      if constexpr (kNorm) normalise(cta, lane, v, w);
      if (chunk.kind < 2) turn.apply(lane, v);
      if (here && h < chunk.count) lane.store(to + h * y.head, v);
    }
  }

  template <class Cta>
  GT_DEVICE void normalise(Cta& cta, const Lane& lane, typename Lane::Values& v,
                           const float* w) const {
    if (!w) return;  // the whole block
    const float r = lane.rstd(cta, v, eps);
    typename Lane::Values scale = {};
    lane.load(w, scale);
    lane.for_packs([&](int slot, int which, int) {
      GT_UNROLL
      for (int i = 0; i < N; ++i) v[slot][which][i] = v[slot][which][i] * r * scale[slot][which][i];
    });
  }
};

template <bool kNorm, class Queue>
void launch_rope(Queue& queue, const RopeForward& a, float sign) {
  const std::int64_t heads = a.x.shape[2], others = heads - a.q_heads - a.k_heads;
  const bool in_place = a.x.data == a.y.data;
  const RopeLanes lanes(a.x.shape[3], a.angles);
  with_activation_type(a.kName, a.x.dtype, [&](auto type) {
    using T = decltype(type);
    const bool packs = rope_packs_fit<T>(a.angles, {&a.x, &a.y}, {&a.q_weight, &a.k_weight});
    with_width<T>(packs, [&](auto width) {
      using Kernel = RopeKernel<T, decltype(width)::value, kNorm>;
      const HeadChunks chunks{.heads = {a.q_heads, a.k_heads, in_place ? 0 : others},
                              .each = Kernel::kHeads};
      const RopePositions positions(a.angles, a.x.shape);
      queue.launch(Kernel{.x = RopeHeads<T>(a.x),
                          .y = RopeHeads<T>(a.y),
                          .lanes = lanes,
                          .chunks = chunks,
                          .weight = {a.q_weight.as<float>(), a.k_weight.as<float>()},
                          .positions = positions,
                          .eps = a.eps,
                          .sign = sign},
                   {.x = blocks_for(positions.rows, lanes.rows()), .y = chunks.count()});
    });
  });
}

template <class Queue>
void launch(Queue& queue, const RopeForward& a) {
  a.q_weight || a.k_weight ? launch_rope<true>(queue, a, 1.0f) : launch_rope<false>(queue, a, 1.0f);
}

template <class Queue>
void launch(Queue& queue, const RopeBackward& a) {
  if (a.q_weight || a.k_weight) return launch_rope_backward(queue, a);
  launch_rope<false>(
      queue,
      RopeForward{
          .x = a.dy, .y = a.dx, .q_heads = a.q_heads, .k_heads = a.k_heads, .angles = a.angles},
      -1.0f);
}

}  // namespace gigatrain::kernels::cuda
