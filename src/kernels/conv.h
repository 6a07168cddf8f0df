// What a convolution is made of besides the matrix product (ops/conv.cpp): its columns, their
// inverse, and the sum that gives the bias gradient. f32, bf16 or f16, one dtype a call.
//
// Column (s, k, p) is the input that output pixel p of sample s sees through tap k = (c KH + i) KW
// + j of channel c, and 0 where that is padding:
//
//   columns[s, k, (oh, ow)] = x[s, c, oh stride - padding + i dilation, ow ...]
#pragma once

#include "gigatrain/base/tensor_view.h"
#include "kernels/kernel.h"

namespace gigatrain::kernels {

struct ConvWindow {  // of height, of width
  std::int64_t kernel[2] = {1, 1}, stride[2] = {1, 1}, padding[2] = {0, 0}, dilation[2] = {1, 1};
};

// Output size of dim 0 (height) or 1 (width), of an input of `size`; 0 when the kernel is larger.
constexpr std::int64_t conv_size(const ConvWindow& w, int dim, std::int64_t size) {
  const std::int64_t seen = w.dilation[dim] * (w.kernel[dim] - 1) + 1;
  const std::int64_t room = size + 2 * w.padding[dim] - seen;
  return room < 0 ? 0 : room / w.stride[dim] + 1;
}

// For output rows [first_row, first_row + R): columns (S, C KH KW, R W') of any strides but a last
// one of 1; x (S, C, H, W) with H W contiguous.
struct Im2col {
  static constexpr const char* kName = "im2col";
  TensorView x, columns;
  ConvWindow window;
  std::int64_t first_row = 0;
};

// dx (S, C, H, W) = the sum of all columns (S, C KH KW, H' W') that saw each element, over i, then
// j, in ascending order, in f32. Strides as above.
struct Col2im {
  static constexpr const char* kName = "col2im";
  TensorView columns, dx;
  ConvWindow window;
};

// y (C) f32 (+)= sum over samples and positions of x (N, C, P), contiguous: each (n, c) first, then
// over n in ascending order.
struct ChannelSum {
  static constexpr const char* kName = "channel_sum";
  TensorView x, y;
  bool accumulate = false;
};

GT_KERNEL(Im2col)
GT_KERNEL(Col2im)
GT_KERNEL(ChannelSum)

}  // namespace gigatrain::kernels
