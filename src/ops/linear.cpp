// y = x W [+ b] [then GELU]:  dx = dy W^T,  dW = x^T dy,  db = sum over rows of dy.
// With GELU the pre-activation is kept, and dy is first taken back through it.

#include <fmt/format.h>

#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/activation.h"
#include "kernels/gemm.h"
#include "ops/checks.h"
#include "tensor/recomputed.h"

namespace gigatrain::ops {

namespace {

TensorView as_matrix(const TensorView& x) {  // (..., C) -> (N, C)
  return TensorView(x.data, x.dtype, {x.rows(), x.cols()});
}

// Where a product that is the gradient of `input` goes.
void write_to(Backward& b, int input, kernels::Gemm& product) {
  const auto sums = b.sums(input, kernels::Gemm::kMostOnto);
  for (const Tensor& sum : sums) {
    product.onto[product.onto_count++] = sum.view().as<float>();
    product.c = sum.view();
  }
  if (!sums.empty()) return;
  const auto to = b.target(input);
  product.c = to.view, product.accumulate = to.accumulate;
}

struct LinearNode : Node {
  WeightLayout layout;
  bool gelu;
  explicit LinearNode(const LinearOptions& o) : Node("linear"), layout(o.layout), gelu(o.gelu) {}

  // saved: x, weight, pre-activation (or undefined)
  void backward(Backward& b) override {
    const TensorView x = as_matrix(saved(0).view()), weight = saved(1).view();
    const Tensor dy = contiguous(b.dout());
    Tensor dz = dy;
    if (gelu) {
      dz = empty_like(dy, "linear.dgelu");
      b.stream().submit(
          kernels::GeluBackward{.x = saved(2).view(), .dy = dy.view(), .dx = dz.view()});
    }
    const TensorView dz2 = as_matrix(dz.view());
    const bool in_out = layout == WeightLayout::in_out;
    if (b.wanted(2)) {
      const auto to = b.target(2);
      b.stream().submit(
          kernels::BiasGradient{.dy = dz2, .dbias = to.view, .accumulate = to.accumulate});
    }
    if (b.wanted(1)) {
      kernels::Gemm product{.a = in_out ? x : dz2, .b = in_out ? dz2 : x, .c = {}, .trans_a = true};
      write_to(b, 1, product);
      b.stream().submit(product);
    }
    if (b.wanted(0)) {
      Tensor dx = empty_like(saved(0), "linear.dx");
      b.stream().submit(
          kernels::Gemm{.a = dz2, .b = weight, .c = as_matrix(dx.view()), .trans_b = in_out});
      b.give(0, dx);
    }
  }
};

void check(const Tensor& x, const Tensor& weight, const Tensor& bias, std::int64_t c_in,
           std::int64_t c_out) {
  require(x.shape().dims() >= 1 && x.shape()[-1] == c_in, "linear",
          fmt::format("x (..., {}) is expected for the weight {}, got {}", c_in,
                      weight.shape().str(), x.shape().str()));
  require_weight("linear", x.dtype(), weight);
  if (bias) {
    require_shape("linear", "bias", bias, {c_out});
    require_dtype("linear", "bias", bias, DType::f32);
  }
}

}  // namespace

Tensor linear(const Tensor& x_in, const Tensor& weight, const Tensor& bias,
              const LinearOptions& options) {
  require_activation("linear", "x", x_in);
  require(weight && weight.shape().dims() == 2, "linear", "the weight must have two dims");
  const bool in_out = options.layout == WeightLayout::in_out;
  const std::int64_t c_in = weight.shape()[in_out ? 0 : 1], c_out = weight.shape()[in_out ? 1 : 0];
  check(x_in, weight, bias, c_in, c_out);

  const Tensor x = contiguous(x_in);
  Shape shape = x.shape();
  shape[-1] = c_out;
  Tensor y = Tensor::empty(x.device(), shape, x.dtype(), {Purpose::activations, "linear.y"});
  const bool record = grad_needed({x, weight, bias});
  Tensor pre;
  if (options.gelu && record)
    pre = Tensor::empty(x.device(), shape, x.dtype(), {Purpose::activations, "linear.pre"});
  x.stream().submit(kernels::Gemm{.a = as_matrix(x.view()),
                                  .b = weight.view(),
                                  .c = as_matrix(y.view()),
                                  .trans_b = !in_out,
                                  .bias = bias ? bias.view() : TensorView{},
                                  .pre = pre ? as_matrix(pre.view()) : TensorView{},
                                  .gelu = options.gelu});
  if (record) {
    auto node = std::make_shared<LinearNode>(options);
    node->save({x, weight, pre});
    Node::connect(node, {x, weight, bias}, {&y});
    if (pre && pre.dtype() == DType::f32)  // in 16 bits, y was made from more than `pre` has left
      recompute_in_backward(y, [pre] { return gelu(pre.detach()); });
  }
  return y;
}

Tensor composed::linear(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const LinearOptions& options) {
  const Tensor w = options.layout == WeightLayout::in_out ? weight : transpose(weight, 0, 1);
  Shape shape = x.shape();
  shape[-1] = w.shape()[1];
  Tensor y = matmul(reshape(x, {x.view().rows(), x.view().cols()}), w);
  if (bias) y = add(y, bias);
  if (options.gelu) y = composed::gelu(y);
  return reshape(y, shape);
}

}  // namespace gigatrain::ops
