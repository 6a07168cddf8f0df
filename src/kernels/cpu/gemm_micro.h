// The micro-kernel of every matrix product and of attention: a block of C, kept in registers.
//
//   C[i][j] = sum_k A[i][k] B[k][j]      i < Rows (at most kRows), j < kNR
//
// Each k broadcasts one element of A a row and multiplies it by the row of B. Every C[i][j] is one
// chain of fused multiply-adds in ascending k, in every class of vector code: that is the order
// that kernels/gemm.h promises. (Goto and van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication", 2008; Van Zee and van de Geijn, BLIS, 2015.)
//
// B is packed: kNR floats a k. A's element (i, k) is at i * RowStep + k * KStep.
#pragma once

#include "kernels/cpu/vec.h"

GT_ISA_BEGIN

// The block's size uses up the registers: 14 x 2 of 32, 6 x 2 of 16.
#if defined(__AVX512F__)
using Reg = __m512;
inline constexpr int kRegLanes = 16, kRows = 14, kRegs = 2;
GT_INLINE Reg reg_zero() {
  return _mm512_setzero_ps();
}
GT_INLINE Reg reg_load(const float* p) {
  return _mm512_loadu_ps(p);
}
GT_INLINE void reg_store(float* p, Reg v) {
  _mm512_storeu_ps(p, v);
}
GT_INLINE Reg reg_splat(float x) {
  return _mm512_set1_ps(x);
}
GT_INLINE Reg reg_fma(Reg a, Reg b, Reg c) {
  return _mm512_fmadd_ps(a, b, c);
}
#elif defined(__AVX2__)
using Reg = __m256;
inline constexpr int kRegLanes = 8, kRows = 6, kRegs = 2;
GT_INLINE Reg reg_zero() {
  return _mm256_setzero_ps();
}
GT_INLINE Reg reg_load(const float* p) {
  return _mm256_loadu_ps(p);
}
GT_INLINE void reg_store(float* p, Reg v) {
  _mm256_storeu_ps(p, v);
}
GT_INLINE Reg reg_splat(float x) {
  return _mm256_set1_ps(x);
}
GT_INLINE Reg reg_fma(Reg a, Reg b, Reg c) {
  return _mm256_fmadd_ps(a, b, c);
}
#else
using Reg = f32x16;
inline constexpr int kRegLanes = 16, kRows = 4, kRegs = 1;
GT_INLINE Reg reg_zero() {
  return Reg{};
}
GT_INLINE Reg reg_load(const float* p) {
  return load(p);
}
GT_INLINE void reg_store(float* p, Reg v) {
  store(p, v);
}
GT_INLINE Reg reg_splat(float x) {
  return splat(x);
}
GT_INLINE Reg reg_fma(Reg a, Reg b, Reg c) {
  return fma(a, b, c);
}
#endif

inline constexpr int kNR = kRegLanes * kRegs;  // columns of a strip of B

#if defined(__clang__)
#define GT_UNROLL _Pragma("unroll")
#else
#define GT_UNROLL _Pragma("GCC unroll 16")
#endif

template <int Rows>
struct Accumulators {
  Reg r[Rows][kRegs];

  GT_INLINE void clear() {
    GT_UNROLL for (int i = 0; i < Rows; ++i) GT_UNROLL for (int j = 0; j < kRegs; ++j) r[i][j] =
        reg_zero();
  }
  // C = block, or C += block.
  GT_INLINE void write(float* c, std::int64_t ldc, bool add) const {
    GT_UNROLL for (int i = 0; i < Rows; ++i) {
      GT_UNROLL for (int j = 0; j < kRegs; ++j) {
        float* p = c + i * ldc + j * kRegLanes;
        reg_store(p, add ? reg_load(p) + r[i][j] : r[i][j]);
      }
    }
  }
};

// Fetches a block of C while its sums are made: its rows are too far apart for the hardware to
// foresee.
template <int Rows>
GT_INLINE void fetch_block(const float* c, std::int64_t ldc) {
  GT_UNROLL for (int i = 0; i < Rows; ++i) {
    GT_UNROLL for (int j = 0; j < kNR; j += 16) __builtin_prefetch(c + i * ldc + j, 1);
  }
}

// a, b, k, c, ldc, add
using Micro = void (*)(const float*, const float*, std::int64_t, float*, std::int64_t, bool);

template <int Rows, int RowStep, int KStep>
void micro_f32(const float* a, const float* b, std::int64_t k, float* c, std::int64_t ldc,
               bool add) {
  Accumulators<Rows> acc;
  acc.clear();
  if constexpr (KStep == Rows) fetch_block<Rows>(c, ldc);  // else C is small, and at hand
  for (std::int64_t p = 0; p < k; ++p, a += KStep, b += kNR) {
    Reg row[kRegs];
    GT_UNROLL for (int j = 0; j < kRegs; ++j) row[j] = reg_load(b + j * kRegLanes);
    GT_UNROLL for (int i = 0; i < Rows; ++i) {
      const Reg x = reg_splat(a[i * RowStep]);
      GT_UNROLL for (int j = 0; j < kRegs; ++j) acc.r[i][j] = reg_fma(x, row[j], acc.r[i][j]);
    }
  }
  acc.write(c, ldc, add);
}

#if defined(__AVX512F__)
// The same in the processor's own bf16 arithmetic: a float here holds two adjacent k as bf16, and
// one instruction adds both products to an f32 sum (its own rounding; subnormals count as zero).
template <int Rows, int RowStep, int KStep>
__attribute__((target("avx512bf16"))) void micro_bf16(const float* a, const float* b,
                                                      std::int64_t pairs, float* c,
                                                      std::int64_t ldc, bool add) {
  __m512 acc[Rows][kRegs];
  GT_UNROLL for (int i = 0; i < Rows; ++i) GT_UNROLL for (int j = 0; j < kRegs; ++j) acc[i][j] =
      _mm512_setzero_ps();
  fetch_block<Rows>(c, ldc);
  for (std::int64_t p = 0; p < pairs; ++p, a += KStep, b += kNR) {
    __m512i row[kRegs];
    GT_UNROLL for (int j = 0; j < kRegs; ++j) row[j] = _mm512_loadu_si512(b + j * kRegLanes);
    GT_UNROLL for (int i = 0; i < Rows; ++i) {
      int pair;
      __builtin_memcpy(&pair, a + i * RowStep, sizeof pair);
      const __m512i x = _mm512_set1_epi32(pair);
      GT_UNROLL for (int j = 0; j < kRegs; ++j) acc[i][j] =
          _mm512_dpbf16_ps(acc[i][j], (__m512bh)x, (__m512bh)row[j]);
    }
  }
  GT_UNROLL for (int i = 0; i < Rows; ++i) {
    GT_UNROLL for (int j = 0; j < kRegs; ++j) {
      float* to = c + i * ldc + j * kRegLanes;
      _mm512_storeu_ps(to, add ? _mm512_add_ps(_mm512_loadu_ps(to), acc[i][j]) : acc[i][j]);
    }
  }
}
#endif

// One entry a row count, [1, kRows]. `Step` 0 stands for A packed in strips: a strip of n rows
// holds n floats a k.
struct MicroTable {
  Micro entry[kRows + 1] = {};
};

template <int RowStep, int KStep, int Rows = kRows>
constexpr void fill_f32(MicroTable& t) {
  t.entry[Rows] = micro_f32 < Rows, RowStep, KStep == 0 ? Rows : KStep > ;
  if constexpr (Rows > 1) fill_f32<RowStep, KStep, Rows - 1>(t);
}

template <int RowStep, int KStep>
constexpr MicroTable f32_table() {
  MicroTable t;
  fill_f32<RowStep, KStep>(t);
  return t;
}

#if defined(__AVX512F__)
template <int Rows = kRows>
constexpr void fill_bf16(MicroTable& t) {
  t.entry[Rows] = micro_bf16<Rows, 1, Rows>;
  if constexpr (Rows > 1) fill_bf16<Rows - 1>(t);
}
constexpr MicroTable bf16_table() {
  MicroTable t;
  fill_bf16(t);
  return t;
}
#endif

inline constexpr MicroTable kPackedF32 = f32_table<1, 0>();

GT_ISA_END
