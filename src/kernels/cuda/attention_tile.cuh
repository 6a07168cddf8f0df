// What the attention kernels share. A block of 256 threads, 16 x 16, works on a tile of 64 x 64
// scores: rows are queries and columns keys, or the other way round. Thread (ty, tx) owns
//
//   scores   rows 4 ty ... 4 ty + 3, columns 4 tx ... 4 tx + 3
//   sums     the same rows; of the block's kColumns output columns, kWide at kWide tx and, if there
//            are 128, as many again 64 further
//
// All arithmetic is f32, in registers. Operands come through shared memory, 32 at a time of the
// dim that is summed over, so that 34 KiB suffice for any head dim: an output wider than 128
// columns is cut into blocks of columns (grid.y), each of which computes the scores again.
#pragma once

#include "kernels/cpu/attention_problem.h"
#include "kernels/cuda/geometry.h"

// Unrolling further costs registers, and with them the second block on a multiprocessor.
#if defined(__CUDACC__)
#define GT_UNROLL_4 _Pragma("unroll 4")
#else
#define GT_UNROLL_4
#endif

namespace gigatrain::kernels::cuda {

// A tile's rows of one head: of q, k, v, out or a gradient.
template <class T>
struct HeadRows {
  T* data;
  std::int64_t step;
  int count;  // at most 64; rows past it count as zeros
  int d;      // elements of a row
};

template <class T_, int N, int kColumns_>
struct AttentionTile {
  using T = T_;
  using Rows = HeadRows<T>;
  static constexpr int kColumns = kColumns_;
  static constexpr int kThreads = 256, kSide = 16;
  static constexpr int kRows = 64, kOwn = kRows / kSide;
  static constexpr int kDepth = 32;         // staged at once
  static constexpr int kPitch = kRows + 4;  // aligned to 16 bytes, and not all in one bank
  static constexpr int kWide = kColumns < 64 ? kColumns / kSide : 4;
  static constexpr int kOwnColumns = kColumns / kSide;
  struct alignas(16) Shared {
    float stage[2 * kDepth * kPitch];  // two operands [depth][row], or one [depth][column]
    float scores[kRows * kPitch];      // [column][row]
  };
  static_assert(kColumns <= 2 * kPitch);
  using Scores = float[kOwn][kOwn];
  using Sums = float[kOwn][kOwnColumns];

  static GT_DEVICE int ty(int thread) { return thread / kSide; }
  static GT_DEVICE int tx(int thread) { return thread % kSide; }
  // The column, among the block's, of a thread's sum j.
  static GT_DEVICE int column(int thread, int j) {
    return j / kWide * (kSide * kWide) + tx(thread) * kWide + j % kWide;
  }
  template <class Cta>
  static GT_DEVICE int first_column(Cta& cta) {
    return static_cast<int>(cta.block_y()) * kColumns;
  }

  // Rows [t, t + 64) of `end` in all.
  static GT_DEVICE Rows rows(const Heads& x, std::int64_t b, std::int64_t h, std::int64_t t,
                             std::int64_t end, std::int64_t d) {
    return {static_cast<T*>(x.data) + b * x.b_step + h * x.h_step + t * x.t_step, x.t_step,
            static_cast<int>(end - t < kRows ? end - t : kRows), static_cast<int>(d)};
  }

  // to[depth][row] = elements d0 ... d0 + 31 of each row. Neighbouring threads take neighbouring
  // rows: the transposed stores then meet no bank twice, and L1 has the rest of a row's sector.
  static GT_DEVICE void stage_transposed(int thread, const Rows& x, int d0, float* to) {
    constexpr int kStride = kThreads / kRows * N;
    const int row = thread % kRows, first = thread / kRows * N;
    const T* from = x.data + row * x.step + d0 + first;
    const int left = row < x.count ? x.d - d0 - first : 0;
    GT_UNROLL_4
    for (int at = 0; at < kDepth; at += kStride) {
      float v[N] = {};
      if (at < left) load_wide<N>(from + at, v);
      GT_UNROLL
      for (int n = 0; n < N; ++n) to[(first + at + n) * kPitch + row] = v[n];
    }
  }
  // to[depth][column] = the block's columns of rows first ... first + 31.
  static GT_DEVICE void stage_rows(int thread, const Rows& x, int first, int c0, float* to) {
    constexpr int kStride = kThreads / (kColumns / N);
    const int row = thread / (kColumns / N), column = thread % (kColumns / N) * N;
    const T* from = x.data + (first + row) * x.step + c0 + column;
    const int left = c0 + column < x.d ? x.count - first - row : 0;
    GT_UNROLL_4
    for (int at = 0; at < kDepth; at += kStride) {
      float v[N] = {};
      if (at < left) load_wide<N>(from + at * x.step, v);
      store_wide<N>(to + (row + at) * kColumns + column, v);
    }
  }

  // out = left right^T over the head dim.
  template <class Cta>
  static GT_DEVICE void score(Cta& cta, Shared& s, const Rows& left, const Rows& right,
                              Scores& out) {
    float* const a = s.stage;
    float* const b = s.stage + kDepth * kPitch;
    GT_UNROLL
    for (int i = 0; i < kOwn * kOwn; ++i) out[i / kOwn][i % kOwn] = 0.0f;
    for (int d0 = 0; d0 < left.d; d0 += kDepth) {
      cta.sync();
      stage_transposed(cta.thread(), left, d0, a);
      stage_transposed(cta.thread(), right, d0, b);
      cta.sync();
      GT_UNROLL_4
      for (int k = 0; k < kDepth; ++k) {
        float x[kOwn], y[kOwn];
        load_wide<kOwn>(a + k * kPitch + ty(cta.thread()) * kOwn, x);
        load_wide<kOwn>(b + k * kPitch + tx(cta.thread()) * kOwn, y);
        GT_UNROLL
        for (int i = 0; i < kOwn; ++i) {
          GT_UNROLL
          for (int j = 0; j < kOwn; ++j) out[i][j] = fmaf(x[i], y[j], out[i][j]);
        }
      }
    }
  }

  // The whole tile of scores to shared memory, for accumulate().
  static GT_DEVICE void share(int thread, Shared& s, const Scores& x) {
    GT_UNROLL
    for (int j = 0; j < kOwn; ++j) {
      float rows[kOwn];
      GT_UNROLL
      for (int i = 0; i < kOwn; ++i) rows[i] = x[i][j];
      store_wide<kOwn>(s.scores + (tx(thread) * kOwn + j) * kPitch + ty(thread) * kOwn, rows);
    }
  }
  // sums += scores right; right has a row for each column of scores. Its barriers stand between
  // share() and the first read; the next share() needs one more before it.
  template <class Cta>
  static GT_DEVICE void accumulate(Cta& cta, Shared& s, const Rows& right, Sums& sums) {
    for (int first = 0; first < right.count; first += kDepth) {
      cta.sync();
      stage_rows(cta.thread(), right, first, first_column(cta), s.stage);
      cta.sync();
      GT_UNROLL_4
      for (int k = 0; k < kDepth; ++k) {
        float x[kOwn];
        load_wide<kOwn>(s.scores + (first + k) * kPitch + ty(cta.thread()) * kOwn, x);
        GT_UNROLL
        for (int g = 0; g < kOwnColumns; g += kWide) {
          float y[kWide];
          load_wide<kWide>(s.stage + k * kColumns + column(cta.thread(), g), y);
          GT_UNROLL
          for (int i = 0; i < kOwn; ++i) {
            GT_UNROLL
            for (int j = 0; j < kWide; ++j) sums[i][g + j] = fmaf(x[i], y[j], sums[i][g + j]);
          }
        }
      }
    }
  }

  // A thread's sums to their rows.
  template <class Cta>
  static GT_DEVICE void write(Cta& cta, const Sums& sums, const Rows& to) {
    constexpr int kStore = N < kWide ? N : kWide;
    GT_UNROLL
    for (int i = 0; i < kOwn; ++i) {
      const int row = ty(cta.thread()) * kOwn + i;
      if (row >= to.count) break;
      GT_UNROLL
      for (int g = 0; g < kOwnColumns; g += kStore) {
        const int at = first_column(cta) + column(cta.thread(), g);
        float v[kStore];
        GT_UNROLL
        for (int j = 0; j < kStore; ++j) v[j] = sums[i][g + j];
        if (at < to.d) store_wide<kStore>(to.data + row * to.step + at, v);
      }
    }
  }
};

// Are these rows, and the elements in them, at multiples of 16 bytes?
template <class T>
bool heads_fit(std::int64_t d, std::initializer_list<Heads> views) {
  for (const Heads& x : views)
    for (const std::int64_t step : {x.b_step, x.t_step, x.h_step})
      if (!packs_fit<T>(step, {x.data})) return false;
  return packs_fit<T>(d, {});
}

// f(AttentionTile<...>{}, Masked<...>{}) with the element type, the width and the fewest columns
// that suit.
template <bool kMasked>
struct Masked {
  static constexpr bool value = kMasked;
};
template <class F>
void with_attention_tile(const char* kernel, const AttentionProblem& p,
                         std::initializer_list<Heads> views, const F& f) {
  with_activation_type(kernel, p.dtype, [&](auto type) {
    using T = decltype(type);
    with_width<T>(heads_fit<T>(p.d, views), [&](auto width) {
      constexpr int kWidth = decltype(width)::value;
      const auto masked = [&](auto tile) {
        if (p.masked()) return f(tile, Masked<true>{});
        f(tile, Masked<false>{});
      };
      if (p.d <= 32) return masked(AttentionTile<T, kWidth, 32>{});
      if (p.d <= 64) return masked(AttentionTile<T, kWidth, 64>{});
      masked(AttentionTile<T, kWidth, 128>{});
    });
  });
}

}  // namespace gigatrain::kernels::cuda
