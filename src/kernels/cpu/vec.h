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

#if defined(__AVX2__) && !defined(__AVX512F__)
// The compilers split most operations on sixteen lanes into two registers by themselves; for the
// others, which g++ would do lane by lane, we say how.
union Halves {
  f32x16 whole;
  __m256 half[2];
};
#endif

GT_INLINE f32x16 splat(float x) {
  return x - f32x16{};
}  // not x + 0: it would lose -0
GT_INLINE i32x16 splat_i(std::int32_t x) {
  return i32x16{} + x;
}

GT_INLINE f32x16 load(const float* p) {
  f32x16 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
GT_INLINE void store(float* p, f32x16 v) {
  std::memcpy(p, &v, sizeof v);
}

// Comparisons: all ones where true, all zeros where false or where a lane is NaN.
#if defined(__AVX2__) && !defined(__AVX512F__)
template <int Predicate>
GT_INLINE i32x16 compare(f32x16 a, f32x16 b) {
  Halves x{a}, y{b};
  for (int h = 0; h < 2; ++h) x.half[h] = _mm256_cmp_ps(x.half[h], y.half[h], Predicate);
  return (i32x16)x.whole;
}
GT_INLINE i32x16 less(f32x16 a, f32x16 b) {
  return compare<_CMP_LT_OQ>(a, b);
}
GT_INLINE i32x16 less_equal(f32x16 a, f32x16 b) {
  return compare<_CMP_LE_OQ>(a, b);
}
GT_INLINE i32x16 equal(f32x16 a, f32x16 b) {
  return compare<_CMP_EQ_OQ>(a, b);
}
#else
GT_INLINE i32x16 less(f32x16 a, f32x16 b) {
  return a < b;
}
GT_INLINE i32x16 less_equal(f32x16 a, f32x16 b) {
  return a <= b;
}
GT_INLINE i32x16 equal(f32x16 a, f32x16 b) {
  return a == b;
}
#endif

GT_INLINE f32x16 select(i32x16 mask, f32x16 yes, f32x16 no) {
  return (f32x16)(((i32x16)yes & mask) | ((i32x16)no & ~mask));
}

// a > b ? a : b and a < b ? a : b, so a NaN in either gives b: the hardware's instruction.
GT_INLINE f32x16 max(f32x16 a, f32x16 b) {
#if defined(__AVX512F__)
  return (f32x16)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  Halves x{a}, y{b};
  for (int h = 0; h < 2; ++h) x.half[h] = _mm256_max_ps(x.half[h], y.half[h]);
  return x.whole;
#else
  return select(less(b, a), a, b);
#endif
}
GT_INLINE f32x16 min(f32x16 a, f32x16 b) {
#if defined(__AVX512F__)
  return (f32x16)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  Halves x{a}, y{b};
  for (int h = 0; h < 2; ++h) x.half[h] = _mm256_min_ps(x.half[h], y.half[h]);
  return x.whole;
#else
  return select(less(a, b), a, b);
#endif
}

GT_INLINE f32x16 load(const bf16* p) {
#if defined(__AVX512F__)  // g++ 12 would widen by halves
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return (f32x16)((u32x16)_mm512_maskz_cvtepu16_epi32(0xffff, bits) << 16);
#elif defined(__AVX2__)
  Halves v;
  for (int h = 0; h < 2; ++h) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8 * h));
    v.half[h] = (__m256)_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16);
  }
  return v.whole;
#else
  u16x16 h;
  std::memcpy(&h, p, sizeof h);
  return (f32x16)(__builtin_convertvector(h, u32x16) << 16);
#endif
}
// Rounded to nearest even, in the low halves; a NaN stays a (quiet) NaN.
GT_INLINE u32x16 bf16_bits(f32x16 v) {
  const u32x16 u = (u32x16)v, top = u >> 16;
  const u32x16 rounded = (u + ((top & 1u) + 0x7fffu)) >> 16;
#if defined(__AVX512F__)
  const __mmask16 nan = _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q);
  return (u32x16)_mm512_mask_or_epi32((__m512i)rounded, nan, (__m512i)top, _mm512_set1_epi32(0x40));
#else
  return (u32x16)select(equal(v, v), (f32x16)rounded, (f32x16)(top | 0x40u));
#endif
}
// The values that bf16 would hold.
GT_INLINE f32x16 rounded_to_bf16(f32x16 v) {
  return (f32x16)(bf16_bits(v) << 16);
}
GT_INLINE void store(bf16* p, f32x16 v) {
  const u32x16 bits = bf16_bits(v);
#if defined(__AVX512F__)
  const __m256i packed = _mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)bits);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
#elif defined(__AVX2__)
  const Halves r{(f32x16)bits};
  const __m256i packed = _mm256_packus_epi32((__m256i)r.half[0], (__m256i)r.half[1]);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
#else
  const u16x16 h = __builtin_convertvector(bits, u16x16);
  std::memcpy(p, &h, sizeof h);
#endif
}

// f16: every class gives the bits of the struct in dtype.h, but that reading a NaN makes it quiet.
#if defined(__F16C__)
GT_INLINE float widen(f16 x) {
  return _cvtsh_ss(x.bits);
}
#else
GT_INLINE float widen(f16 x) {
  return static_cast<float>(x);
}
#endif
GT_INLINE f32x16 load(const f16* p) {
#if defined(__AVX512F__)
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return (f32x16)_mm512_maskz_cvtph_ps(0xffff, bits);
#elif defined(__AVX2__)
  Halves v;
  for (int h = 0; h < 2; ++h)
    v.half[h] = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8 * h)));
  return v.whole;
#else
  u16x16 h;
  std::memcpy(&h, p, sizeof h);
  const u32x16 u = __builtin_convertvector(h, u32x16), sign = (u & 0x8000u) << 16;
  const i32x16 a = (i32x16)(u & 0x7fffu);
  const f32x16 small = (f32x16)((a << 13) + (113 << 23)) - 0x1p-14f;  // exact
  const i32x16 quiet = (a > 0x7c00) & 0x400000;
  const i32x16 other = ((a << 13) + (112 << 23) + ((a >= 0x7c00) & (112 << 23))) | quiet;
  return (f32x16)((u32x16)select(a < 0x400, small, (f32x16)other) | sign);
#endif
}
GT_INLINE void store(f16* p, f32x16 v) {
  const u32x16 u = (u32x16)v;
#if defined(__AVX2__)
  const f32x16 x = select(equal(v, v), v, (f32x16)((u & 0x80000000u) | 0x7fc00000u));
#if defined(__AVX512F__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_maskz_cvtps_ph(0xffff, (__m512)x, _MM_FROUND_TO_NEAREST_INT));
#else
  const Halves halves{x};
  for (int h = 0; h < 2; ++h)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8 * h),
                     _mm256_cvtps_ph(halves.half[h], _MM_FROUND_TO_NEAREST_INT));
#endif
#else
  const u32x16 sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
  const u32x16 small = (u32x16)((f32x16)a + 0.5f) - 0x3f000000u;
  const u32x16 normal = (a - (112u << 23) + 0xfffu + ((a >> 13) & 1u)) >> 13;
  const i32x16 size = (i32x16)a;
  f32x16 bits = select(size < 0x38800000, (f32x16)small, (f32x16)normal);
  bits = select(size >= 0x477ff000, (f32x16)(u32x16{} + 0x7c00u), bits);
  bits = select(size > 0x7f800000, (f32x16)(u32x16{} + 0x7e00u), bits);
  const u16x16 h = __builtin_convertvector((u32x16)bits | sign, u16x16);
  std::memcpy(p, &h, sizeof h);
#endif
}

// As store, past the caches where the class can (the base one stores as always): p on a multiple of
// the sixteen elements' size. Others see it after stream_end().
GT_INLINE void stream_bytes(void* p, f32x16 v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(static_cast<float*>(p), (__m512)v);
#elif defined(__AVX2__)
  const Halves halves{v};
  for (int h = 0; h < 2; ++h) _mm256_stream_ps(static_cast<float*>(p) + 8 * h, halves.half[h]);
#else
  std::memcpy(p, &v, sizeof v);
#endif
}
GT_INLINE void stream(float* p, f32x16 v) {
  stream_bytes(p, v);
}
template <class T>
GT_INLINE void stream(T* p, f32x16 v) {
  static_assert(sizeof(T) == 2);
#if defined(__AVX2__)
  __m256i bits;
  store(reinterpret_cast<T*>(&bits), v);
  _mm256_stream_si256(reinterpret_cast<__m256i*>(p), bits);
#else
  store(p, v);
#endif
}
GT_INLINE void stream_end() {
#if defined(__AVX2__)
  _mm_sfence();
#endif
}

#if defined(__AVX512F__)
GT_INLINE __mmask16 part_mask(std::int64_t n) {
  return static_cast<__mmask16>((1u << n) - 1u);
}
#endif

// The first n < 16 elements; the other lanes are `fill`.
template <class T>
GT_INLINE f32x16 load_part(const T* p, std::int64_t n, float fill = 0.0f) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == sizeof(float)) {
    return (f32x16)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), part_mask(n), p);
  } else {
    const T missing(fill);
    std::int16_t bits;
    std::memcpy(&bits, &missing, sizeof bits);
    const __m256i part = _mm256_mask_loadu_epi16(_mm256_set1_epi16(bits), part_mask(n), p);
    return load(reinterpret_cast<const T*>(&part));
  }
#else
  T buffer[kLanes];
  for (int i = 0; i < kLanes; ++i) buffer[i] = T(fill);
  std::memcpy(buffer, p, static_cast<std::size_t>(n) * sizeof(T));
  return load(buffer);
#endif
}
template <class T>
GT_INLINE void store_part(T* p, f32x16 v, std::int64_t n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == sizeof(float)) {
    _mm512_mask_storeu_ps(p, part_mask(n), (__m512)v);
  } else {
    __m256i bits;
    store(reinterpret_cast<T*>(&bits), v);
    _mm256_mask_storeu_epi16(p, part_mask(n), bits);
  }
#else
  T buffer[kLanes];
  store(buffer, v);
  std::memcpy(p, buffer, static_cast<std::size_t>(n) * sizeof(T));
#endif
}

// a * b + c, rounded once.
GT_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) {
#if defined(__AVX512F__)
  return (f32x16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  Halves x{a}, y{b}, z{c};
  for (int h = 0; h < 2; ++h) z.half[h] = _mm256_fmadd_ps(x.half[h], y.half[h], z.half[h]);
  return z.whole;
#else
  f32x16 r;
  for (int i = 0; i < kLanes; ++i) r[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return r;
#endif
}
GT_INLINE float fma(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}

GT_INLINE f32x16 sqrt(f32x16 x) {
#if defined(__AVX512F__)
  return (f32x16)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);
#elif defined(__AVX2__)
  Halves r{x};
  for (int h = 0; h < 2; ++h) r.half[h] = _mm256_sqrt_ps(r.half[h]);
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

// x 2^n for the integer n that `shifted` = n + 1.5 * 2^23 holds in its low bits, |n| < 200.
GT_INLINE f32x16 scale_by_power(f32x16 x, f32x16 shifted) {
#if defined(__AVX512F__)
  return (f32x16)_mm512_maskz_scalef_ps(0xffff, (__m512)x, (__m512)(shifted - 0x1.8p23f));
#else
  const i32x16 n = (i32x16)shifted - 0x4b400000, half = n >> 1;  // in two steps: 2^128 is infinite
  return x * (f32x16)((half + 127) << 23) * (f32x16)((n - half + 127) << 23);
#endif
}

// e^x to 1 ulp: x = n ln2 + r, |r| <= ln2/2, degree-7 Taylor series in r, exponent shifted by n.
// 0 below -87.33 (no subnormals), +inf above 88.72, NaN stays NaN.
GT_INLINE f32x16 exp(f32x16 x) {
  const f32x16 low = splat(-87.33654f), high = splat(89.0f);  // e^89 overflows
  const f32x16 c = min(high, max(low, x));
  const f32x16 magic = splat(0x1.8p23f);  // adding it rounds to an integer
  const f32x16 shifted = fma(c, splat(0x1.715476p0f), magic), n = shifted - magic;
  f32x16 r = fma(n, splat(-0x1.62e4p-1f), c);  // ln2, high part (exact product)
  r = fma(n, splat(-0x1.7f7d1cp-20f), r);      // ln2, low part
  f32x16 p = splat(1.0f / 5040.0f);
  p = fma(p, r, splat(1.0f / 720.0f));
  p = fma(p, r, splat(1.0f / 120.0f));
  p = fma(p, r, splat(1.0f / 24.0f));
  p = fma(p, r, splat(1.0f / 6.0f));
  p = fma(p, r, splat(0.5f));
  p = fma(p, r, splat(1.0f));
  p = fma(p, r, splat(1.0f));
  return (f32x16)((i32x16)scale_by_power(p, shifted) & ~less(x, low));
}

GT_ISA_END
