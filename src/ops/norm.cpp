// Layer and RMS normalisation, alone or fused with the residual add before it (kernels/norm.h).

#include "kernels/norm.h"
#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "ops/checks.h"
#include "tensor/recomputed.h"

namespace gigatrain::ops {

namespace {

TensorView rows_of(const TensorView& x) {
  return TensorView(x.data, x.dtype, {x.rows(), x.cols()});
}

// saved: s (what was normalised), weight, rstd, mean (RMS: undefined)
// inputs: x, delta (only when fused), weight, bias; outputs: y, or (sum, y) when fused
struct NormNode : Node {
  bool fused;
  DropoutArgs drop;
  NormNode(const char* op, bool fused_, const DropoutArgs& d) : Node(op), fused(fused_), drop(d) {}

  void backward(Backward& b) override {
    const int weight_input = fused ? 2 : 1, bias_input = fused ? 3 : 2;
    const Tensor& dy_or_none = b.dout(fused ? 1 : 0);
    const Tensor residual = fused && b.dout(0) ? contiguous(b.dout(0)) : Tensor{};
    const Tensor dy = dy_or_none ? contiguous(dy_or_none)
                                 : Tensor::full(b.device(), saved(0).shape(), 0, saved(0).dtype());
    Tensor dsum = empty_like(saved(0), "norm.dsum");
    Tensor ddelta;
    if (fused && drop) ddelta = empty_like(saved(0), "norm.ddelta");
    kernels::LayerNormBackward args{.s = rows_of(saved(0).view()),
                                    .weight = saved(1).view(),
                                    .rstd = saved(2).view(),
                                    .dy = rows_of(dy.view()),
                                    .dsum = rows_of(dsum.view()),
                                    .dropout = drop,
                                    .centered = static_cast<bool>(saved(3))};
    if (args.centered) args.mean = saved(3).view();
    if (residual) args.dresidual = rows_of(residual.view());
    if (ddelta) args.ddelta = rows_of(ddelta.view());
    // The weight and the bias may be at different points of accumulation: two targets, one flag.
    Tensor dweight, dbias;
    const auto gradient_of = [&](int input, Tensor& fresh, TensorView& slot) {
      if (!b.wanted(input)) return;
      fresh =
          Tensor::empty(b.device(), saved(1).shape(), DType::f32, {Purpose::workspace, "norm.dw"});
      slot = fresh.view();
    };
    gradient_of(weight_input, dweight, args.dweight);
    gradient_of(bias_input, dbias, args.dbias);
    b.stream().submit(args);
    if (dweight) b.give(weight_input, dweight);
    if (dbias) b.give(bias_input, dbias);
    b.give(0, dsum);
    if (fused) b.give(1, ddelta ? ddelta : dsum);
  }
};

struct Norm {
  const char* op;
  bool centered;
  float eps;
};

void check(const char* op, const Tensor& x_in, const Tensor& weight, const Tensor& bias) {
  require_activation(op, "x", x_in);
  require(x_in.shape().dims() >= 1, op, "x needs at least one dim");
  const Shape channels{x_in.shape()[-1]};
  require_shape(op, "weight", weight, channels);
  require_dtype(op, "weight", weight, DType::f32);
  if (bias) {
    require_shape(op, "bias", bias, channels);
    require_dtype(op, "bias", bias, DType::f32);
  }
}

ResidualNorm run_norm(const Norm& norm, const Tensor& x_in, const Tensor& delta_in,
                      const Tensor& weight, const Tensor& bias, const DropoutArgs& drop);

// y is a function of the sum, which is saved in any case.
void recompute_norm(const Norm& norm, const Tensor& sum, const Tensor& weight, const Tensor& bias,
                    Tensor& y) {
  recompute_in_backward(
      y, [norm, s = sum.detach(), weight = to_save(weight), bias = to_save(bias)] {
        return run_norm(norm, s, {}, saved_value(weight), saved_value(bias), {}).y;
      });
}

ResidualNorm run_norm(const Norm& norm, const Tensor& x_in, const Tensor& delta_in,
                      const Tensor& weight, const Tensor& bias, const DropoutArgs& drop) {
  const char* op = norm.op;
  check(op, x_in, weight, bias);
  const Tensor x = contiguous(x_in);
  Device& device = x.device();
  ResidualNorm r{.sum = x, .y = empty_like(x, "norm.y")};
  const Shape rows{x.view().rows()};
  Tensor mean;
  if (norm.centered)
    mean = Tensor::empty(device, rows, DType::f32, {Purpose::activations, "norm.mean"});
  const Tensor rstd = Tensor::empty(device, rows, DType::f32, {Purpose::activations, "norm.rstd"});
  kernels::LayerNormForward args{.x = rows_of(x.view()),
                                 .weight = weight.view(),
                                 .y = rows_of(r.y.view()),
                                 .rstd = rstd.view(),
                                 .eps = norm.eps,
                                 .dropout = drop,
                                 .centered = norm.centered};
  if (mean) args.mean = mean.view();
  if (bias) args.bias = bias.view();
  Tensor delta;
  if (delta_in) {
    require_shape(op, "delta", delta_in, x.shape());
    require_same_dtype(op, x, delta_in);
    delta = contiguous(delta_in);
    r.sum = empty_like(x, "norm.sum");
    args.delta = rows_of(delta.view());
    args.sum = rows_of(r.sum.view());
  }
  device.stream().submit(args);
  if (grad_needed({x, delta, weight, bias})) {
    const bool fused = static_cast<bool>(delta);
    auto node = std::make_shared<NormNode>(op, fused, drop);
    node->save({r.sum, weight, rstd, mean});
    if (fused)
      Node::connect(node, {x, delta, weight, bias}, {&r.sum, &r.y});
    else
      Node::connect(node, {x, weight, bias}, {&r.y});
    recompute_norm(norm, r.sum, weight, bias, r.y);
  }
  return r;
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, float eps) {
  return run_norm({"layer_norm", true, eps}, x, {}, weight, bias, {}).y;
}

ResidualNorm residual_norm(const Tensor& x, const Tensor& delta, const Tensor& weight,
                           const Tensor& bias, float eps, const DropoutArgs& drop) {
  require(static_cast<bool>(delta), "residual_norm", "delta is undefined");
  return run_norm({"residual_norm", true, eps}, x, delta, weight, bias, drop);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, float eps) {
  return run_norm({"rms_norm", false, eps}, x, {}, weight, {}, {}).y;
}

ResidualNorm residual_rms_norm(const Tensor& x, const Tensor& delta, const Tensor& weight,
                               float eps, const DropoutArgs& drop) {
  require(static_cast<bool>(delta), "residual_rms_norm", "delta is undefined");
  return run_norm({"residual_rms_norm", false, eps}, x, delta, weight, {}, drop);
}

Tensor composed::layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, float eps) {
  const Tensor centered = sub(x, mean(x, {-1}));
  const Tensor variance = mean(mul(centered, centered), {-1});
  const Tensor eps_tensor = Tensor::full(x.device(), {1}, static_cast<double>(eps), x.dtype());
  const Tensor y = mul(mul(centered, rsqrt(add(variance, eps_tensor))), weight);
  return bias ? add(y, bias) : y;
}

ResidualNorm composed::residual_norm(const Tensor& x, const Tensor& delta, const Tensor& weight,
                                     const Tensor& bias, float eps, const DropoutArgs& drop) {
  const Tensor total = composed::residual_dropout(x, delta, drop);
  return {.sum = total, .y = composed::layer_norm(total, weight, bias, eps)};
}

Tensor composed::rms_norm(const Tensor& x, const Tensor& weight, float eps) {
  const Tensor eps_tensor = Tensor::full(x.device(), {1}, static_cast<double>(eps), x.dtype());
  return mul(mul(x, rsqrt(add(mean(mul(x, x), {-1}), eps_tensor))), weight);
}

ResidualNorm composed::residual_rms_norm(const Tensor& x, const Tensor& delta, const Tensor& weight,
                                         float eps, const DropoutArgs& drop) {
  const Tensor total = composed::residual_dropout(x, delta, drop);
  return {.sum = total, .y = composed::rms_norm(total, weight, eps)};
}

}  // namespace gigatrain::ops
