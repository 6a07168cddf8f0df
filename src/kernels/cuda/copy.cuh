// Strided copy with conversion, and fill, on the GPU: kernels/elementwise.h. Both are elementwise
// operations of one and no input. f64 becomes bf16 by way of f32, as everywhere. A copy whose two
// sides are contiguous in different dims goes tile by tile through shared memory.
#pragma once

#include "kernels/cuda/elementwise.cuh"

namespace gigatrain::kernels::cuda {

struct CopyOp {
  template <class F>
  GT_DEVICE F operator()(F x) const {
    return x;
  }
};
template <class F>
struct FillOp {
  F value;
  GT_DEVICE F operator()() const { return value; }
};

// y[i][j] = x[j][i], in a batch of matrices: dim i has unit stride in x, dim j in y.
template <class In, class Out>
struct TransposeKernel {
  static constexpr int kThreads = 256;
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kTile = sizeof(In) + sizeof(Out) == 4 ? 64 : 32;  // 16-bit: wider rows
  static constexpr int kPad = sizeof(Out) == 2 ? 2 : 1;  // a column then lies in all banks
  struct Shared {
    Out tile[kTile][kTile + kPad];
  };
  const In* x;
  Out* y;
  std::int64_t ni, nj;          // sizes
  std::int64_t x_step, y_step;  // of x along j, of y along i
  std::int64_t tiles_i, tiles_j;
  StridedWalk<2> batch;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t i0 = cta.block() % tiles_i * kTile;
    const std::int64_t j0 = cta.block() / tiles_i % tiles_j * kTile;
    std::int64_t at[2];
    batch.offsets(cta.block() / tiles_i / tiles_j, at);
    In v[kTile / kWarps][kTile / kWarp];  // all loads first
    GT_UNROLL
    for (int r = 0; r < kTile / kWarps; ++r) {
      GT_UNROLL
      for (int c = 0; c < kTile / kWarp; ++c) {
        const std::int64_t j = j0 + r * kWarps + cta.warp(), i = i0 + c * kWarp + cta.lane();
        v[r][c] = j < nj && i < ni ? x[at[0] + j * x_step + i] : In{};
      }
    }
    GT_UNROLL
    for (int r = 0; r < kTile / kWarps; ++r) {
      GT_UNROLL
      for (int c = 0; c < kTile / kWarp; ++c)
        s.tile[r * kWarps + cta.warp()][c * kWarp + cta.lane()] =
            from_float<Out>(to_float(v[r][c]));
    }
    cta.sync();
    GT_UNROLL
    for (int r = 0; r < kTile / kWarps; ++r) {
      GT_UNROLL
      for (int c = 0; c < kTile / kWarp; ++c) {
        const int i = r * kWarps + cta.warp(), j = c * kWarp + cta.lane();
        if (i0 + i < ni && j0 + j < nj) y[at[1] + (i0 + i) * y_step + j0 + j] = s.tile[j][i];
      }
    }
  }
};

// The dim of unit stride in view v, or -1.
inline int unit_dim(const StridedWalk<2>& walk, int v) {
  for (int d = 0; d < walk.dims; ++d)
    if (walk.stride[d][v] == 1) return d;
  return -1;
}

// Tile by tile, if that pays; returns whether it did.
template <class In, class Out, class Queue>
bool launch_transpose(Queue& queue, const Copy& a) {
  using Kernel = TransposeKernel<In, Out>;
  constexpr std::int64_t kLeast = 8;  // a tile with fewer rows or columns is mostly idle
  const StridedWalk<2> walk = make_walk({&a.x, &a.y});
  const int i = unit_dim(walk, 0), j = unit_dim(walk, 1);
  if (i < 0 || j < 0 || i == j || walk.size[i] < kLeast || walk.size[j] < kLeast) return false;
  if (walk.stride[j][0] == 0) return false;  // a repeated element needs no tile
  const std::int64_t tiles_i = blocks_for(walk.size[i], Kernel::kTile);
  const std::int64_t tiles_j = blocks_for(walk.size[j], Kernel::kTile);
  const StridedWalk<2> batch = walk.without(i, j);
  queue.launch(Kernel{.x = a.x.as<In>(),
                      .y = a.y.as<Out>(),
                      .ni = walk.size[i],
                      .nj = walk.size[j],
                      .x_step = walk.stride[j][0],
                      .y_step = walk.stride[i][1],
                      .tiles_i = tiles_i,
                      .tiles_j = tiles_j,
                      .batch = batch},
               {.x = tiles_i * tiles_j * batch.total});
  return true;
}

template <class Queue>
void launch(Queue& queue, const Copy& a) {
  const auto same = [&](auto type) {
    launch_elementwise<decltype(type), decltype(type)>(queue, CopyOp{}, {&a.x, &a.y});
  };
  if (a.x.dtype == a.y.dtype && with_integer_type(a.x.dtype, same)) return;
  with_floating_type(a.kName, a.x.dtype, [&](auto from) {
    with_floating_type(a.kName, a.y.dtype, [&](auto to) {
      using In = decltype(from);
      using Out = decltype(to);
      if (launch_transpose<In, Out>(queue, a)) return;
      launch_elementwise<In, Out>(queue, CopyOp{}, {&a.x, &a.y});
    });
  });
}

template <class Queue>
void launch(Queue& queue, const Fill& a) {
  const auto with = [&](auto type) {
    using T = decltype(type);
    const FillOp<WideOf<T>> op{static_cast<WideOf<T>>(a.value)};
    launch_elementwise<T, T>(queue, op, {&a.y});
  };
  if (!with_integer_type(a.y.dtype, with)) with_floating_type(a.kName, a.y.dtype, with);
}

}  // namespace gigatrain::kernels::cuda
