// Dropout's factors (base/dropout_args.h): 1 / (1 - rate) where an element is kept, else 0.
#pragma once

#include "gigatrain/base/dropout_args.h"
#include "kernels/cpu/philox16.h"
#include "kernels/cpu/work.h"

GT_ISA_BEGIN

// Whether an element is kept, from its word, without making its uniform number: that is
// ((word >> 9) + 1/2) / 2^23, exactly, so at least `rate` where word >> 9 is at least a whole
// number.
struct Kept {
  std::int32_t least;
  f32x16 scale;

  explicit GT_INLINE Kept(const DropoutArgs& dropout)
      : least(static_cast<std::int32_t>(
            __builtin_ceil(static_cast<double>(dropout.rate) * 0x1p23 - 0.5))),
        scale(splat(1.0f / (1.0f - dropout.rate))) {}
  GT_INLINE i32x16 dropped(u32x16 words) const { return ((i32x16)(words >> 9) - least) >> 31; }
  GT_INLINE f32x16 factor(u32x16 words) const { return (f32x16)((i32x16)scale & ~dropped(words)); }
  // x * factor, but exactly 0 where dropped, also when x is not finite.
  GT_INLINE f32x16 operator()(f32x16 x, u32x16 words) const {
    return (f32x16)((i32x16)(x * scale) & ~dropped(words));
  }
};

// x * factor, but exactly 0 where dropped, also when x is not finite.
GT_INLINE f32x16 apply_dropout(f32x16 x, f32x16 factor) {
  return (f32x16)((i32x16)(x * factor) & less(f32x16{}, factor));
}

// Floats that dropout_row needs for n columns: it writes whole groups of 64.
GT_INLINE std::int64_t dropout_row_floats(std::int64_t n) {
  return blocks_of(n + 3, 64) * 64;
}

// Factors of columns [first, first + n) of a row of `columns`; returns where in `buffer` they start
// (a row's first element need not be the first of its random block).
inline const float* dropout_row(const DropoutArgs& dropout, std::int64_t row, std::int64_t columns,
                                std::int64_t first, std::int64_t n, float* buffer) {
  const std::int64_t element = (row % dropout.rows_per_sample) * columns + first;
  const auto sample =
      dropout.first_sample + static_cast<std::uint32_t>(row / dropout.rows_per_sample);
  const std::int64_t skipped = element % 4;
  const Kept kept(dropout);
  for (std::int64_t i = 0; i < n + skipped; i += 64) {
    const auto block = static_cast<std::uint64_t>((element + i) / 4);
    const Words64 random = philox64(dropout.key, block, sample, dropout.step);
    for (int w = 0; w < 4; ++w) store(buffer + i + w * kLanes, kept.factor(random.words[w]));
  }
  return buffer + skipped;
}

GT_ISA_END
