// What image and audio models add to a transformer's ops: convolutions, group normalisation, and
// simple changes of resolution. Layouts are PyTorch's: N samples, C channels, then time (T) or
// height and width (H, W). Activations are f32, bf16 or f16; biases and norm weights f32. Bad
// shapes, dtypes and options throw Error(invalid_argument) with both sides printed.
#pragma once

#include <array>

#include "gigatrain/tensor/tensor.h"

namespace gigatrain::ops {

struct Conv1dOptions {
  std::int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
};
struct Conv2dOptions {
  std::array<std::int64_t, 2> stride{1, 1}, padding{0, 0}, dilation{1, 1};  // of height, of width
  std::int64_t groups = 1;
};

// Cross-correlation, as everybody's "convolution". x (N, C, H, W); weight (Cout, C / groups, KH,
// KW); bias (Cout) or undefined; result (N, Cout, H', W') with, in both directions,
//
//   H' = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1     (zeros are padded)
//
// Output channel o of group g sees input channels [g C / groups, (g + 1) C / groups). groups must
// divide C and Cout; groups = C is a depthwise convolution. As a matrix product over columns
// (im2col; Chellapilla et al., 2006), in chunks whose columns take at most 1 MiB on a CPU and 64
// MiB on a GPU, or one row of the output (backward: one channel) where that is more; a 1x1 kernel
// of stride 1 without padding needs none. On a CPU a sample's result depends on that sample alone.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv2dOptions& options = {});
// The same over one dim: x (N, C, T), weight (Cout, C / groups, K), result (N, Cout, T').
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Conv1dOptions& options = {});

// y = (x - mean) / sqrt(var + eps) * weight[c] [+ bias[c]], mean and variance of each sample over
// each of `groups` runs of C / groups channels and all positions (Wu and He, arXiv:1803.08494).
// x (N, C, ...); weight, bias (C) f32. groups must divide C.
Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight,
                  const Tensor& bias = {}, float eps = 1e-5f);

// Means of windows of `size` x `size`, side by side; x (N, C, H, W), f32, bf16, f16 or f64, H and W
// multiples of size; result (N, C, H / size, W / size). The mean over a whole image is mean(x, {2,
// 3}).
Tensor avg_pool2d(const Tensor& x, std::int64_t size);
// Each pixel becomes `factor` x `factor` equal ones; x (N, C, H, W), f32, bf16, f16 or f64; result
// (N, C, factor H, factor W).
Tensor upsample_nearest2d(const Tensor& x, std::int64_t factor);

}  // namespace gigatrain::ops
