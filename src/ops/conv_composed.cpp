// Convolution in basic ops, the oracle of its tests. What a tap sees is picked by products with
// matrices of zeros and ones, one for each direction, so padding, stride and dilation are theirs;
// another puts a group's output channels in their places.

#include <functional>

#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

Tensor zeros_and_ones(const Tensor& like, std::int64_t rows, std::int64_t columns,
                      const std::function<bool(std::int64_t, std::int64_t)>& one) {
  std::vector<double> values(static_cast<std::size_t>(rows * columns));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      values[static_cast<std::size_t>(r * columns + c)] = one(r, c) ? 1.0 : 0.0;
  return cast(Tensor::from<double>(like.device(), {rows, columns}, values), like.dtype());
}

// x (..., size) -> (..., out): position o is that of x at o stride + tap dilation - padding, or 0.
Tensor tap_of(const Tensor& x, const Conv2dOptions& o, std::size_t dim, std::int64_t tap,
              std::int64_t out) {
  const std::int64_t size = x.shape()[-1];
  const Tensor pick = zeros_and_ones(x, size, out, [&](std::int64_t from, std::int64_t to) {
    return from == to * o.stride[dim] + tap * o.dilation[dim] - o.padding[dim];
  });
  Shape shape = x.shape();
  shape[-1] = out;
  return reshape(matmul(reshape(x, {x.numel() / size, size}), pick), shape);
}

// The output of one group, in its channels' places: (Cout, N H' W').
Tensor group_of(const Tensor& x, const Tensor& weight, const Conv2dOptions& o, std::int64_t group,
                std::int64_t out_height, std::int64_t out_width) {
  const Shape &in = x.shape(), &w = weight.shape();
  const std::int64_t c = w[1], all = w[0], each = all / o.groups;
  const Tensor part = slice(x, 1, group * c, (group + 1) * c);
  const Tensor place = zeros_and_ones(
      x, all, each, [&](std::int64_t to, std::int64_t from) { return to == group * each + from; });
  Tensor y;
  for (std::int64_t i = 0; i < w[2]; ++i)
    for (std::int64_t j = 0; j < w[3]; ++j) {
      const Tensor across = tap_of(part, o, 1, j, out_width);
      const Tensor seen = transpose(tap_of(transpose(across, 2, 3), o, 0, i, out_height), 2, 3);
      const Tensor pixels = reshape(transpose(seen, 0, 1), {c, in[0] * out_height * out_width});
      const Tensor tap = slice(
          slice(slice(weight, 0, group * each, (group + 1) * each), 2, i, i + 1), 3, j, j + 1);
      const Tensor product = matmul(reshape(tap, {each, c}), pixels);
      y = y ? add(y, product) : product;
    }
  return matmul(place, y);
}

}  // namespace

Tensor composed::conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Conv2dOptions& o) {
  const Shape &in = x.shape(), &w = weight.shape();
  const auto size = [&](std::size_t dim) {
    const int d = static_cast<int>(dim) + 2;
    return (in[d] + 2 * o.padding[dim] - o.dilation[dim] * (w[d] - 1) - 1) / o.stride[dim] + 1;
  };
  Tensor y;
  for (std::int64_t g = 0; g < o.groups; ++g) {
    const Tensor part = group_of(x, weight, o, g, size(0), size(1));
    y = y ? add(y, part) : part;
  }
  if (bias) y = add(y, reshape(bias, {w[0], 1}));
  return contiguous(transpose(reshape(y, {w[0], in[0], size(0), size(1)}), 0, 1));
}

Tensor composed::conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Conv1dOptions& o) {
  const Shape &in = x.shape(), &w = weight.shape();
  const Tensor y = composed::conv2d(reshape(x, {in[0], in[1], 1, in[2]}),
                                    reshape(weight, {w[0], w[1], 1, w[2]}), bias,
                                    {.stride = {1, o.stride},
                                     .padding = {0, o.padding},
                                     .dilation = {1, o.dilation},
                                     .groups = o.groups});
  return reshape(y, {in[0], w[0], y.shape()[3]});
}

}  // namespace gigatrain::ops
