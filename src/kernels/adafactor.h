// Adafactor: Shazeer and Stern, arXiv:1804.04235, without momentum, over many matrices (rows,
// cols); a vector is a matrix of one row whose `row` is missing. With g = gradient * clip factor,
//
//   row = b row + (1-b) (mean over columns of g^2 + eps1),  col likewise over rows
//   u = g / sqrt(row col / mean(row))                        (a vector: g / sqrt(col))
//   u /= max(1, rms(u) / threshold)
//   w -= rate (u + decay w),   rate = lr * lr_scale [* max(eps2, rms(w)) when scale_parameter]
//
// Sums run over fixed blocks of rows, and over columns and blocks in ascending order.
#pragma once

#include "kernels/update.h"

namespace gigatrain::kernels {

struct AdafactorTensor {
  float* weight = nullptr;  // f32 master; none: `compute` (bf16) is it, rounded stochastically
  const float* grad = nullptr;
  float* row = nullptr;  // (rows), or none for a vector
  float* col = nullptr;  // (cols)
  NarrowWeight compute{};
  PhiloxKey rounding{};
  std::int64_t numel = 0;
  std::int64_t cols = 0;
  float lr_scale = 1;
  float weight_decay = 0;
};

struct Adafactor {
  static constexpr const char* kName = "adafactor";
  const AdafactorTensor* tensors = nullptr;  // an array of the host
  std::int64_t count = 0;
  const UpdateScalars* scalars = nullptr;  // in the device's memory; correction1 is b
  const double* clip = nullptr;            // see Update
  float eps1 = 1e-30f, eps2 = 1e-3f;
  float threshold = 1.0f;
  bool scale_parameter = false;
};

inline constexpr std::int64_t kFactorRows = 16;  // of a block: whose sums are added to each other

// How far a tensor goes: u is multiplied by `shrink`, and the weight moves by minus_rate.
struct FactorRate {
  float shrink, minus_rate;
};

GT_KERNEL(Adafactor)

}  // namespace gigatrain::kernels
