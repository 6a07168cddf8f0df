// Convolution: checks and node. The arithmetic is in conv_products.cpp.

#include "gigatrain/ops/conv.h"

#include <fmt/format.h>

#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"
#include "ops/checks.h"
#include "ops/conv_products.h"

namespace gigatrain::ops {

namespace {

// y += bias, which is rounded to y's dtype first.
void add_bias(Device& device, const TensorView& y, const Tensor& bias) {
  const Tensor b = cast(bias.detach(), y.dtype);
  TensorView wide = b.view();
  wide.shape = y.shape;
  wide.strides = {0, 1, 0, 0};
  device.stream().submit(kernels::Add{.a = y, .b = wide, .y = y});
}

TensorView as_images(const TensorView& x, std::int64_t height, std::int64_t width) {
  return TensorView(x.data, x.dtype, {x.shape[0], x.shape[1], height, width});
}

// saved: x, weight
struct ConvNode : Node {
  Conv p;
  ConvNode(const char* name, const Conv& p_) : Node(name), p(p_) {}

  void backward(Backward& b) override {
    const Tensor dout = contiguous(b.dout());
    const TensorView x = as_images(saved(0).view(), p.height, p.width);
    const TensorView dy = as_images(dout.view(), p.out_height(), p.out_width());
    if (b.wanted(2)) {
      const auto to = b.target(2);
      const Shape flat{p.samples, p.out_channels, p.pixels()};
      b.stream().submit(kernels::ChannelSum{
          .x = TensorView(dy.data, dy.dtype, flat), .y = to.view, .accumulate = to.accumulate});
    }
    if (b.wanted(1)) weight_gradient(b, x, dy);
    if (b.wanted(0)) {
      Tensor dx = empty_like(saved(0), "conv.dx");
      conv_backward_input(b.device(), p, saved(1).view(), dy,
                          as_images(dx.view(), p.height, p.width));
      b.give(0, dx);
    }
  }

  void weight_gradient(Backward& b, const TensorView& x, const TensorView& dy) {
    const auto to = b.target(1);
    if (to.view.dtype == DType::f32)
      return conv_backward_weight(b.device(), p, x, dy, to.view, to.accumulate);
    const Tensor sum =
        Tensor::empty(b.device(), saved(1).shape(), DType::f32, {Purpose::workspace, "conv.dw"});
    conv_backward_weight(b.device(), p, x, dy, sum.view(), false);
    b.stream().submit(kernels::Copy{.x = sum.view(), .y = to.view});
  }
};

// --- checks

void check_option(const char* op, const char* what, std::int64_t value, std::int64_t least) {
  constexpr std::int64_t kMost = 1 << 24;
  require(least <= value && value <= kMost, op,
          fmt::format("{} must be in [{}, 2^24], got {}", what, least, value));
}

// `dims`: 1 or 2 of the window's.
void check(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, int dims,
           const Conv& p) {
  require_same_dtype(op, x, weight);
  for (int d = 2 - dims; d < 2; ++d) {
    check_option(op, "stride", p.window.stride[d], 1);
    check_option(op, "dilation", p.window.dilation[d], 1);
    check_option(op, "padding", p.window.padding[d], 0);
    check_option(op, "the kernel's size", p.window.kernel[d], 1);
  }
  check_option(op, "groups", p.groups, 1);
  require(p.channels % p.groups == 0 && p.out_channels % p.groups == 0 &&
              weight.shape()[1] == p.channels / p.groups,
          op,
          fmt::format("groups must divide both channel counts, and the weight's second size is "
                      "their quotient C / groups: x {}, weight {}, {} groups",
                      x.shape().str(), weight.shape().str(), p.groups));
  require(p.channels > 0 && p.out_channels > 0 && p.out_height() > 0 && p.out_width() > 0, op,
          fmt::format("the result would be empty: x {}, weight {}, padding {} x {}, dilation {} x "
                      "{}; pad more, or use a smaller kernel",
                      x.shape().str(), weight.shape().str(), p.window.padding[0],
                      p.window.padding[1], p.window.dilation[0], p.window.dilation[1]));
  constexpr std::int64_t kMost = 1 << 30;  // so that positions, padded or not, are ints
  require(
      p.height <= kMost && p.width <= kMost && p.height * p.width <= kMost && p.pixels() <= kMost,
      op,
      fmt::format("at most 2^30 positions a channel, got x {}, result {} x {}", x.shape().str(),
                  p.out_height(), p.out_width()));
  if (bias) {
    require_shape(op, "bias", bias, {p.out_channels});
    require_dtype(op, "bias", bias, DType::f32);
  }
}

void check_dims(const char* op, const Tensor& x, const Tensor& weight, int dims) {
  require_activation(op, "x", x);
  require_activation(op, "weight", weight);
  const char* layouts = dims == 2 ? "x (N, C, H, W) and weight (Cout, C / groups, KH, KW) are"
                                  : "x (N, C, T) and weight (Cout, C / groups, K) are";
  require(
      x.shape().dims() == dims + 2 && weight.shape().dims() == dims + 2, op,
      fmt::format("{} expected, got {} and {}", layouts, x.shape().str(), weight.shape().str()));
}

Tensor run_conv(const char* op, const Tensor& x_in, const Tensor& weight_in, const Tensor& bias,
                const Conv& p, const Shape& shape) {
  const Tensor x = contiguous(x_in), weight = contiguous(weight_in);
  Device& device = x.device();
  Tensor y = Tensor::empty(device, shape, x.dtype(), {Purpose::activations, "conv.y"});
  const TensorView images = as_images(y.view(), p.out_height(), p.out_width());
  conv_forward(device, p, as_images(x.view(), p.height, p.width), weight.view(), images);
  if (bias) add_bias(device, images, bias);
  if (grad_needed({x, weight, bias})) {
    auto node = std::make_shared<ConvNode>(op, p);
    node->save({x, weight});
    Node::connect(node, {x, weight, bias}, {&y});
  }
  return y;
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o) {
  constexpr const char* kOp = "conv2d";
  check_dims(kOp, x, weight, 2);
  const Shape &in = x.shape(), &w = weight.shape();
  const Conv p{.window = {.kernel = {w[2], w[3]},
                          .stride = {o.stride[0], o.stride[1]},
                          .padding = {o.padding[0], o.padding[1]},
                          .dilation = {o.dilation[0], o.dilation[1]}},
               .groups = o.groups,
               .samples = in[0],
               .channels = in[1],
               .height = in[2],
               .width = in[3],
               .out_channels = w[0]};
  check(kOp, x, weight, bias, 2, p);
  return run_conv(kOp, x, weight, bias, p, {in[0], w[0], p.out_height(), p.out_width()});
}

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& o) {
  constexpr const char* kOp = "conv1d";
  check_dims(kOp, x, weight, 1);
  const Shape &in = x.shape(), &w = weight.shape();
  const Conv p{.window = {.kernel = {1, w[2]},
                          .stride = {1, o.stride},
                          .padding = {0, o.padding},
                          .dilation = {1, o.dilation}},
               .groups = o.groups,
               .samples = in[0],
               .channels = in[1],
               .height = 1,
               .width = in[2],
               .out_channels = w[0]};
  check(kOp, x, weight, bias, 1, p);
  return run_conv(kOp, x, weight, bias, p, {in[0], w[0], p.out_width()});
}

}  // namespace gigatrain::ops
