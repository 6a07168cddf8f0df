// Sums over the positions of one channel of one sample, shared by group norm and convolution.
#pragma once

#include "kernels/cpu/work.h"

GT_ISA_BEGIN

// The sum of term(lanes, i) over n positions: lanes first, blocks of 4,096 in ascending order. A
// term must be 0 in missing lanes, as what `get` reads is.
template <class Term>
GT_INLINE float plane_sum(std::int64_t n, const Term& term) {
  constexpr std::int64_t kBlock = 4096;
  float total = 0.0f;
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    f32x16 sum{};
    for_lanes(smaller(kBlock, n - begin),
              [&](auto lanes, std::int64_t i) GT_BODY { sum += term(lanes, begin + i); });
    total += reduce_add(sum);
  }
  return total;
}

GT_ISA_END
