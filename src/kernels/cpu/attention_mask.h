// What hides keys from queries: causality, segments, and a mask that the caller brings.
#pragma once

#include "kernels/cpu/attention_block.h"

GT_ISA_BEGIN

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

template <std::int64_t Step, class M>
void add_mask(const AttentionProblem& p, const M* mask, std::int64_t n, std::int64_t keys,
              float* scores) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t s = 0; s < keys; ++s)
      scores[s * Step + i] += bias_of(mask[i * p.mask_q + s * p.mask_k]);
}

// scores (keys, queries) -> scale scores + mask, -inf where a segment ends; of n queries from q0.
// Step: floats from key to key.
template <std::int64_t Step = kQueries>
void scale_and_mask(const AttentionProblem& p, std::int64_t b, std::int64_t h, std::int64_t q0,
                    std::int64_t n, std::int64_t k0, std::int64_t keys, float* scores) {
  for (std::int64_t s = 0; s < keys; ++s)
    for (std::int64_t i = 0; i < padded_columns(n); i += kLanes)
      store(scores + s * Step + i, load(scores + s * Step + i) * p.scale);
  if (p.segments) {
    const std::int32_t* id = p.segments + b * p.tk;
    for (std::int64_t s = 0; s < keys; ++s)
      for (std::int64_t i = 0; i < n; ++i)
        if (id[q0 + i] != id[k0 + s]) scores[s * Step + i] = -__builtin_inff();
  }
  if (!p.mask) return;
  const std::int64_t at = b * p.mask_b + h * p.mask_h + q0 * p.mask_q + k0 * p.mask_k;
  if (p.mask_dtype == DType::u8)
    add_mask<Step>(p, static_cast<const std::uint8_t*>(p.mask) + at, n, keys, scores);
  else if (p.mask_dtype == DType::f32)
    add_mask<Step>(p, static_cast<const float*>(p.mask) + at, n, keys, scores);
  else
    add_mask<Step>(p, static_cast<const bf16*>(p.mask) + at, n, keys, scores);
}

GT_ISA_END
