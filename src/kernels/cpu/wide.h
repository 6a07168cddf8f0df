// Eight f64 lanes, for sums of f32 in f64.
#pragma once

#include "kernels/cpu/vec.h"

GT_ISA_BEGIN

inline constexpr int kSumLanes = 8;

typedef double f64x8 __attribute__((vector_size(64)));
typedef float f32x8 __attribute__((vector_size(32)));

GT_INLINE void widen(f32x16 v, f64x8& low, f64x8& high) {
  float part[kLanes];
  store(part, v);
  f32x8 a, b;
  std::memcpy(&a, part, sizeof a);
  std::memcpy(&b, part + 8, sizeof b);
  low = __builtin_convertvector(a, f64x8), high = __builtin_convertvector(b, f64x8);
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
