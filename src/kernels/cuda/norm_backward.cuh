// Gradients of layer and RMS normalisation on the GPU: kernels/norm.h. With xhat = (s - mean) rstd
// and g = dy weight,
//
//   ds = rstd (g - mean(g) - xhat mean(g xhat)),   dweight = sum dy xhat,   dbias = sum dy
//
// and for RMS normalisation (kCentered = false) the same without the two means of s and g.
//
// A block takes a slab of rows. Where rows are held in registers, so are the sums for dweight and
// dbias, and everything is read once; else a kernel of its own reads s and dy a second time for
// them.
#pragma once

#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/dropout_mask.cuh"
#include "kernels/cuda/norm_rows.cuh"
#include "kernels/norm.h"

namespace gigatrain::kernels::cuda {

// By the number of rows only: at most 256 slabs, so that their partial sums are a small part of
// what is moved, of at least 16 rows, in whole rounds of 8 warps.
constexpr std::int64_t norm_slab_rows(std::int64_t rows) {
  const std::int64_t each = blocks_for(blocks_for(rows, 256), 8) * 8;
  return each > 16 ? each : 16;
}

// out[c] = the sum over warps of v, for the first `columns` columns; v: N columns from lane N on.
template <int kWarps, int N, class Cta>
GT_DEVICE void add_warps(Cta& cta, float (&sums)[kWarps][kWarp * N], const float (&v)[N],
                         float* out, std::int64_t columns) {
  cta.sync();  // an earlier use of `sums` has ended
  store_wide<N>(&sums[cta.warp()][cta.lane() * N], v);
  cta.sync();
  constexpr int kThreads = kWarps * kWarp;
  GT_UNROLL
  for (int first = 0; first < kWarp * N; first += kThreads) {
    const int c = first + cta.thread();
    if (c >= kWarp * N || c >= columns) continue;
    float total = sums[0][c];
    GT_UNROLL
    for (int w = 1; w < kWarps; ++w) total += sums[w][c];
    out[c] = total;
  }
}

template <class Layout, bool kCentered, bool kDropout>
struct NormBackwardKernel {
  using T = typename Layout::T;
  static constexpr int N = Layout::N;
  static constexpr int kThreads = Layout::kThreads;
  // Registers that do without spills, found by trial: two f32 sums an element, three tensors held,
  // and the rest.
  static constexpr bool kLargestHalf =
      std::is_same_v<T, f16> && Layout::kElements == 32 && kCentered && kDropout;
  static constexpr int kOthers = (sizeof(T) == 2 ? 44 : 52) + (kLargestHalf ? 16 : 0) +
                                 (Layout::kRows == 1 || (kDropout && !kCentered) ? 8 : 0);
  static constexpr int kRegisters = Layout::kElements * (8 + 3 * sizeof(T)) / 4 + kOthers;
  static constexpr int kMinBlocks = Layout::kHeld ? 65536 / kRegisters / kThreads : 0;
  static constexpr bool kAddsWarps = Layout::kHeld && Layout::kRows > 1;
  static constexpr int kSums = kCentered ? 2 : 1;  // of a row: g xhat, g
  struct Shared {
    float slots[2][kSums][Layout::kWarps];  // of even rows, of odd rows
    alignas(16) float sums[kAddsWarps ? Layout::kWarps : 1][kAddsWarps ? kWarp * N : 1];
  };
  using Packs = HeldPack<T, N>[Layout::kPacks];
  using Sums = float[Layout::kPacks][N];
  const T* s;
  const T* dy;
  const T* dresidual;  // or null
  const float* weight;
  const float* mean;  // when centred
  const float* rstd;
  T* dsum;                 // may be dy
  T* ddelta;               // with dropout
  float *dweight, *dbias;  // (slabs, C), or null; written where rows are held
  std::int64_t rows, columns, slab_rows;
  DropoutArgs dropout;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& shared) const {
    const std::int64_t first = cta.block() * slab_rows;
    const std::int64_t end = first + slab_rows < rows ? first + slab_rows : rows;
    Sums dw = {}, db = {};
    for (std::int64_t row = first + cta.thread() / Layout::kLanes; row < end; row += Layout::kRows)
      one_row(cta, shared, row, dw, db);
    if constexpr (Layout::kHeld) {
      if (dweight) store_sums(cta, shared, dw, dweight + cta.block() * columns);
      if (dbias) store_sums(cta, shared, db, dbias + cta.block() * columns);
    }
  }

  template <class Cta>
  GT_DEVICE void one_row(Cta& cta, Shared& shared, std::int64_t row, Sums& dw, Sums& db) const {
    const std::int64_t at = row * columns;
    float m = 0.0f;
    if constexpr (kCentered) m = mean[row];
    const float r = rstd[row];
    Packs x = {}, g = {}, residual = {};
    const auto load = [&](int p, std::int64_t c) {
      x[p].load(s + at + c);
      g[p].load(dy + at + c);
    };
    const auto load_residual = [&](int p, std::int64_t c) {
      if (dresidual) residual[p].load(dresidual + at + c);
    };
    if constexpr (Layout::kHeld) {  // all before the first use
      Layout::for_packs(cta, columns, load);
      Layout::for_packs(cta, columns, load_residual);
    }
    float sums[kSums] = {};
    Layout::for_packs(cta, columns, [&](int p, std::int64_t c) {
      if constexpr (!Layout::kHeld) load(p, c);
      add_pack(x[p], g[p], c, m, r, sums, dw[p], db[p]);
    });
    Layout::row_sums(cta, sums, shared.slots[row % 2]);
    const auto n = static_cast<float>(columns);
    const float mean_g = kCentered ? sums[kSums - 1] / n : 0.0f, slope = -r * (sums[0] / n);
    DropoutRow drop{};
    if constexpr (kDropout) drop = dropout_row(dropout, row, columns);
    Layout::for_packs(cta, columns, [&](int p, std::int64_t c) {
      if constexpr (!Layout::kHeld) load(p, c), load_residual(p, c);
      float w[N], v[N], d[N], add[N];
      x[p].get(v);
      g[p].get(d);
      residual[p].get(add);
      load_wide<N>(weight + c, w);
      GT_UNROLL
      for (int i = 0; i < N; ++i)
        v[i] = fmaf(fmaf(v[i] - m, slope, d[i] * w[i] - mean_g), r, add[i]);
      store_row(at + c, drop, c, v);
    });
  }

  // One pack's part of the row's sums and of the slab's.
  GT_DEVICE void add_pack(const HeldPack<T, N>& x, const HeldPack<T, N>& g, std::int64_t c, float m,
                          float r, float (&sums)[kSums], float (&dw)[N], float (&db)[N]) const {
    float w[N], v[N], d[N];
    x.get(v);
    g.get(d);
    load_wide<N>(weight + c, w);
    GT_UNROLL
    for (int i = 0; i < N; ++i) {
      const float xhat = (v[i] - m) * r;
      sums[0] = fmaf(d[i] * w[i], xhat, sums[0]);
      if constexpr (kCentered) sums[1] += d[i] * w[i];
      dw[i] = fmaf(d[i], xhat, dw[i]);
      db[i] += d[i];
    }
  }

  GT_DEVICE void store_row(std::int64_t at, const DropoutRow& drop, std::int64_t c,
                           const float (&v)[N]) const {
    store_wide<N>(dsum + at, v);
    if constexpr (kDropout) {
      bool kept[N];
      dropout_kept(dropout, drop.sample, drop.first + static_cast<std::uint64_t>(c), kept);
      const float scale = dropout_scale(dropout);
      float d[N];
      GT_UNROLL
      for (int i = 0; i < N; ++i)  // of the gradient as stored
        d[i] = kept[i] ? to_float(from_float<T>(v[i])) * scale : 0.0f;
      store_wide<N>(ddelta + at, d);
    }
  }

  template <class Cta>
  GT_DEVICE void store_sums(Cta& cta, Shared& shared, const Sums& v, float* out) const {
    if constexpr (kAddsWarps) {
      GT_UNROLL
      for (int p = 0; p < Layout::kPacks; ++p) {
        const int c = p * kWarp * N;
        add_warps(cta, shared.sums, v[p], out + c, columns - c);
      }
    } else {
      Layout::for_packs(cta, columns, [&](int p, std::int64_t c) { store_wide<N>(out + c, v[p]); });
    }
  }
};

// Partial sums for dweight and dbias of rows that NormBackwardKernel does not hold.
template <class T, int N, bool kCentered>
struct NormParametersKernel {
  static constexpr int kThreads = 256;
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kColumns = kWarp * N;  // of a block
  struct Shared {
    alignas(16) float sums[kWarps][kColumns];
  };
  const T* s;
  const T* dy;
  const float* mean;
  const float* rstd;
  float *dweight, *dbias;  // (slabs, C), or null
  std::int64_t rows, columns, slab_rows;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& shared) const {
    const std::int64_t block_column = cta.block() * kColumns;
    const std::int64_t column = block_column + cta.lane() * N;
    const std::int64_t first = cta.block_y() * slab_rows;
    const std::int64_t end = first + slab_rows < rows ? first + slab_rows : rows;
    float dw[N] = {}, db[N] = {};
    if (column < columns) {
      for (std::int64_t row = first + cta.warp(); row < end; row += kWarps) {
        float x[N], d[N], m = 0.0f;
        load_wide<N>(s + row * columns + column, x);
        load_wide<N>(dy + row * columns + column, d);
        if constexpr (kCentered) m = mean[row];
        GT_UNROLL
        for (int i = 0; i < N; ++i) {
          dw[i] = fmaf(d[i], (x[i] - m) * rstd[row], dw[i]);
          db[i] += d[i];
        }
      }
    }
    const std::int64_t out = cta.block_y() * columns + block_column, left = columns - block_column;
    if (dweight) add_warps(cta, shared.sums, dw, dweight + out, left);
    if (dbias) add_warps(cta, shared.sums, db, dbias + out, left);
  }
};

// What the kernels of one backward share.
struct NormPartials {
  float *dweight, *dbias;
  std::int64_t slabs, slab_rows;
};

template <class Layout, bool kCentered, bool kDropout, class Queue>
void launch_norm_backward(Queue& queue, const LayerNormBackward& a, const NormPartials& partials) {
  using T = typename Layout::T;
  const std::int64_t rows = a.s.rows(), columns = a.s.cols();
  if constexpr (!Layout::kHeld) {  // first, since dsum may be dy
    using Kernel = NormParametersKernel<T, Layout::N, kCentered>;
    if (partials.dweight || partials.dbias)
      queue.launch(Kernel{.s = a.s.as<T>(),
                          .dy = a.dy.as<T>(),
                          .mean = a.mean.as<float>(),
                          .rstd = a.rstd.as<float>(),
                          .dweight = partials.dweight,
                          .dbias = partials.dbias,
                          .rows = rows,
                          .columns = columns,
                          .slab_rows = partials.slab_rows},
                   {.x = blocks_for(columns, Kernel::kColumns), .y = partials.slabs});
  }
  const std::int64_t slab_rows = Layout::kHeld ? partials.slab_rows : Layout::kRows;
  queue.launch(NormBackwardKernel<Layout, kCentered, kDropout>{.s = a.s.as<T>(),
                                                               .dy = a.dy.as<T>(),
                                                               .dresidual = a.dresidual.as<T>(),
                                                               .weight = a.weight.as<float>(),
                                                               .mean = a.mean.as<float>(),
                                                               .rstd = a.rstd.as<float>(),
                                                               .dsum = a.dsum.as<T>(),
                                                               .ddelta = a.ddelta.as<T>(),
                                                               .dweight = partials.dweight,
                                                               .dbias = partials.dbias,
                                                               .rows = rows,
                                                               .columns = columns,
                                                               .slab_rows = slab_rows,
                                                               .dropout = a.dropout},
               {.x = blocks_for(rows, slab_rows)});
}

template <bool kCentered, class Queue>
void norm_backward(Queue& queue, const LayerNormBackward& a) {
  const std::int64_t rows = a.s.rows(), columns = a.s.cols();
  const std::int64_t slab_rows = norm_slab_rows(rows), slabs = blocks_for(rows, slab_rows);
  const std::int64_t one = slabs * columns;
  const Storage scratch =
      queue.scratch(((a.dweight ? one : 0) + (a.dbias ? one : 0)) * 4, "layer_norm.partials");
  auto* sums = static_cast<float*>(scratch.data());
  const NormPartials partials{.dweight = a.dweight ? sums : nullptr,
                              .dbias = a.dbias ? sums + (a.dweight ? one : 0) : nullptr,
                              .slabs = slabs,
                              .slab_rows = slab_rows};
  with_activation_type(a.kName, a.s.dtype, [&](auto type) {
    using T = decltype(type);
    const bool packs = packs_fit<T>(columns, {a.s.data, a.weight.data, a.dy.data, a.dresidual.data,
                                              a.dsum.data, a.ddelta.data});
    with_row_layout<T>(columns, packs, [&](auto layout) {
      if (a.ddelta)
        launch_norm_backward<decltype(layout), kCentered, true>(queue, a, partials);
      else
        launch_norm_backward<decltype(layout), kCentered, false>(queue, a, partials);
    });
  });
  if (a.dweight)
    add_partials(queue, partials.dweight, slabs, columns, a.dweight.as<float>(), a.accumulate);
  if (a.dbias)
    add_partials(queue, partials.dbias, slabs, columns, a.dbias.as<float>(), a.accumulate);
}

}  // namespace gigatrain::kernels::cuda
