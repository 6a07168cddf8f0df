// Sums over rows, for each column: slabs of rows first, then over slabs in a fixed order. Shared
// by the bias gradient and the norm's parameter gradients.
#pragma once

#include "kernels/cuda/geometry.h"

namespace gigatrain::kernels::cuda {

inline constexpr std::int64_t kSlabRows = 64;  // rows that one block sums

// partials (slabs, C) f32 from x (rows, C).
template <class T, int N>
struct ColumnPartialsKernel {
  static constexpr int kThreads = 256;
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kColumns = kWarp * N;  // of a block
  static constexpr int kMinBlocks = 1;        // or ptxas spills (f32)
  struct Shared {
    float sums[kWarps][kColumns];
  };
  const T* x;
  float* partials;
  std::int64_t rows, columns;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& s) const {
    const std::int64_t slab = cta.block(), first_column = cta.block_y() * kColumns;
    const std::int64_t column = first_column + cta.lane() * N, first = slab * kSlabRows;
    const std::int64_t end = first + kSlabRows < rows ? first + kSlabRows : rows;
    float sum[N] = {};
    if (column < columns) {
      GT_UNROLL_4
      for (std::int64_t row = first + cta.warp(); row < end; row += kWarps) {
        float v[N];
        load_wide<N>(x + row * columns + column, v);
        GT_UNROLL
        for (int i = 0; i < N; ++i) sum[i] += v[i];
      }
    }
    GT_UNROLL
    for (int i = 0; i < N; ++i) s.sums[cta.warp()][cta.lane() * N + i] = sum[i];
    cta.sync();
    static_assert(kColumns <= kThreads);
    const int c = cta.thread();
    if (c >= kColumns || first_column + c >= columns) return;
    float total = s.sums[0][c];
    GT_UNROLL
    for (int w = 1; w < kWarps; ++w) total += s.sums[w][c];
    partials[slab * columns + first_column + c] = total;
  }
};

// sum (C) (+)= partials (slabs, C). A warp adds every kWarps-th slab in ascending order, then the
// warps' sums are added in ascending order: enough loads in flight for a handful of columns.
struct AddPartialsKernel {
  static constexpr int kThreads = 256;
  static constexpr int kWarps = kThreads / kWarp;
  struct Shared {
    float sums[kWarps][kWarp];
  };
  const float* partials;
  float* sum;
  std::int64_t slabs, columns;
  bool accumulate;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared& shared) const {
    const std::int64_t c = cta.block() * kWarp + cta.lane();
    float total = 0.0f;
    if (c < columns) {
      GT_UNROLL_4
      for (std::int64_t s = cta.warp(); s < slabs; s += kWarps) total += partials[s * columns + c];
    }
    shared.sums[cta.warp()][cta.lane()] = total;
    cta.sync();
    if (cta.warp() != 0 || c >= columns) return;
    GT_UNROLL
    for (int w = 1; w < kWarps; ++w) total += shared.sums[w][cta.lane()];
    sum[c] = accumulate ? sum[c] + total : total;
  }
};

template <class Queue>
void add_partials(Queue& queue, const float* partials, std::int64_t slabs, std::int64_t columns,
                  float* sum, bool accumulate) {
  queue.launch(AddPartialsKernel{.partials = partials,
                                 .sum = sum,
                                 .slabs = slabs,
                                 .columns = columns,
                                 .accumulate = accumulate},
               {.x = blocks_for(columns, kWarp)});
}

}  // namespace gigatrain::kernels::cuda
