// Elementary functions on sixteen f32 lanes: our own, so that results do not depend on the C
// library, the compiler or the class of vector code. Polynomials are minimax fits of ours (weighted
// least squares on Chebyshev nodes, reweighted), evaluated by Horner's rule with fused
// multiply-adds.
#pragma once

#include "kernels/cpu/vec.h"

GT_ISA_BEGIN

// Sum of c[i] x^i; the array holds the highest power first.
template <int N>
GT_INLINE f32x16 horner(f32x16 x, const float (&c)[N]) {
  f32x16 p = splat(c[0]);
  for (int i = 1; i < N; ++i) p = fma(p, x, splat(c[i]));
  return p;
}

GT_INLINE f32x16 abs(f32x16 x) {
  return (f32x16)((i32x16)x & 0x7fffffff);
}

// tanh to 2 ulp. |x| < 0.625: x + x^3 P(x^2). Else 1 - 2 / (e^2x + 1). The sign is put back last,
// so that -0 stays -0.
GT_INLINE f32x16 tanh(f32x16 x) {
  constexpr float kP[] = {-0x1.76abf6p-8f, 0x1.5256cep-6f, -0x1.b84448p-5f, 0x1.110768p-3f,
                          -0x1.555534p-2f};
  const f32x16 a = abs(x), z = a * a;
  const f32x16 small = fma(a * z, horner(z, kP), a);
  const f32x16 large = 1.0f - 2.0f / (exp(a + a) + 1.0f);
  const f32x16 y =
      select(less(a, splat(0.625f)), small, large);  // a NaN takes `large`, and stays one
  return (f32x16)((i32x16)y | ((i32x16)x & (-0x7fffffff - 1)));
}

// Natural logarithm to 2 ulp, subnormals included. x = 2^e m, m in [sqrt(1/2), sqrt(2)), f = m - 1:
// log x = e ln2 + f - f^2/2 + f^3 P(f). log 0 = -inf, log of a negative number = NaN.
GT_INLINE f32x16 log(f32x16 x) {
  constexpr float kP[] = {0x1.14573ep-4f,  -0x1.de3bf8p-4f, 0x1.e6f08cp-4f,
                          -0x1.fc220ep-4f, 0x1.233766p-3f,  -0x1.555c4ep-3f,
                          0x1.99a4b6p-3f,  -0x1.000006p-2f, 0x1.555548p-2f};
  const i32x16 tiny = less(x, splat(0x1p-126f));
  const i32x16 bits = (i32x16)select(tiny, x * 0x1p23f, x);
  // 0x3f3504f3 is sqrt(1/2). Unsigned, since the bits of a negative x or a NaN would overflow.
  const i32x16 e = (i32x16)((u32x16)bits - 0x3f3504f3u) >> 23;
  const f32x16 f = (f32x16)((u32x16)bits - ((u32x16)e << 23)) - 1.0f;
  const f32x16 n = __builtin_convertvector(e - (tiny & 23), f32x16);
  const f32x16 z = f * f;
  f32x16 y = fma(f * z, horner(f, kP), n * 0x1.7f7d1cp-20f);  // ln2, low part
  y = fma(z, splat(-0.5f), y);
  y = fma(n, splat(0x1.62e4p-1f), f + y);  // ln2, high part: the product is exact
  y = select(equal(x, f32x16{}), splat(-__builtin_inff()), y);
  y = select(less(x, f32x16{}), splat(__builtin_nanf("")), y);
  return select(less(x, splat(__builtin_inff())), y, x);  // inf and NaN give themselves
}

// sin and cos of r + q quadrants, |r| <= 1/2, to about 1 ulp of the larger: polynomials in r^2.
GT_INLINE void sincos_quadrants(i32x16 q, f32x16 r, f32x16& sine, f32x16& cosine) {
  constexpr float kSin[] = {-0x1.2d9baap-8f, 0x1.465ec6p-4f, -0x1.4abbbap-1f, 0x1.921fb6p+0f};
  constexpr float kCos[] = {0x1.d9c364p-11f, -0x1.55c57cp-6f, 0x1.03c1dcp-2f, -0x1.3bd3ccp+0f,
                            1.0f};
  const f32x16 z = r * r, s = r * horner(z, kSin), c = horner(z, kCos);
  const i32x16 odd = -(q & 1);
  sine = (f32x16)((i32x16)select(odd, c, s) ^ ((q & 2) << 30));
  cosine = (f32x16)((i32x16)select(odd, s, c) ^ (((q + 1) & 2) << 30));
}

// Of 2 pi t for t in [0, 1]: the quadrant is taken off exactly (4 t and its nearest integer are
// exact).
GT_INLINE void sincos_turns(f32x16 t, f32x16& sine, f32x16& cosine) {
  const f32x16 magic = splat(0x1.8p23f);
  const f32x16 turned = t * 4.0f, nearest = turned + magic - magic;
  sincos_quadrants((i32x16)(turned + magic), turned - nearest, sine, cosine);  // its low bits
}

// Of p / 2^32 turns.
GT_INLINE void sincos_fraction(u32x16 p, f32x16& sine, f32x16& cosine) {
  const u32x16 q = (p + 0x20000000u) >> 30;
  const f32x16 r = __builtin_convertvector((i32x16)(p - (q << 30)), f32x16) * 0x1p-30f;
  sincos_quadrants((i32x16)q, r, sine, cosine);
}

// GELU, tanh form, written as x sigmoid(2u) with u = sqrt(2/pi) (x + 0.044715 x^3): the same
// function, without the cancellation of 1 + tanh(u) for negative x, and one exponential.
inline constexpr float kGeluCubic = 0.044715f;
inline constexpr float kGelu2C = 1.5957691216f;  // 2 sqrt(2/pi)

// e^(-2u): x is clamped to where gelu is x or 0 within f32, so nothing overflows.
GT_INLINE f32x16 gelu_exp(f32x16 x) {
  const f32x16 inner = fma(x * x, splat(-kGelu2C * kGeluCubic), splat(-kGelu2C));
  return exp(x * inner);
}
GT_INLINE f32x16 gelu_clamp(f32x16 x) {  // a NaN stays one
  const f32x16 low = splat(-10.0f), high = splat(10.0f);
  return min(high, max(low, x));
}

GT_INLINE f32x16 gelu(f32x16 x) {
  const f32x16 c = gelu_clamp(x);
  return select(less(splat(10.0f), x), x, c / (gelu_exp(c) + 1.0f));
}

// d gelu / dx = s + x s (1 - s) 2u', s = sigmoid(2u), 1 - s = e s, 2u' = 2c (1 + 3 * 0.044715 x^2).
GT_INLINE f32x16 gelu_grad(f32x16 x) {
  x = gelu_clamp(x);
  const f32x16 e = gelu_exp(x), s = 1.0f / (e + 1.0f);
  const f32x16 slope = fma(x * x, splat(3 * kGelu2C * kGeluCubic), splat(kGelu2C));
  return fma(x * slope * s, e * s, s);
}

GT_INLINE float exp(float x) {
  return exp(splat(x))[0];
}
GT_INLINE float log(float x) {
  return log(splat(x))[0];
}
GT_INLINE float tanh(float x) {
  return tanh(splat(x))[0];
}
GT_INLINE float gelu(float x) {
  return gelu(splat(x))[0];
}
GT_INLINE float gelu_grad(float x) {
  return gelu_grad(splat(x))[0];
}

GT_ISA_END
