// Sixteen elements of a table at once.
#pragma once

#include "kernels/cpu/vec.h"

GT_ISA_BEGIN

// table[at] in each lane.
GT_INLINE f32x16 look_up(const float* table, i32x16 at) {
#if defined(__AVX512F__)
  return (f32x16)_mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, (__m512i)at, table, 4);
#elif defined(__AVX2__)
  const Halves index{(f32x16)at};
  Halves r;
  for (int h = 0; h < 2; ++h) r.half[h] = _mm256_i32gather_ps(table, (__m256i)index.half[h], 4);
  return r.whole;
#else
  f32x16 r;
  for (int i = 0; i < kLanes; ++i) r[i] = table[at[i]];
  return r;
#endif
}
// The same of bytes; up to three after the table's end are read, and not used.
GT_INLINE i32x16 look_up(const std::uint8_t* table, i32x16 at) {
#if defined(__AVX512F__)
  return (i32x16)_mm512_mask_i32gather_epi32(_mm512_setzero_si512(), 0xffff, (__m512i)at, table,
                                             1) &
         0xff;
#elif defined(__AVX2__)
  const Halves index{(f32x16)at};
  Halves r;
  for (int h = 0; h < 2; ++h)
    r.half[h] = (__m256)_mm256_i32gather_epi32(reinterpret_cast<const int*>(table),
                                               (__m256i)index.half[h], 1);
  return (i32x16)r.whole & 0xff;
#else
  i32x16 r;
  for (int i = 0; i < kLanes; ++i) r[i] = table[at[i]];
  return r;
#endif
}

typedef std::uint8_t u8x16 __attribute__((vector_size(16)));

GT_INLINE i32x16 load_bytes(const std::uint8_t* p) {
  u8x16 bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  return __builtin_convertvector(bytes, i32x16);
}
GT_INLINE void store_bytes(std::uint8_t* p, i32x16 v) {
  const u8x16 bytes = __builtin_convertvector(v, u8x16);
  std::memcpy(p, &bytes, sizeof bytes);
}

GT_ISA_END
