// The dropout mask on the GPU: drawn from Philox by global position (base/dropout_args.h), the same
// as on the CPU, never stored.
#pragma once

#include "gigatrain/base/dropout_args.h"
#include "kernels/cuda/cta.cuh"

namespace gigatrain::kernels::cuda {

// Where an element of a row is: number `first` + its column of `sample`. It takes a division, so a
// kernel that walks a row finds it once.
struct DropoutRow {
  std::uint32_t sample;
  std::uint64_t first;
};
GT_DEVICE DropoutRow dropout_row(const DropoutArgs& a, std::int64_t row, std::int64_t columns) {
  return {.sample = a.first_sample + static_cast<std::uint32_t>(row / a.rows_per_sample),
          .first = static_cast<std::uint64_t>(row % a.rows_per_sample * columns)};
}

GT_DEVICE float dropout_scale(const DropoutArgs& a) {
  return 1.0f / (1.0f - a.rate);
}

// to_uniform(word) >= rate exactly when word >= first_kept_word(rate): one comparison of integers
// instead of arithmetic on every element. Both (word >> 9) + 0.5 and rate 2^23 are exact.
GT_DEVICE std::uint32_t first_kept_word(float rate) {
  return static_cast<std::uint32_t>(ceilf(rate * 0x1p23f - 0.5f)) << 9;
}

// kept[i]: is number element + i of a sample kept? For N >= 4 `element` must be a multiple of 4,
// which packs give.
template <int N>
GT_DEVICE void dropout_kept(const DropoutArgs& a, std::uint32_t sample, std::uint64_t element,
                            bool (&kept)[N]) {
  const std::uint32_t first_kept = first_kept_word(a.rate);
  if constexpr (N % 4 == 0) {
    GT_UNROLL
    for (int i = 0; i < N; i += 4) {
      const PhiloxBlock words =
          philox_block(a.key, element + static_cast<std::uint64_t>(i), sample, a.step);
      GT_UNROLL
      for (int k = 0; k < 4; ++k) kept[i + k] = words[static_cast<std::size_t>(k)] >= first_kept;
    }
  } else {
    GT_UNROLL
    for (int i = 0; i < N; ++i) {
      const std::uint64_t e = element + static_cast<std::uint64_t>(i);
      const PhiloxBlock words = philox_block(a.key, e, sample, a.step);
      kept[i] = pick_word(words, e) >= first_kept;
    }
  }
}

// factor[i]: 0 or 1 / (1 - rate) for element (row, column + i) of a tensor with `columns` columns.
// For N >= 4 the number row * columns + column must be a multiple of 4.
template <int N>
GT_DEVICE void dropout_factors(const DropoutArgs& a, std::int64_t row, std::int64_t column,
                               std::int64_t columns, float (&factor)[N]) {
  const DropoutRow at = dropout_row(a, row, columns);
  bool kept[N];
  dropout_kept(a, at.sample, at.first + static_cast<std::uint64_t>(column), kept);
  GT_UNROLL
  for (int i = 0; i < N; ++i) factor[i] = kept[i] ? dropout_scale(a) : 0.0f;
}

}  // namespace gigatrain::kernels::cuda
