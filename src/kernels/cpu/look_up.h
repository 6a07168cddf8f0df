// Sixteen elements of a table at once, where that is faster than one after the other: with AVX-512.
#pragma once

#include "kernels/cpu/vec.h"

#if defined(__AVX512F__)

GT_ISA_BEGIN

// table[at] in each lane.
GT_INLINE f32x16 look_up(const float* table, i32x16 at) {
  return (f32x16)_mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, (__m512i)at, table, 4);
}
// The same of bytes; up to three after the table's end are read, and not used.
GT_INLINE i32x16 look_up(const std::uint8_t* table, i32x16 at) {
  const __m512i zero = _mm512_setzero_si512();
  return (i32x16)_mm512_mask_i32gather_epi32(zero, 0xffff, (__m512i)at, table, 1) & 0xff;
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

#endif
