// The two sums of a softmax over one row.
#pragma once

#include "kernels/cpu/ahead.h"
#include "kernels/cpu/lanes.h"
#include "kernels/cpu/vec_math.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN

inline constexpr std::int64_t kSumBlock =
    1024;  // exponentials are added in blocks, then over blocks

template <class T>
float row_max(const T* z, std::int64_t n) {
  const float lowest = -__builtin_inff();
  f32x16 highest = splat(lowest);
  for_lanes(n, [&](auto lanes, std::int64_t i) GT_BODY {
    prefetch_far(z + i);
    highest = max(highest, lanes.get(z + i, lowest));
  });
  return reduce_max(highest);
}

// sum of e^(z - highest); each term is also written to `terms` unless that is null. `next`: what
// will be read after this row, n elements, which the memory brings while the processor computes.
template <class T>
float sum_exp(const T* z, std::int64_t n, float highest, float* terms, const T* next) {
  f32x16 total{};
  for (std::int64_t b = 0; b < n; b += kSumBlock) {
    f32x16 part{};
    for_lanes(smaller(kSumBlock, n - b), [&](auto lanes, std::int64_t i) GT_BODY {
      __builtin_prefetch(next + b + i, 0, 2);
      const f32x16 e = exp(lanes.get(z + b + i) - highest);
      if (terms) lanes.put(terms + b + i, e);
      part += lanes.keep(e);
    });
    total += part;
  }
  return reduce_add(total);
}

// Rows of a task: so many that most of them are read ahead.
GT_INLINE std::int64_t softmax_rows(std::int64_t columns) {
  return larger(4, kChunk / larger(1, columns));
}

GT_ISA_END
