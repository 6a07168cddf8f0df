// AdamW (kernels/update.h) with its moments in 8 bits: Dettmers et al., "8-bit Optimizers via
// Block-wise Quantization", arXiv:2110.02861. Blocks of 256 elements of a tensor share a scale, the
// largest magnitude in them; an element is the code, of 256, nearest to its fraction of the scale
// (of two as near, the lower). Codes are the dynamic tree's: seven decades below 1, the wider the
// decade the more codes in it; m has codes of both signs, v has twice as many of one.
// Unlike there, a v above 0 never becomes 0: its root divides.
#pragma once

#include <cstdint>

#include "kernels/update.h"

namespace gigatrain::kernels {

inline constexpr std::int64_t kStateBlock = 256;
inline constexpr int kCodes = 256;

struct AdamW8bitTensor {
  float* weight = nullptr;  // f32 master; none: `compute` (bf16) is it, rounded stochastically
  const float* grad = nullptr;
  std::uint8_t *exp_avg = nullptr, *exp_avg_sq = nullptr;         // codes of m and v
  float *exp_avg_absmax = nullptr, *exp_avg_sq_absmax = nullptr;  // scales, one a block
  NarrowWeight compute{};
  PhiloxKey rounding{};
  std::int64_t numel = 0;
  std::int64_t first = 0;  // see UpdateTensor; blocks start at the slice's
  float lr_scale = 1;
  float weight_decay = 0;
};

struct AdamW8bit {
  static constexpr const char* kName = "adamw8bit";
  const AdamW8bitTensor* tensors = nullptr;  // an array of the host
  std::int64_t count = 0;
  const UpdateScalars* scalars = nullptr;  // in the device's memory, as all that follow
  const double* clip = nullptr;            // see Update
  const float* codes = nullptr;  // dynamic_tree(true), then dynamic_tree(false): dynamic_tree.h
  AdamWRule rule{};
};

GT_KERNEL(AdamW8bit)

}  // namespace gigatrain::kernels
