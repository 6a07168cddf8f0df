// Eight f64 lanes, for sums of f32 in f64.
#pragma once

#include "kernels/cpu/vec.h"

GT_ISA_BEGIN

inline constexpr int kSumLanes = 8;

typedef double f64x8 __attribute__((vector_size(64)));

GT_INLINE void widen(f32x16 v, f64x8& low, f64x8& high) {
  low = __builtin_convertvector(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7), f64x8);
  high =
      __builtin_convertvector(__builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15), f64x8);
}

// x^2 + sum, where x was f32: its square is exact, so rounding once is rounding as always.
GT_INLINE f64x8 add_square(f64x8 x, f64x8 sum) {
#if defined(__AVX512F__)
  return (f64x8)_mm512_fmadd_pd((__m512d)x, (__m512d)x, (__m512d)sum);
#else
  return sum + x * x;
#endif
}

// Lanes are added by halves.
GT_INLINE double add_lanes(const double* lanes, std::int64_t stride) {
  const double *s = lanes, a = s[0] + s[4 * stride], b = s[stride] + s[5 * stride];
  const double c = s[2 * stride] + s[6 * stride], d = s[3 * stride] + s[7 * stride];
  return (a + c) + (b + d);
}
GT_INLINE double add_lanes(f64x8 v) {
  double lanes[kSumLanes];
  std::memcpy(lanes, &v, sizeof lanes);
  return add_lanes(lanes, 1);
}

GT_ISA_END
