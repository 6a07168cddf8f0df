// Sixteen f32 lanes, the same in every class of vector code: one 512-bit register, two 256-bit
// ones, or plain code. All arithmetic is IEEE, multiply-add is always fused, and reductions use one
// fixed tree of lanes, so the classes agree bit for bit. Include only from `.isa.cpp` files.
#pragma once

#include <cstdint>
#include <cstring>

#include "gigatrain/base/dtype.h"
#include "kernels/cpu/isa.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define GT_INLINE inline __attribute__((always_inline))

GT_ISA_BEGIN

inline constexpr int kLanes = 16;
typedef float f32x16 __attribute__((vector_size(64)));
typedef std::int32_t i32x16 __attribute__((vector_size(64)));
typedef std::uint32_t u32x16 __attribute__((vector_size(64)));
typedef std::uint16_t u16x16 __attribute__((vector_size(32)));

GT_INLINE f32x16 splat(float x) { return x - f32x16{}; }  // not x + 0: it would lose -0
GT_INLINE i32x16 splat_i(std::int32_t x) { return i32x16{} + x; }

GT_INLINE f32x16 load(const float* p) {
  f32x16 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
GT_INLINE void store(float* p, f32x16 v) { std::memcpy(p, &v, sizeof v); }

GT_INLINE f32x16 load(const bf16* p) {
  u16x16 h;
  std::memcpy(&h, p, sizeof h);
  return (f32x16)(__builtin_convertvector(h, u32x16) << 16);
}
// Round to nearest even; a NaN stays a (quiet) NaN.
GT_INLINE void store(bf16* p, f32x16 v) {
  const u32x16 u = (u32x16)v;
  const u32x16 rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  const u32x16 nan = (u32x16)(v != v);
  const u16x16 h = __builtin_convertvector((rounded & ~nan) | (((u >> 16) | 0x40u) & nan), u16x16);
  std::memcpy(p, &h, sizeof h);
}

// The first n < 16 elements; the other lanes are `fill`.
template <class T>
GT_INLINE f32x16 load_part(const T* p, std::int64_t n, float fill = 0.0f) {
  T buffer[kLanes];
  for (int i = 0; i < kLanes; ++i) buffer[i] = T(fill);
  std::memcpy(buffer, p, static_cast<std::size_t>(n) * sizeof(T));
  return load(buffer);
}
template <class T>
GT_INLINE void store_part(T* p, f32x16 v, std::int64_t n) {
  T buffer[kLanes];
  store(buffer, v);
  std::memcpy(p, buffer, static_cast<std::size_t>(n) * sizeof(T));
}

// a * b + c, rounded once.
GT_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) {
#if defined(__AVX512F__)
  return (f32x16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  typedef float f32x8 __attribute__((vector_size(32)));
  union Halves { f32x16 whole; f32x8 half[2]; };
  Halves x{a}, y{b}, z{c};
  for (int h = 0; h < 2; ++h)
    z.half[h] = (f32x8)_mm256_fmadd_ps((__m256)x.half[h], (__m256)y.half[h], (__m256)z.half[h]);
  return z.whole;
#else
  f32x16 r;
  for (int i = 0; i < kLanes; ++i) r[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return r;
#endif
}
GT_INLINE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

GT_INLINE f32x16 select(i32x16 mask, f32x16 yes, f32x16 no) {
  return (f32x16)(((i32x16)yes & mask) | ((i32x16)no & ~mask));
}
// A NaN in `a` gives b, like the hardware's.
GT_INLINE f32x16 max(f32x16 a, f32x16 b) { return select(a > b, a, b); }
GT_INLINE f32x16 min(f32x16 a, f32x16 b) { return select(a < b, a, b); }

GT_INLINE f32x16 sqrt(f32x16 x) {
#if defined(__AVX512F__)
  return (f32x16)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);
#elif defined(__AVX2__)
  typedef float f32x8 __attribute__((vector_size(32)));
  union Halves { f32x16 whole; f32x8 half[2]; };
  Halves r{x};
  for (int h = 0; h < 2; ++h) r.half[h] = (f32x8)_mm256_sqrt_ps((__m256)r.half[h]);
  return r.whole;
#else
  f32x16 r;
  for (int i = 0; i < kLanes; ++i) r[i] = __builtin_sqrtf(x[i]);
  return r;
#endif
}

// Lane trees: (0+8, 1+9, ...), then halves again.
GT_INLINE float reduce_add(f32x16 v) {
  float s[kLanes];
  store(s, v);
  for (int half = kLanes / 2; half; half /= 2)
    for (int i = 0; i < half; ++i) s[i] += s[i + half];
  return s[0];
}
GT_INLINE float reduce_max(f32x16 v) {
  float s[kLanes];
  store(s, v);
  for (int half = kLanes / 2; half; half /= 2)
    for (int i = 0; i < half; ++i) s[i] = s[i] > s[i + half] ? s[i] : s[i + half];
  return s[0];
}

// e^x to about 1 ulp: x = n ln2 + r, |r| <= ln2/2, degree-7 Taylor series in r, exponent shifted by
// n. 0 below -87.33 (no subnormals), +inf above 88.72, NaN stays NaN.
GT_INLINE f32x16 exp(f32x16 x) {
  const f32x16 low = splat(-87.33654f), high = splat(88.72283f);
  const f32x16 c = select(x > high, high, select(x < low, low, x));
  const f32x16 magic = splat(0x1.8p23f);  // adding it rounds to an integer
  const f32x16 n = fma(c, splat(0x1.715476p0f), magic) - magic;
  f32x16 r = fma(n, splat(-0x1.62e4p-1f), c);        // ln2, high part (exact product)
  r = fma(n, splat(-0x1.7f7d1cp-20f), r);            // ln2, low part
  f32x16 p = splat(1.0f / 5040.0f);
  p = fma(p, r, splat(1.0f / 720.0f));
  p = fma(p, r, splat(1.0f / 120.0f));
  p = fma(p, r, splat(1.0f / 24.0f));
  p = fma(p, r, splat(1.0f / 6.0f));
  p = fma(p, r, splat(0.5f));
  p = fma(p, r, splat(1.0f));
  p = fma(p, r, splat(1.0f));
  // 2^n in two steps, so that n = 128 does not overflow on the way.
  const i32x16 e = __builtin_convertvector(n, i32x16);
  const i32x16 half = e >> 1;
  const f32x16 s1 = (f32x16)((half + 127) << 23), s2 = (f32x16)((e - half + 127) << 23);
  f32x16 y = p * s1 * s2;
  y = select(x < low, f32x16{}, y);
  y = select(x > high, splat(__builtin_inff()), y);
  return select(x == x, y, x);
}

GT_ISA_END
