// Philox4x32-10 (base/philox.h), sixteen blocks at once: 64 random words in the order of elements.
#pragma once

#include "gigatrain/base/philox.h"
#include "kernels/cpu/vec.h"

GT_ISA_BEGIN

struct Words64 {
  u32x16 words[4];
};

// The rounds run on as many lanes as a register has: g++ keeps two registers' worth on the stack.
#if defined(__AVX2__) && !defined(__AVX512F__)
typedef std::uint32_t PhiloxLanes __attribute__((vector_size(32)));
typedef std::uint64_t PhiloxPairs __attribute__((vector_size(32)));
#else
typedef u32x16 PhiloxLanes;
typedef std::uint64_t PhiloxPairs __attribute__((vector_size(64)));
#endif
inline constexpr int kPhiloxLanes = sizeof(PhiloxLanes) / 4;

struct PhiloxState {
  PhiloxLanes c[4];
};

// Half of the blocks: words are the low halves of 64-bit lanes, whatever is above them, as the
// multiplication wants its operands; so low words need no instruction, and high ones a shift.
struct PhiloxHalf {
  PhiloxPairs c[4];
};

// The low halves of a, times m, as 64 bits. (The zero-masked intrinsics are the plain ones, without
// g++ 12's false warning about an uninitialised operand.)
GT_INLINE PhiloxPairs multiply_wide(PhiloxPairs a, std::uint32_t m) {
#if defined(__AVX512F__)
  return (PhiloxPairs)_mm512_maskz_mul_epu32(0xff, (__m512i)a,
                                             _mm512_set1_epi64(static_cast<long long>(m)));
#elif defined(__AVX2__)
  return (PhiloxPairs)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(static_cast<long long>(m)));
#else
  return (a & 0xffffffffu) * std::uint64_t{m};
#endif
}

// Interleaves pairs (N = 1) or pairs of pairs (N = 2) of words within each group of four lanes.
template <int N, bool High>
GT_INLINE PhiloxLanes interleave(PhiloxLanes a, PhiloxLanes b) {
#if defined(__AVX512F__)
  const __m512i x = (__m512i)a, y = (__m512i)b;
  if constexpr (N == 1)
    return (PhiloxLanes)(High ? _mm512_maskz_unpackhi_epi32(0xffff, x, y)
                              : _mm512_maskz_unpacklo_epi32(0xffff, x, y));
  else
    return (PhiloxLanes)(High ? _mm512_maskz_unpackhi_epi64(0xff, x, y)
                              : _mm512_maskz_unpacklo_epi64(0xff, x, y));
#elif defined(__AVX2__)
  const __m256i x = (__m256i)a, y = (__m256i)b;
  if constexpr (N == 1)
    return (PhiloxLanes)(High ? _mm256_unpackhi_epi32(x, y) : _mm256_unpacklo_epi32(x, y));
  else
    return (PhiloxLanes)(High ? _mm256_unpackhi_epi64(x, y) : _mm256_unpacklo_epi64(x, y));
#else
  PhiloxLanes r;
  constexpr int k = High ? 2 : 0;
  for (int g = 0; g < kPhiloxLanes; g += 4) {
    r[g] = a[g + k];
    r[g + 1] = N == 1 ? b[g + k] : a[g + k + 1];
    r[g + 2] = N == 1 ? a[g + k + 1] : b[g + k];
    r[g + 3] = b[g + k + 1];
  }
  return r;
#endif
}

GT_INLINE void philox_round(PhiloxHalf& s, std::uint64_t k0, std::uint64_t k1) {
  const PhiloxPairs p0 = multiply_wide(s.c[0], 0xD2511F53u);
  const PhiloxPairs p1 = multiply_wide(s.c[2], 0xCD9E8D57u);
  s = {{(p1 >> 32) ^ s.c[1] ^ k0, p1, (p0 >> 32) ^ s.c[3] ^ k1, p0}};
}

// Even lanes and odd lanes are the two halves.
GT_INLINE PhiloxState philox_rounds(const PhiloxState& s, PhiloxKey key) {
  PhiloxHalf even, odd;
  for (int i = 0; i < 4; ++i) even.c[i] = (PhiloxPairs)s.c[i], odd.c[i] = even.c[i] >> 32;
  for (int round = 0; round < 10; ++round) {
    philox_round(even, key.k0, key.k1);
    philox_round(odd, key.k0, key.k1);
    key.k0 += 0x9E3779B9u;
    key.k1 += 0xBB67AE85u;
  }
  PhiloxState r;
  for (int i = 0; i < 4; ++i) r.c[i] = (PhiloxLanes)((even.c[i] & 0xffffffffu) | (odd.c[i] << 32));
  return r;
}

GT_INLINE PhiloxState transpose_groups(const PhiloxState& s) {
  const PhiloxLanes a = interleave<1, false>(s.c[0], s.c[1]);
  const PhiloxLanes b = interleave<1, true>(s.c[0], s.c[1]);
  const PhiloxLanes c = interleave<1, false>(s.c[2], s.c[3]);
  const PhiloxLanes d = interleave<1, true>(s.c[2], s.c[3]);
  return {{interleave<2, false>(a, c), interleave<2, true>(a, c), interleave<2, false>(b, d),
           interleave<2, true>(b, d)}};
}

// Lane 4g + k works on block 4k + g, so that transposing within groups of four lanes is enough to
// put the words in the order of elements.
inline constexpr std::uint32_t kBlockOfLane[kLanes] = {0, 4, 8,  12, 1, 5, 9,  13,
                                                       2, 6, 10, 14, 3, 7, 11, 15};

// The counters of the lanes from `lane` on.
GT_INLINE PhiloxState philox_counters(std::uint64_t block, int lane, std::uint32_t sample,
                                      std::uint32_t step) {
  PhiloxState s;
  const auto low = static_cast<std::uint32_t>(block);
  std::memcpy(&s.c[0], kBlockOfLane + lane, sizeof s.c[0]);
  s.c[0] += low;
  s.c[1] = PhiloxLanes{} + static_cast<std::uint32_t>(block >> 32);
  s.c[2] = PhiloxLanes{} + sample;
  s.c[3] = PhiloxLanes{} + step;
  if (low > 0xfffffff0u)  // the low word wraps in some lanes
    for (int i = 0; i < kPhiloxLanes; ++i) s.c[1][i] += s.c[0][i] < low;
  return s;
}

template <bool InElementOrder>
GT_INLINE Words64 philox_words(PhiloxKey key, std::uint64_t block, std::uint32_t sample,
                               std::uint32_t step) {
  Words64 w;
  for (int lane = 0; lane < kLanes; lane += kPhiloxLanes) {
    PhiloxState s = philox_rounds(philox_counters(block, lane, sample, step), key);
    if constexpr (InElementOrder) s = transpose_groups(s);
    for (int i = 0; i < 4; ++i)
      std::memcpy(reinterpret_cast<std::uint32_t*>(&w.words[i]) + lane, &s.c[i], sizeof s.c[i]);
  }
  return w;
}

// Word w of sixteen consecutive blocks in words[w], in the lanes of kBlockOfLane.
GT_INLINE Words64 philox_blocks(PhiloxKey key, std::uint64_t block, std::uint32_t sample,
                                std::uint32_t step) {
  return philox_words<false>(key, block, sample, step);
}

// The words of elements 4 * block ... 4 * block + 63 of `sample` in `step`: lane l of words[i] is
// element 16 i + l of them.
GT_INLINE Words64 philox64(PhiloxKey key, std::uint64_t block, std::uint32_t sample,
                           std::uint32_t step) {
  return philox_words<true>(key, block, sample, step);
}

// From philox_blocks' order to that of the elements.
GT_INLINE Words64 in_element_order(const Words64& w) {
  Words64 r;
  for (int lane = 0; lane < kLanes; lane += kPhiloxLanes) {
    PhiloxState s;
    for (int i = 0; i < 4; ++i)
      std::memcpy(&s.c[i], reinterpret_cast<const std::uint32_t*>(&w.words[i]) + lane,
                  sizeof s.c[i]);
    s = transpose_groups(s);
    for (int i = 0; i < 4; ++i)
      std::memcpy(reinterpret_cast<std::uint32_t*>(&r.words[i]) + lane, &s.c[i], sizeof s.c[i]);
  }
  return r;
}

// to_uniform of base/philox.h.
GT_INLINE f32x16 to_uniform(u32x16 words) {
  return (__builtin_convertvector((i32x16)(words >> 9), f32x16) + 0.5f) * 0x1p-23f;
}

GT_ISA_END
