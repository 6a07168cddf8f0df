// What attention forward and backward share: blocks of 64 queries by 128 keys.
//
// Scores are held transposed, S^T (keys, queries), so that a vector register holds sixteen queries:
// the softmax runs down the keys with no sums across lanes, and every product below reads its left
// side as it lies. A query sees the keys in ascending order whatever its block.
#pragma once

#include "kernels/cpu/attention_problem.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN

inline constexpr std::int64_t kQueries = 64, kKeys = 128;  // kKeys is part of the numerics

// Left sides: packed; S^T read as (queries, keys); S^T read as (keys, queries).
inline constexpr MicroTable kQueryRows = f32_table<1, kQueries>();
inline constexpr MicroTable kKeyRows = f32_table<kQueries, 1>();

struct Left {
  const MicroTable& micro;
  const float* data;
  std::int64_t row_step;  // floats from row to row, or of a packed row
};

// C (rows, columns) += or = left (rows, k) right (k, columns); right is packed for `right_k` >= k.
// Strips are cut for `packed` >= rows of a packed left side; a strip in part needed is done whole.
inline void block_product(const Left& left, std::int64_t rows, std::int64_t packed, std::int64_t k,
                          const float* right, std::int64_t right_k, std::int64_t columns, float* c,
                          std::int64_t ldc, bool add) {
  const Strips strips = row_strips(packed);
  for (std::int64_t s = 0; s < strips.count && strips.start(s) < rows; ++s) {
    const std::int64_t row = strips.start(s);
    for (std::int64_t j = 0; j < columns; j += kNR)
      left.micro.entry[strips.width(s)](left.data + row * left.row_step, right + j * right_k, k,
                                        c + row * ldc + j, ldc, add);
  }
}

GT_INLINE std::int64_t padded_columns(std::int64_t n) {
  return blocks_of(n, kNR) * kNR;
}

template <class T>
struct UnitOf;
template <>
struct UnitOf<float> {
  using type = UnitF32;
};
template <>
struct UnitOf<bf16> {
  using type = UnitBf16;
};

// Rows [t, t + n) of one head.
template <class T>
GT_INLINE T* rows_of(const Heads& x, std::int64_t b, std::int64_t h, std::int64_t t) {
  return static_cast<T*>(x.data) + b * x.b_step + h * x.h_step + t * x.t_step;
}

// (n, D) rows as a left side (rows, D).
template <class T>
void pack_left(const T* rows, std::int64_t step, std::int64_t n, std::int64_t d, float* to) {
  const Strips strips = row_strips(n);
  pack(typename UnitOf<T>::type{}, Operand{rows, step, 1}, strips, 0, strips.count, d, to);
}
// (n, D) rows as a right side (D, n): their transpose.
template <class T>
void pack_right_transposed(const T* rows, std::int64_t step, std::int64_t n, std::int64_t d,
                           float* to) {
  const Strips strips = column_strips(n);
  pack(typename UnitOf<T>::type{}, Operand{rows, step, 1}, strips, 0, strips.count, d, to);
}
// (n, D) rows as a right side (n, D).
template <class T>
void pack_right(const T* rows, std::int64_t step, std::int64_t n, std::int64_t d, float* to) {
  const Strips strips = column_strips(d);
  pack(typename UnitOf<T>::type{}, Operand{rows, 1, step}, strips, 0, strips.count, n, to);
}

// Which keys a block of queries sees.
struct KeyMask {
  bool causal;
  std::int64_t offset;  // Tk - Tq

  // Of keys [k0, k0 + n), how many the queries up to and including `last_query` see.
  GT_INLINE std::int64_t seen(std::int64_t last_query, std::int64_t k0, std::int64_t n) const {
    return causal ? larger(0, smaller(n, last_query + offset + 1 - k0)) : n;
  }
  // Do all of queries [q0, ...) see all of keys [.., k1)?
  GT_INLINE bool all_seen(std::int64_t q0, std::int64_t k1) const {
    return !causal || k1 <= q0 + offset + 1;
  }
  // Lanes: queries q0 + 0 .. 15; true where the query sees `key`.
  GT_INLINE i32x16 lanes(std::int64_t q0, std::int64_t key) const {
    constexpr i32x16 kIndex = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return kIndex >= splat_i(static_cast<std::int32_t>(key - q0 - offset));
  }
};
GT_INLINE KeyMask mask_of(const AttentionProblem& p) {
  return {p.causal, p.tk - p.tq};
}

// Can any of queries [q0, q0 + n) see any of keys [k0, k0 + keys), as far as segments tell? Ids
// that ascend, as packed documents have them, are told apart exactly.
GT_INLINE bool segments_meet(const AttentionProblem& p, std::int64_t b, std::int64_t q0,
                             std::int64_t n, std::int64_t k0, std::int64_t keys) {
  if (!p.segments) return true;
  const std::int32_t *id = p.segments + b * p.tk, *q = id + q0, *k = id + k0;
  std::int32_t q_low = q[0], q_high = q[0], k_low = k[0], k_high = k[0];
  for (std::int64_t i = 1; i < n; ++i)
    q_low = q[i] < q_low ? q[i] : q_low, q_high = q[i] > q_high ? q[i] : q_high;
  for (std::int64_t i = 1; i < keys; ++i)
    k_low = k[i] < k_low ? k[i] : k_low, k_high = k[i] > k_high ? k[i] : k_high;
  return q_low <= k_high && k_low <= q_high;
}

// What is added to a scaled score.
GT_INLINE float bias_of(std::uint8_t keep) {
  return keep ? 0.0f : -__builtin_inff();
}
GT_INLINE float bias_of(float x) {
  return x;
}
GT_INLINE float bias_of(bf16 x) {
  return static_cast<float>(x);
}

template <class M>
void add_mask(const AttentionProblem& p, const M* mask, std::int64_t n, std::int64_t keys,
              float* scores) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t s = 0; s < keys; ++s)
      scores[s * kQueries + i] += bias_of(mask[i * p.mask_q + s * p.mask_k]);
}

// scores (keys, queries) -> scale scores + mask, -inf where a segment ends; of n queries from q0.
inline void scale_and_mask(const AttentionProblem& p, std::int64_t b, std::int64_t h,
                           std::int64_t q0, std::int64_t n, std::int64_t k0, std::int64_t keys,
                           float* scores) {
  for (std::int64_t s = 0; s < keys; ++s)
    for (std::int64_t i = 0; i < padded_columns(n); i += kLanes)
      store(scores + s * kQueries + i, load(scores + s * kQueries + i) * p.scale);
  if (p.segments) {
    const std::int32_t* id = p.segments + b * p.tk;
    for (std::int64_t s = 0; s < keys; ++s)
      for (std::int64_t i = 0; i < n; ++i)
        if (id[q0 + i] != id[k0 + s]) scores[s * kQueries + i] = -__builtin_inff();
  }
  if (!p.mask) return;
  const std::int64_t at = b * p.mask_b + h * p.mask_h + q0 * p.mask_q + k0 * p.mask_k;
  if (p.mask_dtype == DType::u8)
    add_mask(p, static_cast<const std::uint8_t*>(p.mask) + at, n, keys, scores);
  else if (p.mask_dtype == DType::f32)
    add_mask(p, static_cast<const float*>(p.mask) + at, n, keys, scores);
  else
    add_mask(p, static_cast<const bf16*>(p.mask) + at, n, keys, scores);
}

// A worker's memory, cut into arrays one after the other, each aligned to a cache line.
struct Carve {
  float* next;
  GT_INLINE float* take(std::int64_t n) {
    float* p = next;
    next += padded(n);
    return p;
  }
};

GT_ISA_END
