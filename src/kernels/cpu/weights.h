// What the kernels that update weights share on the CPU: the rules' arithmetic on sixteen lanes,
// and how a new weight is stored.
#pragma once

#include "kernels/cpu/chunks.h"
#include "kernels/update_rules.h"

GT_ISA_BEGIN

struct LaneMath {
  static GT_INLINE f32x16 splat(float x) { return GT_ISA::splat(x); }
  static GT_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) { return GT_ISA::fma(a, b, c); }
  static GT_INLINE f32x16 root(f32x16 x) { return GT_ISA::sqrt(x); }
  static GT_INLINE f32x16 sign(f32x16 x) {
    const f32x16 one = splat(1.0f), zero{};
    return select(less(zero, x), one, select(less(x, zero), -one, zero));
  }
};

template <class Tensor, class Lanes>
GT_INLINE f32x16 get_weight(const Tensor& p, const Lanes& lanes, std::int64_t i) {
  return p.weight ? lanes.get(p.weight + i) : lanes.get(p.compute.template as<bf16>() + i);
}

template <class Tensor>
GT_INLINE void put_stochastic(const Tensor& p, std::uint32_t step, std::int64_t i, std::int64_t n,
                              f32x16 w) {
  float values[kLanes];
  store(values, w);
  bf16* const to = p.compute.template as<bf16>() + i;
  for (std::int64_t k = 0, element = element_of(p, i); k < n;) {
    const PhiloxBlock words =
        philox_block(p.rounding, static_cast<std::uint64_t>(element), 0, step);
    do {
      to[k] = round_stochastic(values[k], words[static_cast<std::size_t>(element % 4)]);
      ++element, ++k;
    } while (k < n && element % 4 != 0);
  }
}

template <class Tensor, class Lanes>
GT_INLINE void put_weight(const Tensor& p, std::uint32_t step, const Lanes& lanes, std::int64_t i,
                          f32x16 w) {
  if (!p.weight) return put_stochastic(p, step, i, lanes.n, w);
  lanes.put(p.weight + i, w);
  if (!p.compute) return;
  if (p.compute.dtype == DType::f16)
    lanes.put(p.compute.template as<f16>() + i, w);
  else
    lanes.put(p.compute.template as<bf16>() + i, w);
}

GT_ISA_END
