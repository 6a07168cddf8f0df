// Gradients of the norm before a rotary embedding on the GPU: kernels/rope.h. With g the gradient
// turned back, and xhat = x rstd,
//
//   dx = rstd (g weight - xhat mean(g weight xhat)),   dweight = sum g xhat
//
// A block takes a slab of positions and a chunk of heads of one kind; its sum for dweight stays in
// registers, and the blocks' sums are added after it in a fixed order.
#pragma once

#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/rope_lane.cuh"

namespace gigatrain::kernels::cuda {

template <class T, int N>
struct RopeBackwardKernel {
  static constexpr int kThreads = RopeLanes::kThreads;
  static constexpr int kMinBlocks = N == 8 ? 0 : 1;  // or ptxas spills (sm_80, sm_100)
  static constexpr int kHeads = N == 8 ? 2 : 1;      // at a time
  using Lane = RopeLane<T, N>;
  using Values = typename Lane::Values;
  struct Shared {
    std::uint64_t turns[kMaxHeadDim / 2];
    alignas(16) float sums[kThreads * 16];  // a row of `columns` for each head that is held at once
  };
  RopeHeads<const T> x;
  RopeHeads<T> dy, dx;
  RopeLanes lanes;
  HeadChunks chunks;
  const float* weight[2];
  float* dweight[2];  // (slabs x chunks of the kind, D), or null
  RopePositions positions;
  std::int64_t slab_rows;
  float eps;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& shared) const {
    const Lane lane{lanes, cta.thread() % lanes.lanes};
    const auto chunk = chunks.at(cta.block_y());
    const float* w = chunk.kind < 2 ? weight[chunk.kind] : nullptr;
    positions.share(cta, shared.turns);
    Values scale = {}, dw = {};
    if (w) lane.load(w, scale);
    const std::int64_t first = cta.block() * slab_rows + cta.thread() / lanes.lanes;
    for (std::int64_t i = 0; i < slab_rows; i += kThreads / lanes.lanes)  // all threads alike
      one_row(cta, lane, shared, first + i, chunk, w != nullptr, scale, dw);
    if (w && dweight[chunk.kind])
      store_sums(cta, lane, shared, dw,
                 dweight[chunk.kind] +
                     (cta.block() * chunks.chunks(chunk.kind) + chunk.index) * lanes.columns);
  }

  template <class Cta>
  GT_DEVICE void one_row(Cta& cta, const Lane& lane, Shared& shared, std::int64_t row,
                         const HeadChunks::Chunk& chunk, bool norm, const Values& scale,
                         Values& dw) const {
    const bool here = row < positions.rows;
    const std::int64_t at = here ? row : 0;
    const RopeTurn<T, N> turn(lane, shared.turns, positions.at(at), -positions.scale,
                              positions.scale);
    const T* s = norm ? x.at(at, positions.length) + chunk.first * x.head : nullptr;
    const T* from = dy.at(at, positions.length) + chunk.first * dy.head;
    T* to = dx.at(at, positions.length) + chunk.first * dx.head;
    for (std::int64_t h = 0; h < chunk.count; h += kHeads) {
      typename Lane::Packs held_x[kHeads] = {}, held_g[kHeads] = {};
      GT_UNROLL
      for (int k = 0; k < kHeads; ++k) {
        if (!here || h + k >= chunk.count) continue;
        if (norm) lane.load(s + (h + k) * x.head, held_x[k]);
        lane.load(from + (h + k) * dy.head, held_g[k]);
      }
      GT_UNROLL
      for (int k = 0; k < kHeads; ++k) {
        Values v = {}, g = {};
        lane.get(held_x[k], v);
        lane.get(held_g[k], g);
        if (chunk.kind < 2) turn.apply(lane, g);
        if (norm) gradient(cta, lane, v, scale, g, dw);
        if (here && h + k < chunk.count) lane.store(to + (h + k) * dx.head, g);
      }
    }
  }

  // g: of the normalised head, then of x. Absent heads are zeros, and add nothing.
  template <class Cta>
  GT_DEVICE void gradient(Cta& cta, const Lane& lane, const Values& v, const Values& scale,
                          Values& g, Values& dw) const {
    const float r = lane.rstd(cta, v, eps);
    float total = 0.0f;
    lane.for_packs([&](int slot, int which, int) {
      GT_UNROLL
      for (int i = 0; i < N; ++i) {
        const float xhat = v[slot][which][i] * r, d = g[slot][which][i];
        total = fmaf(d * scale[slot][which][i], xhat, total);
        dw[slot][which][i] = fmaf(d, xhat, dw[slot][which][i]);
      }
    });
    const float slope = -lane.sum(cta, total) / static_cast<float>(lane.head.columns);
    lane.for_packs([&](int slot, int which, int) {
      GT_UNROLL
      for (int i = 0; i < N; ++i) {
        const float xhat = v[slot][which][i] * r;
        g[slot][which][i] = fmaf(xhat, slope, g[slot][which][i] * scale[slot][which][i]) * r;
      }
    });
  }

  template <class Cta>
  GT_DEVICE void store_sums(Cta& cta, const Lane& lane, Shared& shared, const Values& dw,
                            float* out) const {
    float* mine = shared.sums + cta.thread() / lanes.lanes * lanes.columns;
    lane.for_packs([&](int slot, int which, int c) {
      GT_UNROLL
      for (int i = 0; i < N; ++i) mine[c + i] = dw[slot][which][i];
    });
    cta.sync();
    for (int c = cta.thread(); c < lanes.columns; c += kThreads) {
      float total = shared.sums[c];
      for (int group = 1; group < kThreads / lanes.lanes; ++group)
        total += shared.sums[group * lanes.columns + c];
      out[c] = total;
    }
  }
};

// At most 128 slabs, in whole rounds of the rows that a block has at a time.
constexpr std::int64_t rope_slab_rows(std::int64_t rows, std::int64_t at_a_time) {
  return blocks_for(blocks_for(rows, at_a_time), 128) * at_a_time;
}

inline constexpr std::int64_t kRopeBackwardHeads = 8;  // of a chunk

template <class Queue>
void launch_rope_backward(Queue& queue, const RopeBackward& a) {
  const std::int64_t others = a.dy.shape[2] - a.q_heads - a.k_heads, columns = a.dy.shape[3];
  const bool in_place = a.dy.data == a.dx.data;
  const RopeLanes lanes(columns, a.angles);
  const HeadChunks chunks{.heads = {a.q_heads, a.k_heads, in_place ? 0 : others},
                          .each = kRopeBackwardHeads};
  const RopePositions positions(a.angles, a.dy.shape);
  const std::int64_t slab_rows = rope_slab_rows(positions.rows, lanes.rows());
  const std::int64_t slabs = slab_rows ? blocks_for(positions.rows, slab_rows) : 0;
  const std::int64_t q_sums = a.dq_weight ? slabs * chunks.chunks(0) : 0;
  const std::int64_t k_sums = a.dk_weight ? slabs * chunks.chunks(1) : 0;
  const Storage scratch = queue.scratch((q_sums + k_sums) * columns * 4, "rope.partials");
  auto* sums = static_cast<float*>(scratch.data());
  float* dq = a.dq_weight ? sums : nullptr;
  float* dk = a.dk_weight ? sums + q_sums * columns : nullptr;
  with_activation_type(a.kName, a.dy.dtype, [&](auto type) {
    using T = decltype(type);
    const bool packs =
        rope_packs_fit<T>(a.angles, {&a.x, &a.dy, &a.dx}, {&a.q_weight, &a.k_weight});
    with_width<T>(packs, [&](auto width) {
      queue.launch(RopeBackwardKernel<T, decltype(width)::value>{.x = RopeHeads<const T>(a.x),
                                                                 .dy = RopeHeads<T>(a.dy),
                                                                 .dx = RopeHeads<T>(a.dx),
                                                                 .lanes = lanes,
                                                                 .chunks = chunks,
                                                                 .weight = {a.q_weight.as<float>(),
                                                                            a.k_weight.as<float>()},
                                                                 .dweight = {dq, dk},
                                                                 .positions = positions,
                                                                 .slab_rows = slab_rows,
                                                                 .eps = a.eps},
                   {.x = slabs, .y = chunks.count()});
    });
  });
  if (dq) add_partials(queue, dq, q_sums, columns, a.dq_weight.as<float>(), a.accumulate);
  if (dk) add_partials(queue, dk, k_sums, columns, a.dk_weight.as<float>(), a.accumulate);
}

}  // namespace gigatrain::kernels::cuda
