// Packing: copies an operand of a product into the order in which the micro-kernel reads it.
//
// An operand is a set of vectors along k: the rows of A, the columns of B. They are cut into
// strips, and within a strip all vectors' values of one k lie side by side:
//
//   packed[strip][k][i]        i < width of the strip
//
// A "unit" is what lies at one (k, i): an f32; or a bf16 or f16 widened to it; or, for the
// processor's own bf16 arithmetic, two bf16 of adjacent k in the place of one f32 (an odd k is
// filled with 0). For AMX units come by sixteens, filled with 0, and A's strips hold rows of them:
//
//   packed[strip][k / 32][i][k % 32]
#pragma once

#include <type_traits>

#include "kernels/cpu/gemm_amx.h"
#include "kernels/cpu/gemm_micro.h"
#include "kernels/cpu/gemm_problem.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN

// How vectors [0, size) are cut. A: evenly, so that no strip is much shorter than the others.
// B: kNR each, the last one padded with zeros.
struct Strips {
  std::int64_t size = 0, count = 0;
  bool even = false;

  GT_INLINE std::int64_t start(std::int64_t s) const { return even ? size * s / count : s * kNR; }
  GT_INLINE std::int64_t width(std::int64_t s) const { return start(s + 1) - start(s); }
  GT_INLINE std::int64_t filled(std::int64_t s) const { return smaller(width(s), size - start(s)); }
};
GT_INLINE Strips column_strips(std::int64_t n) {
  return {n, blocks_of(n, kNR), false};
}

template <class T, std::int64_t PerUnit>
struct UnitFrom {
  using Element = T;
  static constexpr std::int64_t kPerUnit = PerUnit;
  static constexpr std::int64_t kTogether = 1;
};
struct UnitF32 : UnitFrom<float, 1> {};
struct UnitBf16 : UnitFrom<bf16, 1> {};
struct UnitF16 : UnitFrom<f16, 1> {};
struct UnitPair : UnitFrom<bf16, 2> {};

// f32 that is rounded to bf16 while it is packed, beside an operand of bf16.
struct RoundedBf16 : UnitFrom<float, 1> {};
struct RoundedPair : UnitFrom<float, 2> {};

#if defined(GT_AMX)
struct UnitTile : UnitPair {
  static constexpr std::int64_t kTogether = kTileUnits;
};
struct RoundedTile : RoundedPair {
  static constexpr std::int64_t kTogether = kTileUnits;
};
#endif

template <class Unit>
GT_INLINE std::int64_t units_of(std::int64_t k) {
  return blocks_of(k, Unit::kPerUnit * Unit::kTogether) * Unit::kTogether;
}
// Rows of A. AMX takes them by thirty-two.
template <class Unit>
GT_INLINE Strips row_strips(std::int64_t m) {
  constexpr bool kTiles = Unit::kTogether > 1;
  return {m, blocks_of(m, kTiles ? kNR : kRows), !kTiles};
}

#if defined(__AVX512F__)
using Mask = std::uint32_t;
GT_INLINE Mask first_lanes(std::int64_t n) {
  return n >= 32 ? ~Mask{0} : n <= 0 ? Mask{0} : (Mask{1} << n) - 1;
}
GT_INLINE f32x16 load_first(const float* p, std::int64_t n) {
  return (f32x16)_mm512_maskz_loadu_ps(static_cast<__mmask16>(first_lanes(n)), p);
}
GT_INLINE u32x16 load_first(const bf16* p, std::int64_t n) {
  const __m256i h = _mm256_maskz_loadu_epi16(static_cast<__mmask16>(first_lanes(n)), p);
  return __builtin_convertvector((u16x16)h, u32x16);
}
GT_INLINE f32x16 load_first(const f16* p, std::int64_t n) {
  const __m256i h = _mm256_maskz_loadu_epi16(static_cast<__mmask16>(first_lanes(n)), p);
  return (f32x16)_mm512_maskz_cvtph_ps(0xffff, h);
}
GT_INLINE void store_first(float* p, f32x16 v, std::int64_t n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>(first_lanes(n)), (__m512)v);
}

// Sixteen units of one vector, from k on; what lies past the k elements left is 0.
GT_INLINE f32x16 units_along_k(UnitF32, const float* p, std::int64_t left) {
  return load_first(p, left);
}
GT_INLINE f32x16 units_along_k(UnitBf16, const bf16* p, std::int64_t left) {
  return (f32x16)(load_first(p, left) << 16);
}
GT_INLINE f32x16 units_along_k(UnitF16, const f16* p, std::int64_t left) {
  return load_first(p, left);
}
GT_INLINE f32x16 units_along_k(UnitPair, const bf16* p, std::int64_t left) {
  return (f32x16)_mm512_maskz_loadu_epi16(first_lanes(left), p);
}
GT_INLINE f32x16 units_along_k(RoundedBf16, const float* p, std::int64_t left) {
  return rounded_to_bf16(load_first(p, left));
}
GT_INLINE f32x16 units_along_k(RoundedPair, const float* p, std::int64_t left) {
  typedef std::int16_t i16x32 __attribute__((vector_size(64)));
  constexpr i16x32 kLow = {0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                           32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62};
  const u32x16 first = bf16_bits(load_first(p, left));
  const u32x16 second = left > 16 ? bf16_bits(load_first(p + 16, left - 16)) : u32x16{};
  return (f32x16)_mm512_permutex2var_epi16((__m512i)first, (__m512i)kLow, (__m512i)second);
}

// One unit of each of n <= 16 adjacent vectors.
GT_INLINE f32x16 units_along_i(UnitF32, const float* p, std::int64_t, std::int64_t,
                               std::int64_t n) {
  return load_first(p, n);
}
GT_INLINE f32x16 units_along_i(UnitBf16, const bf16* p, std::int64_t, std::int64_t,
                               std::int64_t n) {
  return (f32x16)(load_first(p, n) << 16);
}
GT_INLINE f32x16 units_along_i(UnitF16, const f16* p, std::int64_t, std::int64_t, std::int64_t n) {
  return load_first(p, n);
}
GT_INLINE f32x16 units_along_i(UnitPair, const bf16* p, std::int64_t k_step, std::int64_t left,
                               std::int64_t n) {
  const u32x16 low = load_first(p, n), high = left > 1 ? load_first(p + k_step, n) : u32x16{};
  return (f32x16)(low | high << 16);
}
GT_INLINE f32x16 units_along_i(RoundedBf16, const float* p, std::int64_t, std::int64_t,
                               std::int64_t n) {
  return rounded_to_bf16(load_first(p, n));
}
GT_INLINE f32x16 units_along_i(RoundedPair, const float* p, std::int64_t k_step, std::int64_t left,
                               std::int64_t n) {
  const u32x16 low = bf16_bits(load_first(p, n));
  const u32x16 high = left > 1 ? bf16_bits(load_first(p + k_step, n)) : u32x16{};
  return (f32x16)(low | high << 16);
}

// r[i][j] <-> r[j][i], in four rounds: lanes, pairs of lanes, quarters, halves of the quarters.
GT_INLINE void transpose(f32x16 (&r)[16]) {
  f32x16 t[16];
#define GT_SHUFFLE(x, y, a, b, c, d, q)                                                       \
  __builtin_shufflevector(x, y, a, b, c, d, a + q, b + q, c + q, d + q, a + 2 * q, b + 2 * q, \
                          c + 2 * q, d + 2 * q, a + 3 * q, b + 3 * q, c + 3 * q, d + 3 * q)
  GT_UNROLL for (int i = 0; i < 16; i += 2) {
    t[i] = GT_SHUFFLE(r[i], r[i + 1], 0, 16, 1, 17, 4);
    t[i + 1] = GT_SHUFFLE(r[i], r[i + 1], 2, 18, 3, 19, 4);
  }
  GT_UNROLL for (int i = 0; i < 16; i += 4) {
    GT_UNROLL for (int j = 0; j < 2; ++j) {
      r[i + 2 * j] = GT_SHUFFLE(t[i + j], t[i + j + 2], 0, 1, 16, 17, 4);
      r[i + 2 * j + 1] = GT_SHUFFLE(t[i + j], t[i + j + 2], 2, 3, 18, 19, 4);
    }
  }
#undef GT_SHUFFLE
#define GT_QUARTERS(x, y, first)                                                                  \
  __builtin_shufflevector(x, y, first, first + 1, first + 2, first + 3, first + 8, first + 9,     \
                          first + 10, first + 11, first + 16, first + 17, first + 18, first + 19, \
                          first + 24, first + 25, first + 26, first + 27)
  GT_UNROLL for (int i = 0; i < 16; i += 8) {
    GT_UNROLL for (int j = 0; j < 4; ++j) {
      t[i + j] = GT_QUARTERS(r[i + j], r[i + j + 4], 0);
      t[i + j + 4] = GT_QUARTERS(r[i + j], r[i + j + 4], 4);
    }
  }
  GT_UNROLL for (int j = 0; j < 8; ++j) {
    r[j] = GT_QUARTERS(t[j], t[j + 8], 0);
    r[j + 8] = GT_QUARTERS(t[j], t[j + 8], 4);
  }
#undef GT_QUARTERS
}

// Up to sixteen vectors, each contiguous along k, into lanes of a strip.
template <class Unit>
GT_INLINE void pack_along_k(Unit unit, const typename Unit::Element* p, std::int64_t i_step,
                            std::int64_t vectors, std::int64_t k, float* to, std::int64_t width,
                            std::int64_t lanes) {
  for (std::int64_t at = 0; at < k; at += 16 * Unit::kPerUnit) {
    f32x16 r[16];
    GT_UNROLL for (int i = 0; i < 16; ++i) r[i] =
        i < vectors ? units_along_k(unit, p + i * i_step + at, k - at) : f32x16{};
    transpose(r);
    const std::int64_t units = smaller(16, units_of<Unit>(k - at));
    for (std::int64_t u = 0; u < units; ++u, to += width) store_first(to, r[u], lanes);
  }
}
#endif

template <class Unit>
GT_INLINE float one_unit(Unit, const typename Unit::Element* p, std::int64_t k_step,
                         std::int64_t left) {
  if constexpr (std::is_same_v<Unit, UnitF16>) {
    return widen(*p);
  } else if constexpr (std::is_same_v<Unit, RoundedBf16>) {
    return float(bf16(*p));
  } else if constexpr (Unit::kPerUnit == 1) {
    return float(*p);
  } else {
    const std::uint32_t high = left > 1 ? bf16(p[k_step]).bits : 0;
    const std::uint32_t both = bf16(*p).bits | high << 16;
    float packed;
    __builtin_memcpy(&packed, &both, sizeof packed);
    return packed;
  }
}

// One strip; its vectors are contiguous along k.
template <class Unit>
void pack_strip(Unit unit, const Operand& from, const Strips& strips, std::int64_t s,
                std::int64_t k, float* to) {
  using Element = typename Unit::Element;
  const auto* p = static_cast<const Element*>(from.data) + strips.start(s) * from.i_step;
  const std::int64_t width = strips.width(s), filled = strips.filled(s);
#if defined(__AVX512F__)
  for (std::int64_t i = 0; i < width; i += 16)
    pack_along_k(unit, p + i * from.i_step, from.i_step, smaller(16, filled - i), k, to + i, width,
                 smaller(16, width - i));
#else
  for (std::int64_t at = 0; at < k; at += Unit::kPerUnit, to += width)
    for (std::int64_t i = 0; i < width; ++i)
      to[i] = i < filled
                  ? one_unit(unit, p + i * from.i_step + at * from.k_step, from.k_step, k - at)
                  : 0.0f;
#endif
}

inline constexpr std::int64_t kPackStrips = 64;  // strips written side by side
inline constexpr std::int64_t kPackRows = 8;     // of k, packed at a time into a strip
inline constexpr std::int64_t kAhead = 8;        // units; rows are too far apart for the hardware

// What is packed at a time: strips [begin, end), and of each the units from `skip` on that hold k
// elements; a whole strip has `units`.
struct Part {
  std::int64_t begin, end, k, units, skip = 0;
};

template <class T>
GT_INLINE void prefetch(const T* p, std::int64_t n) {
  for (std::int64_t i = 0; i < n * std::int64_t{sizeof(T)}; i += 64)
    __builtin_prefetch(reinterpret_cast<const char*>(p) + i);
}

#if defined(__AVX512F__)
// One unit of each of the 32 vectors of a whole strip.
GT_INLINE void pack_whole(UnitPair, const bf16* p, std::int64_t k_step, std::int64_t left,
                          float* to) {
  typedef std::int16_t i16x32 __attribute__((vector_size(64)));
  constexpr i16x32 kLow = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                           8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __m512i first = _mm512_loadu_si512(p);
  const __m512i second = left > 1 ? _mm512_loadu_si512(p + k_step) : __m512i{};
  const i16x32 kHigh = kLow + 16;
  store(to, (f32x16)_mm512_permutex2var_epi16(first, (__m512i)kLow, second));
  store(to + 16, (f32x16)_mm512_permutex2var_epi16(first, (__m512i)kHigh, second));
}
#endif

// One unit of each vector of a strip.
template <class Unit>
GT_INLINE void pack_row(Unit unit, const typename Unit::Element* p, std::int64_t k_step,
                        std::int64_t left, std::int64_t filled, std::int64_t width, float* to) {
#if defined(__AVX512F__)
  if constexpr (std::is_base_of_v<UnitPair, Unit>)
    if (filled == 2 * kLanes) return pack_whole(unit, p, k_step, left, to);
  for (std::int64_t i = 0; i < width; i += 16)
    store_first(to + i, units_along_i(unit, p + i, k_step, left, filled - i), width - i);
#else
  for (std::int64_t i = 0; i < width; ++i)
    to[i] = i < filled ? one_unit(unit, p + i, k_step, left) : 0.0f;
#endif
}

// At most kPackStrips, whose vectors lie side by side: k outside, so that memory is read in order.
template <class Unit>
void pack_rows(Unit unit, const Operand& from, const Strips& strips, const Part& part, float* to) {
  const std::int64_t count = part.end - part.begin, k = part.k;
  std::int64_t start[kPackStrips], width[kPackStrips], filled[kPackStrips];
  float* out[kPackStrips];
  for (std::int64_t s = 0; s < count; ++s) {
    start[s] = strips.start(part.begin + s), width[s] = strips.width(part.begin + s);
    filled[s] = strips.filled(part.begin + s);
    out[s] = to + (start[s] - start[0]) * part.units + part.skip * width[s];
  }
  const auto* row = static_cast<const typename Unit::Element*>(from.data);
  const std::int64_t row_step = Unit::kPerUnit * from.k_step;
  for (std::int64_t left = k; left > 0; left -= kPackRows * Unit::kPerUnit) {
    const std::int64_t rows = smaller(kPackRows, blocks_of(left, Unit::kPerUnit));
    const bool ahead = left > (kAhead + kPackRows) * Unit::kPerUnit;
    for (std::int64_t s = 0; s < count; ++s) {
      const auto* p = row + start[s];
      for (std::int64_t r = 0; r < rows; ++r, p += row_step, out[s] += width[s]) {
        for (std::int64_t i = 0; ahead && i < Unit::kPerUnit; ++i)
          prefetch(p + (kAhead * Unit::kPerUnit + i) * from.k_step, width[s]);
        pack_row(unit, p, from.k_step, left - r * Unit::kPerUnit, filled[s], width[s], out[s]);
      }
    }
    row += kPackRows * row_step;
  }
  const std::int64_t missing = units_of<Unit>(k) - blocks_of(k, Unit::kPerUnit);
  for (std::int64_t s = 0; s < count; ++s)
    for (std::int64_t i = 0; i < missing * width[s]; ++i) out[s][i] = 0.0f;
}

// `from` stands at the first element of the part, `to` at the first of its strips.
template <class Unit>
void pack(Unit unit, const Operand& from, const Strips& strips, const Part& part, float* to) {
  const std::int64_t together = from.k_step == 1 ? 1 : kPackStrips;
  for (std::int64_t s = part.begin; s < part.end; s += together) {
    float* strip = to + (strips.start(s) - strips.start(part.begin)) * part.units;
    if (from.k_step == 1)
      pack_strip(unit, from, strips, s, part.k, strip + part.skip * strips.width(s));
    else
      pack_rows(unit, from, strips,
                {s, smaller(part.end, s + together), part.k, part.units, part.skip}, strip);
  }
}
// All strips and all of k.
template <class Unit>
void pack(Unit unit, const Operand& from, const Strips& strips, std::int64_t k, float* to) {
  pack(unit, from, strips, {0, strips.count, k, units_of<Unit>(k)}, to);
}

#if defined(GT_AMX)
// Sixteen units of sixteen rows, from row i and element `at` of k on.
GT_INLINE void load_rows(const Operand& from, std::int64_t i, std::int64_t rows, std::int64_t at,
                         std::int64_t left, f32x16 (&r)[16]) {
  const auto* p = static_cast<const bf16*>(from.data) + i * from.i_step + at * from.k_step;
  if (from.k_step == 1) {
    GT_UNROLL for (int j = 0; j < 16; ++j) r[j] =
        j < rows ? units_along_k(UnitPair{}, p + j * from.i_step, left) : f32x16{};
    return;
  }
  GT_UNROLL for (int j = 0; j < 16; ++j) r[j] =
      2 * j < left
          ? units_along_i(UnitPair{}, p + 2 * j * from.k_step, from.k_step, left - 2 * j, rows)
          : f32x16{};
  transpose(r);
}

// Thirty-two elements of k of a strip.
GT_INLINE void pack_tile(const Operand& from, const Strips& strips, std::int64_t s, std::int64_t at,
                         std::int64_t k, float* to) {
  for (std::int64_t i = 0; i < kNR; i += kTileRow) {
    f32x16 r[16];
    load_rows(from, strips.start(s) + i, smaller(kTileRow, strips.filled(s) - i), at, k - at, r);
    for (int j = 0; j < 16; ++j, to += kTileUnits) store(to, r[j]);
  }
}

// The same for A and AMX, in the order in which memory lies.
inline void pack_tiles(const Operand& from, const Strips& strips, const Part& part, float* to) {
  constexpr std::int64_t kStep = 2 * kTileUnits;
  const auto one = [&](std::int64_t s, std::int64_t at) GT_BODY {
    pack_tile(from, strips, s, at, part.k,
              to + ((s - part.begin) * part.units + part.skip + at / 2) * kNR);
  };
  if (from.k_step == 1) {
    for (std::int64_t s = part.begin; s < part.end; ++s)
      for (std::int64_t at = 0; at < part.k; at += kStep) one(s, at);
  } else {
    for (std::int64_t at = 0; at < part.k; at += kStep)
      for (std::int64_t s = part.begin; s < part.end; ++s) one(s, at);
  }
}
#endif

GT_ISA_END
