// What hides keys from queries: causality, segments, and a mask that the caller brings.
#pragma once

#include "kernels/cpu/attention_problem.h"
#include "kernels/cuda/cta.cuh"

namespace gigatrain::kernels::cuda {

// How many of keys [k0, k0 + n) the query sees.
GT_DEVICE int keys_seen(const AttentionProblem& p, std::int64_t query, std::int64_t k0, int n) {
  if (!p.causal) return n;
  const std::int64_t seen = query + p.tk - p.tq + 1 - k0;
  return seen <= 0 ? 0 : seen < n ? static_cast<int>(seen) : n;
}

// scale score + mask, -inf where the mask or the segments hide the key.
GT_DEVICE float biased_score(const AttentionProblem& p, std::int64_t b, std::int64_t h,
                             std::int64_t query, std::int64_t key, float score) {
  float x = score * p.scale;
  if (p.segments && p.segments[b * p.tk + query] != p.segments[b * p.tk + key]) return -INFINITY;
  if (!p.mask) return x;
  const std::int64_t at = b * p.mask_b + h * p.mask_h + query * p.mask_q + key * p.mask_k;
  if (p.mask_dtype == DType::u8)
    return static_cast<const std::uint8_t*>(p.mask)[at] ? x : -INFINITY;
  if (p.mask_dtype == DType::f32) return x + static_cast<const float*>(p.mask)[at];
  return x + to_float(static_cast<const bf16*>(p.mask)[at]);
}

// The least and the greatest of ids[0, n), n <= 64, for every lane.
struct IdRange {
  std::int32_t low, high;
};
template <class Cta>
GT_DEVICE IdRange id_range(Cta& cta, const std::int32_t* ids, int n) {
  const std::int32_t first = ids[cta.lane() < n ? cta.lane() : 0];
  const std::int32_t second = ids[cta.lane() + kWarp < n ? cta.lane() + kWarp : 0];
  IdRange r{first < second ? first : second, first < second ? second : first};
  GT_UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const std::int32_t low = cta.shfl_xor(r.low, mask), high = cta.shfl_xor(r.high, mask);
    r = {low < r.low ? low : r.low, high > r.high ? high : r.high};
  }
  return r;
}

// Can any of queries [q0, q0 + nq) see any of keys [k0, k0 + nk), as far as segments tell? At most
// 64 of either; the same answer for the whole block. Ids that ascend are told apart exactly.
template <class Cta>
GT_DEVICE bool segments_meet(Cta& cta, const AttentionProblem& p, std::int64_t b, std::int64_t q0,
                             int nq, std::int64_t k0, int nk) {
  if (!p.segments) return true;
  const IdRange q = id_range(cta, p.segments + b * p.tk + q0, nq);
  const IdRange k = id_range(cta, p.segments + b * p.tk + k0, nk);
  return q.low <= k.high && k.low <= q.high;
}

}  // namespace gigatrain::kernels::cuda
