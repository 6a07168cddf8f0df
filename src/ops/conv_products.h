// The passes of a convolution over raw views: chunks of columns and matrix products (conv.cpp has
// the op). x (N, C, H, W), w (Cout, C / G, KH, KW) and y (N, Cout, H', W') contiguous.
#pragma once

#include "gigatrain/runtime/device.h"
#include "kernels/conv.h"

namespace gigatrain::ops {

struct Conv {
  kernels::ConvWindow window;
  std::int64_t groups = 1, samples = 0, channels = 0, height = 1, width = 1, out_channels = 0;

  std::int64_t taps() const { return window.kernel[0] * window.kernel[1]; }
  std::int64_t group_taps() const { return channels / groups * taps(); }
  std::int64_t out_height() const { return kernels::conv_size(window, 0, height); }
  std::int64_t out_width() const { return kernels::conv_size(window, 1, width); }
  std::int64_t pixels() const { return out_height() * out_width(); }
  // Columns would be x itself.
  bool pointwise() const {
    const auto& w = window;
    return taps() == 1 && w.stride[0] == 1 && w.stride[1] == 1 && !w.padding[0] && !w.padding[1];
  }
};

void conv_forward(Device& device, const Conv& p, const TensorView& x, const TensorView& w,
                  const TensorView& y);
void conv_backward_input(Device& device, const Conv& p, const TensorView& w, const TensorView& dy,
                         const TensorView& dx);
// dw, f32, is overwritten or added to.
void conv_backward_weight(Device& device, const Conv& p, const TensorView& x, const TensorView& dy,
                          const TensorView& dw, bool accumulate);

}  // namespace gigatrain::ops
