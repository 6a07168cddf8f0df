// Token and position embedding on the GPU: kernels/embedding.h. A warp has a row and a group of its
// columns, one pack a lane.
#pragma once

#include "kernels/cuda/dropout_mask.cuh"
#include "kernels/cuda/geometry.h"
#include "kernels/embedding.h"

namespace gigatrain::kernels::cuda {

inline constexpr int kEmbeddingThreads = 256;

// Rows of `columns` elements, in groups of 32 packs of N.
template <int N>
struct RowGroups {
  std::int64_t rows, columns;
  std::int64_t groups = (columns + kWarp * N - 1) / (kWarp * N);

  std::int64_t blocks() const { return blocks_for(rows * groups, kEmbeddingThreads / kWarp); }

  struct Place {
    std::int64_t row, column;
  };
  template <class Cta>
  GT_DEVICE Place place(Cta& cta) const {
    const std::int64_t warp = cta.block() * (kEmbeddingThreads / kWarp) + cta.warp();
    return {.row = warp / groups, .column = (warp % groups * kWarp + cta.lane()) * N};
  }
  GT_DEVICE bool has(const Place& at) const { return at.row < rows && at.column < columns; }
};

// v = dropout(v) for elements of a row that starts at number dropout_row() of its sample.
template <int N>
GT_DEVICE void drop(const DropoutArgs& dropout, const DropoutRow& row, std::int64_t column,
                    float (&v)[N]) {
  bool kept[N];
  dropout_kept(dropout, row.sample, row.first + static_cast<std::uint64_t>(column), kept);
  GT_UNROLL
  for (int i = 0; i < N; ++i) v[i] = kept[i] ? v[i] * dropout_scale(dropout) : 0.0f;
}

template <class T, int N>
struct EmbeddingForwardKernel {
  static constexpr int kThreads = kEmbeddingThreads;
  struct Shared {};
  RowGroups<N> out_rows;  // (B T, C)
  const std::int32_t* tokens;
  const T* table;
  const T* positions;  // of t = 0, or null
  T* out;
  std::int64_t vocabulary, length;
  DropoutArgs dropout;

  template <class Cta>
  GT_DEVICE void operator()(Cta& cta, Shared&) const {
    const auto at = out_rows.place(cta);
    if (!out_rows.has(at)) return;
    const std::int64_t token = tokens[at.row], columns = out_rows.columns;
    float v[N];
    if (token < 0 || token >= vocabulary) {
      GT_UNROLL
      for (int i = 0; i < N; ++i) v[i] = NAN;
      return store_wide<N>(out + at.row * columns + at.column, v);
    }
    load_wide<N>(table + token * columns + at.column, v);
    if (positions) {
      float p[N];
      load_wide<N>(positions + at.row % length * columns + at.column, p);
      GT_UNROLL
      for (int i = 0; i < N; ++i) v[i] += p[i];
    }
    if (dropout.rate > 0.0f) drop(dropout, dropout_row(dropout, at.row, columns), at.column, v);
    store_wide<N>(out + at.row * columns + at.column, v);
  }
};

template <class Queue>
void launch(Queue& queue, const EmbeddingForward& a) {
  with_activation_type(a.kName, a.out.dtype, [&](auto type) {
    using T = decltype(type);
    const std::int64_t columns = a.table.cols();
    const bool packs = packs_fit<T>(columns, {a.table.data, a.positions.data, a.out.data});
    with_width<T>(packs, [&](auto width) {
      const RowGroups<decltype(width)::value> rows{.rows = a.tokens.numel(), .columns = columns};
      queue.launch(
          EmbeddingForwardKernel<T, decltype(width)::value>{
              .out_rows = rows,
              .tokens = a.tokens.as<std::int32_t>(),
              .table = a.table.as<T>(),
              .positions = a.positions ? a.positions.as<T>() + a.first_position * columns : nullptr,
              .out = a.out.as<T>(),
              .vocabulary = a.table.rows(),
              .length = a.tokens.cols(),
              .dropout = a.dropout},
          {.x = rows.blocks()});
    });
  });
}

}  // namespace gigatrain::kernels::cuda
