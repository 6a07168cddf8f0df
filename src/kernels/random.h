// Initial values from Philox: element i of y depends on (key, i) only.
#pragma once

#include "gigatrain/base/philox.h"
#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct FillNormal {  // Box-Muller on words (0, 1) and (2, 3) of a block; f32, contiguous
  static constexpr const char* kName = "fill_normal";
  TensorView y;
  PhiloxKey key{};
  float mean = 0.0f, stddev = 1.0f;
};

struct FillUniform {  // in [low, high)
  static constexpr const char* kName = "fill_uniform";
  TensorView y;
  PhiloxKey key{};
  float low = 0.0f, high = 1.0f;
};

GT_HOST_KERNEL(FillNormal)
GT_HOST_KERNEL(FillUniform)

}  // namespace gigatrain::kernels
