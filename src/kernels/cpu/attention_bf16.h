// What attention's forward and backward in the processor's own bf16 share, by AMX's tiles or by
// AVX512_BF16. They walk over blocks as the others do (attention_block.h), but both sides of a
// product hold pairs of k, as a tile does (gemm_pack.h):
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

inline constexpr std::int64_t kTileQueries = 32, kTileKeys = 32;  // of 32 x 32 scores in tiles

#define GT_BF16 __attribute__((target("avx512bf16")))

// Units of a right side with n values along k, and rows of a left side with n of them.
GT_INLINE std::int64_t tile_units(std::int64_t n) {
  return units_of<UnitTile>(n);
}
GT_INLINE std::int64_t tile_rows(std::int64_t n) {
  return padded_columns(n);
}

// (n, D) rows as a left side (rows, D), and their transpose as one (D, rows).
inline void pack_pairs_left(const bf16* rows, std::int64_t step, std::int64_t n, std::int64_t d,
                            float* to) {
  const Strips strips = row_strips<UnitTile>(n);
  pack_tiles(Operand{rows, step, 1}, strips, {0, strips.count, d, tile_units(d)}, to);
}
inline void pack_pairs_left_transposed(const bf16* rows, std::int64_t step, std::int64_t n,
                                       std::int64_t d, float* to) {
  const Strips strips = row_strips<UnitTile>(d);
  pack_tiles(Operand{rows, 1, step}, strips, {0, strips.count, n, tile_units(n)}, to);
}
// (n, D) rows as a right side (n, D), and their transpose as one (D, n).
inline void pack_pairs_right(const bf16* rows, std::int64_t step, std::int64_t n, std::int64_t d,
                             float* to) {
  const Strips strips = column_strips(d);
  pack(UnitTile{}, Operand{rows, 1, step}, strips, n, to);
}
inline void pack_pairs_right_transposed(const bf16* rows, std::int64_t step, std::int64_t n,
                                        std::int64_t d, float* to) {
  const Strips strips = column_strips(n);
  pack(UnitTile{}, Operand{rows, step, 1}, strips, d, to);
}

// C (rows, columns) = or += left (rows, k) right (k, columns), of `units` of k. Both sides were
// packed for at least as many: left_units, right_units.
struct PairProduct {
  const float* left;
  std::int64_t left_units, rows;
  const float* right;
  std::int64_t right_units, columns, units;
  float* c;
  std::int64_t ldc;
  std::int64_t right_step = kNR;  // floats from unit to unit
};

// Blocks of 32 x 32 as micro_tiles makes them. Depths are small here, so a tile is stored while
// others still add up: the last two of a block only when the next one has begun. Steps: tiles along
// k, 0 where only the product knows.
template <bool Add, int Steps>
GT_TILES void tile_blocks(const PairProduct& p) {
  constexpr long kA = 64;  // bytes from row to row
  const long row = static_cast<long>(p.ldc) * 4, right_row = static_cast<long>(p.right_step) * 4;
  const std::int64_t lower = kTileRow * p.ldc, right_tile = kTileUnits * p.right_step;
  const std::int64_t steps = Steps ? Steps : p.units / kTileUnits;
  float* before = nullptr;  // the block whose lower tiles are to be stored
  GT_MEMORY_BARRIER;
  for (std::int64_t i = 0; i < p.rows; i += kNR)
    for (std::int64_t j = 0; j < p.columns; j += kNR) {
      const float *a = p.left + i * p.left_units, *b = p.right + j * p.right_units;
      float* c = p.c + i * p.ldc + j;
      for (std::int64_t u = 0; u < steps; ++u) {
        const bool first = u == 0, last = u + 1 == steps;
        _tile_loadd(4, a + u * 512, kA);
        _tile_loadd(6, b + u * right_tile, right_row);
        if (first && Add) _tile_loadd(0, c, row);
        if (first && !Add) _tile_zero(0);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, b + u * right_tile + kTileRow, right_row);
        if (first && before) _tile_stored(2, before + lower, row);
        if (first && Add) _tile_loadd(1, c + kTileRow, row);
        if (first && !Add) _tile_zero(1);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, a + u * 512 + 256, kA);
        if (last) _tile_stored(0, c, row);
        if (first && before) _tile_stored(3, before + lower + kTileRow, row);
        if (first && Add) _tile_loadd(2, c + lower, row);
        if (first && !Add) _tile_zero(2);
        _tile_dpbf16ps(2, 5, 6);
        if (last) _tile_stored(1, c + kTileRow, row);
        if (first && Add) _tile_loadd(3, c + lower + kTileRow, row);
        if (first && !Add) _tile_zero(3);
        _tile_dpbf16ps(3, 5, 7);
      }
      before = c;
    }
  if (before) {
    _tile_stored(2, before + lower, row);
    _tile_stored(3, before + lower + kTileRow, row);
  }
  GT_MEMORY_BARRIER;
}

// Rows of one strip of the left side by 32 columns, in vector registers: a pair of products at a
// time is added to the running sum (the instruction's own rounding; subnormals count as zero).
template <bool Add, int Rows>
GT_BF16 void vector_block(const PairProduct& p, const float* a, const float* b, float* c) {
  __m512 sum[Rows][2];
  GT_UNROLL for (int i = 0; i < Rows; ++i) GT_UNROLL for (int j = 0; j < 2; ++j) sum[i][j] =
      Add ? _mm512_loadu_ps(c + i * p.ldc + j * kLanes) : _mm512_setzero_ps();
  for (std::int64_t u = 0; u < p.units; u += kTileUnits, a += kNR * kTileUnits)
    for (std::int64_t v = 0; v < kTileUnits; ++v, b += p.right_step) {
      const __m512i low = _mm512_loadu_si512(b), high = _mm512_loadu_si512(b + kLanes);
      GT_UNROLL for (int i = 0; i < Rows; ++i) {
        int pair;
        __builtin_memcpy(&pair, a + i * kTileUnits + v, sizeof pair);
        const auto x = (__m512bh)_mm512_set1_epi32(pair);
        sum[i][0] = _mm512_dpbf16_ps(sum[i][0], x, (__m512bh)low);
        sum[i][1] = _mm512_dpbf16_ps(sum[i][1], x, (__m512bh)high);
      }
    }
  GT_UNROLL for (int i = 0; i < Rows; ++i) GT_UNROLL for (int j = 0; j < 2; ++j)
      _mm512_storeu_ps(c + i * p.ldc + j * kLanes, sum[i][j]);
}

// How pairs are multiplied, by the thread that holds such an object.
struct ByTiles {
  void put(const PairProduct& p) const { multiply<false>(p); }
  void add(const PairProduct& p) const { multiply<true>(p); }

 private:
  template <bool Add>
  static void multiply(const PairProduct& p) {
    if (p.units == kTileUnits) return tile_blocks<Add, 1>(p);
    if (p.units == 2 * kTileUnits) return tile_blocks<Add, 2>(p);
    if (p.units == 4 * kTileUnits) return tile_blocks<Add, 4>(p);
    tile_blocks<Add, 0>(p);
  }

  Tiles tiles_;
};
struct ByVectors {
  void put(const PairProduct& p) const { multiply<false>(p); }
  void add(const PairProduct& p) const { multiply<true>(p); }

 private:
  // A strip of 32 rows by 11, 11 and 10, which fill the registers; those past `rows` are left out.
  template <bool Add>
  static void multiply(const PairProduct& p) {
    for (std::int64_t i = 0; i < p.rows; i += kNR)
      for (std::int64_t j = 0; j < p.columns; j += kNR) {
        const float *a = p.left + i * p.left_units, *b = p.right + j * p.right_units;
        float* c = p.c + i * p.ldc + j;
        vector_block<Add, 11>(p, a, b, c);
        if (i + 11 < p.rows) vector_block<Add, 11>(p, a + 11 * kTileUnits, b, c + 11 * p.ldc);
        if (i + 22 < p.rows) vector_block<Add, 10>(p, a + 22 * kTileUnits, b, c + 22 * p.ldc);
      }
  }
};

// body(how) where the processor multiplies T in pairs, else false.
template <class T, class Body>
bool with_pairs([[maybe_unused]] const CpuQueue& queue, [[maybe_unused]] const Body& body) {
  if constexpr (std::is_same_v<T, bf16>) {
    if (queue.bf16 == Bf16Products::amx) return body(std::type_identity<ByTiles>{}), true;
    if (queue.bf16 == Bf16Products::avx512_bf16) return body(std::type_identity<ByVectors>{}), true;
  }
  return false;
}

// Rows `low` and `high`, one after the other: as sixteen units.
GT_BF16 inline f32x16 mixed(__m512bh both) {
  typedef std::int16_t i16x32 __attribute__((vector_size(64)));
  constexpr i16x32 kMix = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                           8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return (f32x16)_mm512_permutexvar_epi16((__m512i)kMix, (__m512i)both);
}
// Sixteen units: `low` and `high` are two rows next to each other.
GT_BF16 inline f32x16 pair_of(f32x16 low, f32x16 high) {
  return mixed(_mm512_cvtne2ps_pbh((__m512)high, (__m512)low));
}
// Sixteen values of two rows of a left side, `low` and `high`, next to each other; gives the units
// that pair_of gives.
GT_BF16 inline f32x16 store_bf16(float* to, f32x16 low, f32x16 high) {
  const __m512bh both = _mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
  const f32x16 v = (f32x16)both;
  const auto first = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  const auto second = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  __builtin_memcpy(to, &first, sizeof first);
  __builtin_memcpy(to + kTileUnits, &second, sizeof second);
  return mixed(both);
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

// to[i][j] = from[j][i] factor[i], for i < n and j < d: a (D, Columns) array as rows of a head.
template <std::int64_t Columns>
void write_transposed(const float* from, std::int64_t n, std::int64_t d, const float* factor,
                      bf16* to, std::int64_t step) {
  for (std::int64_t i = 0; i < n; i += kLanes)
    for (std::int64_t j = 0; j < d; j += kLanes) {
      f32x16 r[kLanes];
      for (int u = 0; u < kLanes; ++u) r[u] = load(from + (j + u) * Columns + i);
      transpose(r);
      for (std::int64_t x = 0; x < smaller(kLanes, n - i); ++x)
        for_lanes(smaller(kLanes, d - j), [&](auto lanes, std::int64_t) GT_BODY {
          lanes.put(to + (i + x) * step + j, factor ? r[x] * factor[i + x] : r[x]);
        });
    }
}

GT_ISA_END
#endif
