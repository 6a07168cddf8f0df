// What attention's forward and backward in AMX's tiles share. They walk over blocks as the others
// do (attention_block.h), with the products of gemm_amx.h:
//
//   left sides   rows of pairs:   K, V (keys, D); K^T, V^T (D, keys); P^T, dS^T (keys, queries)
//   right sides  pairs of rows:   Q^T, dO^T (D, queries); Q, dO (queries, D); P^T, dS^T (keys,
//   queries)
//
// So everything is read off S^T (keys, queries) as it lies, by lanes. P and dS are rounded to bf16
// before they are multiplied; sums and the softmax are f32.
#pragma once

#include "kernels/cpu/attention_mask.h"

#if defined(GT_AMX)
GT_ISA_BEGIN

#define GT_BF16 __attribute__((target("avx512bf16")))

template <class T>
GT_INLINE bool in_tiles(const CpuQueue& queue) {
  return std::is_same_v<T, bf16> && queue.bf16 == Bf16Products::amx;
}

// Units of a right side with n values along k, and rows of a left side with n of them.
GT_INLINE std::int64_t tile_units(std::int64_t n) {
  return units_of<UnitTile>(n);
}
GT_INLINE std::int64_t tile_rows(std::int64_t n) {
  return padded_columns(n);
}

// (n, D) rows as a left side (rows, D), and their transpose as one (D, rows).
inline void pack_tile_left(const bf16* rows, std::int64_t step, std::int64_t n, std::int64_t d,
                           float* to) {
  const Strips strips = row_strips<UnitTile>(n);
  pack_tiles(Operand{rows, step, 1}, strips, {0, strips.count, d, tile_units(d)}, to);
}
inline void pack_tile_left_transposed(const bf16* rows, std::int64_t step, std::int64_t n,
                                      std::int64_t d, float* to) {
  const Strips strips = row_strips<UnitTile>(d);
  pack_tiles(Operand{rows, 1, step}, strips, {0, strips.count, n, tile_units(n)}, to);
}
// (n, D) rows as a right side (n, D), and their transpose as one (D, n).
inline void pack_tile_right(const bf16* rows, std::int64_t step, std::int64_t n, std::int64_t d,
                            float* to) {
  const Strips strips = column_strips(d);
  pack(UnitTile{}, Operand{rows, 1, step}, strips, n, to);
}
inline void pack_tile_right_transposed(const bf16* rows, std::int64_t step, std::int64_t n,
                                       std::int64_t d, float* to) {
  const Strips strips = column_strips(n);
  pack(UnitTile{}, Operand{rows, step, 1}, strips, d, to);
}

// C (rows, columns) += or = left (rows, k) right (k, columns), of `units` of k. Both sides were
// packed for at least as many: left_units, right_units.
GT_INLINE void tile_product(const float* left, std::int64_t left_units, std::int64_t rows,
                            const float* right, std::int64_t right_units, std::int64_t columns,
                            std::int64_t units, float* c, std::int64_t ldc, bool add) {
  for (std::int64_t i = 0; i < rows; i += kNR)
    for (std::int64_t j = 0; j < columns; j += kNR)
      micro_tiles(left + i * left_units, right + j * right_units, units, c + i * ldc + j, ldc, add);
}

// Sixteen units: `low` and `high` are two rows next to each other.
GT_BF16 inline f32x16 pair_of(f32x16 low, f32x16 high) {
  typedef std::int16_t i16x32 __attribute__((vector_size(64)));
  constexpr i16x32 kMix = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                           8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512bh both = _mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
  return (f32x16)_mm512_permutexvar_epi16((__m512i)kMix, (__m512i)both);
}
// Sixteen values of a row of a left side.
GT_BF16 inline void store_bf16(float* to, f32x16 v) {
  const __m256bh half = _mm512_cvtneps_pbh((__m512)v);
  __builtin_memcpy(to, &half, sizeof half);
}

// Where a left side (keys, queries) of `units` has row `key` of sixteen queries, and a right side
// (keys, queries) the units of keys `key` and `key` + 1.
GT_INLINE float* left_at(float* left, std::int64_t units, std::int64_t key, std::int64_t query) {
  return left + key / kNR * kNR * units +
         (query / (2 * kTileUnits) * kNR + key % kNR) * kTileUnits + query % (2 * kTileUnits) / 2;
}
GT_INLINE float* right_at(float* right, std::int64_t units, std::int64_t key, std::int64_t query) {
  return right + (query / kNR * units + key / 2) * kNR + query % kNR;
}

// to[i][j] = from[j][i] factor[i], for i < n and j < d: a (D, kQueries) array as rows of a head.
inline void write_transposed(const float* from, std::int64_t n, std::int64_t d, const float* factor,
                             bf16* to, std::int64_t step) {
  for (std::int64_t i = 0; i < n; i += kLanes)
    for (std::int64_t j = 0; j < d; j += kLanes) {
      f32x16 r[kLanes];
      for (int u = 0; u < kLanes; ++u) r[u] = load(from + (j + u) * kQueries + i);
      transpose(r);
      for (std::int64_t x = 0; x < smaller(kLanes, n - i); ++x)
        for_lanes(smaller(kLanes, d - j), [&](auto lanes, std::int64_t) GT_BODY {
          lanes.put(to + (i + x) * step + j, factor ? r[x] * factor[i + x] : r[x]);
        });
    }
}

GT_ISA_END
#endif
