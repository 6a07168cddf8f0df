// Philox4x32-10 (base/philox.h), sixteen blocks at once: 64 random words in the order of elements.
#pragma once

#include "gigatrain/base/philox.h"
#include "kernels/cpu/vec.h"

GT_ISA_BEGIN

struct Words64 {
  u32x16 words[4];
};

// (a * m) as 64 bits: high and low words. (The zero-masked intrinsics are the plain ones, without
// g++ 12's false warning about an uninitialised operand.)
GT_INLINE void multiply_wide(u32x16 a, std::uint32_t m, u32x16& high, u32x16& low) {
#if defined(__AVX512F__)
  typedef std::uint64_t u64x8 __attribute__((vector_size(64)));
  const __m512i factor = _mm512_set1_epi32(static_cast<int>(m));
  const u64x8 even = (u64x8)_mm512_maskz_mul_epu32(0xff, (__m512i)a, factor);
  const u64x8 odd = (u64x8)_mm512_maskz_mul_epu32(0xff, (__m512i)((u64x8)a >> 32), factor);
  high = (u32x16)_mm512_mask_blend_epi32(0xaaaa, (__m512i)(even >> 32), (__m512i)odd);
  low = (u32x16)_mm512_mask_blend_epi32(0xaaaa, (__m512i)even, (__m512i)(odd << 32));
#elif defined(__AVX2__)
  const __m256i factor = _mm256_set1_epi32(static_cast<int>(m));
  const Halves in{(f32x16)a};
  Halves h, l;
  for (int i = 0; i < 2; ++i) {
    const __m256i x = (__m256i)in.half[i], even = _mm256_mul_epu32(x, factor);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), factor);
    h.half[i] = (__m256)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    l.half[i] = (__m256)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
  }
  high = (u32x16)h.whole;
  low = (u32x16)l.whole;
#else
  for (int i = 0; i < kLanes; ++i) {
    const std::uint64_t p = std::uint64_t{a[i]} * m;
    high[i] = static_cast<std::uint32_t>(p >> 32);
    low[i] = static_cast<std::uint32_t>(p);
  }
#endif
}

// Interleaves pairs (n = 1) or pairs of pairs (n = 2) of words within each group of four lanes.
template <int N, bool High>
GT_INLINE u32x16 interleave(u32x16 a, u32x16 b) {
#if defined(__AVX512F__)
  const __m512i x = (__m512i)a, y = (__m512i)b;
  if constexpr (N == 1)
    return (u32x16)(High ? _mm512_maskz_unpackhi_epi32(0xffff, x, y)
                         : _mm512_maskz_unpacklo_epi32(0xffff, x, y));
  else
    return (u32x16)(High ? _mm512_maskz_unpackhi_epi64(0xff, x, y)
                         : _mm512_maskz_unpacklo_epi64(0xff, x, y));
#elif defined(__AVX2__)
  Halves x{(f32x16)a}, y{(f32x16)b};
  for (int h = 0; h < 2; ++h) {
    const __m256i p = (__m256i)x.half[h], q = (__m256i)y.half[h];
    if constexpr (N == 1)
      x.half[h] = (__m256)(High ? _mm256_unpackhi_epi32(p, q) : _mm256_unpacklo_epi32(p, q));
    else
      x.half[h] = (__m256)(High ? _mm256_unpackhi_epi64(p, q) : _mm256_unpacklo_epi64(p, q));
  }
  return (u32x16)x.whole;
#else
  u32x16 r;
  constexpr int k = High ? 2 : 0;
  for (int g = 0; g < kLanes; g += 4) {
    r[g] = a[g + k];
    r[g + 1] = N == 1 ? b[g + k] : a[g + k + 1];
    r[g + 2] = N == 1 ? a[g + k + 1] : b[g + k];
    r[g + 3] = b[g + k + 1];
  }
  return r;
#endif
}

// Word w of sixteen consecutive blocks in words[w]. Lane 4g + k works on block 4k + g, so that
// in_element_order needs no more than a transpose within groups of four lanes.
GT_INLINE Words64 philox_blocks(PhiloxKey key, std::uint64_t block, std::uint32_t sample,
                                std::uint32_t step) {
  constexpr u32x16 kOrder = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  const u32x16 zero{};
  u32x16 c0 = kOrder + static_cast<std::uint32_t>(block);
  u32x16 c1 = zero + static_cast<std::uint32_t>(block >> 32);
  if (static_cast<std::uint32_t>(block) > 0xfffffff0u)  // the low word wraps in some lanes
    for (int i = 0; i < kLanes; ++i) c1[i] += c0[i] < kOrder[i];
  u32x16 c2 = zero + sample, c3 = zero + step;
  for (int round = 0; round < 10; ++round) {
    u32x16 high0, low0, high1, low1;
    multiply_wide(c0, 0xD2511F53u, high0, low0);
    multiply_wide(c2, 0xCD9E8D57u, high1, low1);
    c0 = high1 ^ c1 ^ key.k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ key.k1;
    c3 = low0;
    key.k0 += 0x9E3779B9u;
    key.k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// From philox_blocks' order to that of the elements: lane l of words[i] is element 16 i + l.
GT_INLINE Words64 in_element_order(const Words64& w) {
  const u32x16 a = interleave<1, false>(w.words[0], w.words[1]);
  const u32x16 b = interleave<1, true>(w.words[0], w.words[1]);
  const u32x16 c = interleave<1, false>(w.words[2], w.words[3]);
  const u32x16 d = interleave<1, true>(w.words[2], w.words[3]);
  return {{interleave<2, false>(a, c), interleave<2, true>(a, c), interleave<2, false>(b, d),
           interleave<2, true>(b, d)}};
}

// The words of elements 4 * block ... 4 * block + 63 of `sample` in `step`.
GT_INLINE Words64 philox64(PhiloxKey key, std::uint64_t block, std::uint32_t sample,
                           std::uint32_t step) {
  return in_element_order(philox_blocks(key, block, sample, step));
}

// to_uniform of base/philox.h.
GT_INLINE f32x16 to_uniform(u32x16 words) {
  return (__builtin_convertvector((i32x16)(words >> 9), f32x16) + 0.5f) * 0x1p-23f;
}

GT_ISA_END
