// Group normalisation (kernels/group_norm.h).

#include "kernels/group_norm.h"

#include <fmt/format.h>

#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

Shape planes(const Tensor& x) {  // (N, C, ...) -> (N, C, P)
  std::int64_t pixels = 1;
  for (int d = 2; d < x.shape().dims(); ++d) pixels *= x.shape()[d];
  return {x.shape()[0], x.shape()[1], pixels};
}

TensorView planes_of(const Tensor& x) {
  return TensorView(x.view().data, x.dtype(), planes(x));
}

// saved: x, weight, mean, rstd; inputs: x, weight, bias
struct GroupNormNode : Node {
  GroupNormNode() : Node("group_norm") {}

  void backward(Backward& b) override {
    const Tensor dy = contiguous(b.dout());
    Tensor dx = empty_like(saved(0), "group_norm.dx");
    kernels::GroupNormBackward args{.x = planes_of(saved(0)),
                                    .weight = saved(1).view(),
                                    .mean = saved(2).view(),
                                    .rstd = saved(3).view(),
                                    .dy = planes_of(dy),
                                    .dx = planes_of(dx)};
    Tensor dweight, dbias;
    const auto gradient_of = [&](int input, Tensor& fresh, TensorView& slot) {
      if (!b.wanted(input)) return;
      fresh = Tensor::empty(b.device(), saved(1).shape(), DType::f32,
                            {Purpose::workspace, "group_norm.dw"});
      slot = fresh.view();
    };
    gradient_of(1, dweight, args.dweight);
    gradient_of(2, dbias, args.dbias);
    b.stream().submit(args);
    if (dweight) b.give(1, dweight);
    if (dbias) b.give(2, dbias);
    b.give(0, dx);
  }
};

void check(const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias) {
  constexpr const char* kOp = "group_norm";
  require_activation(kOp, "x", x);
  require(x.shape().dims() >= 2, kOp,
          fmt::format("x must be (N, C, ...), got {}", x.shape().str()));
  const Shape channels{x.shape()[1]};
  require(groups >= 1 && channels[0] >= groups && channels[0] % groups == 0, kOp,
          fmt::format("groups must divide the channels: x {} has {}, got {} groups",
                      x.shape().str(), channels[0], groups));
  require(planes(x)[2] >= 1, kOp,
          fmt::format("each channel needs a value, got x {}", x.shape().str()));
  require(channels[0] / groups * planes(x)[2] < std::int64_t{1} << 31, kOp,
          fmt::format("a group must have fewer than 2^31 values, got x {}, {} groups",
                      x.shape().str(), groups));
  require_shape(kOp, "weight", weight, channels);
  require_dtype(kOp, "weight", weight, DType::f32);
  if (!bias) return;
  require_shape(kOp, "bias", bias, channels);
  require_dtype(kOp, "bias", bias, DType::f32);
}

}  // namespace

Tensor group_norm(const Tensor& x_in, std::int64_t groups, const Tensor& weight, const Tensor& bias,
                  float eps) {
  check(x_in, groups, weight, bias);
  const Tensor x = contiguous(x_in);
  Device& device = x.device();
  Tensor y = empty_like(x, "group_norm.y");
  const Shape rows{x.shape()[0], groups};
  const auto statistic = [&](const char* what) {
    return Tensor::empty(device, rows, DType::f32, {Purpose::activations, what});
  };
  const Tensor mean = statistic("group_norm.mean"), rstd = statistic("group_norm.rstd");
  device.stream().submit(kernels::GroupNormForward{.x = planes_of(x),
                                                   .weight = weight.view(),
                                                   .bias = bias ? bias.view() : TensorView{},
                                                   .y = planes_of(y),
                                                   .mean = mean.view(),
                                                   .rstd = rstd.view(),
                                                   .eps = eps});
  if (grad_needed({x, weight, bias})) {
    auto node = std::make_shared<GroupNormNode>();
    node->save({x, weight, mean, rstd});
    Node::connect(node, {x, weight, bias}, {&y});
  }
  return y;
}

Tensor composed::group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight,
                            const Tensor& bias, float eps) {
  const Shape flat = planes(x);
  const Tensor rows = reshape(x, {flat[0], groups, flat[1] / groups * flat[2]});
  const Tensor centered = sub(rows, ops::mean(rows, {-1}));
  const Tensor variance = ops::mean(mul(centered, centered), {-1});
  const Tensor eps_tensor = Tensor::full(x.device(), {1}, static_cast<double>(eps), x.dtype());
  const Tensor xhat = reshape(mul(centered, rsqrt(add(variance, eps_tensor))), flat);
  Tensor y = mul(xhat, reshape(weight, {flat[1], 1}));
  if (bias) y = add(y, reshape(bias, {flat[1], 1}));
  return reshape(y, x.shape());
}

}  // namespace gigatrain::ops
