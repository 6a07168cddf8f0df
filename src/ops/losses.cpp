// Losses that are sums over elements: kernels/pointwise_loss.h.

#include <fmt/format.h>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/pointwise_loss.h"
#include "ops/checks.h"
#include "ops/loss_node.h"

namespace gigatrain::ops {

namespace {

struct LossNode : Node {  // saved: the gradient of each input, for an incoming gradient of one
  using Node::Node;
  void backward(Backward& b) override {
    for (int input = 0; input < static_cast<int>(Node::saved().size()); ++input) {
      if (!b.wanted(input)) continue;
      const Tensor& gradient = saved(input);
      b.give_away(input, b.is_one() ? gradient : mul(gradient, cast(b.dout(), gradient.dtype())));
    }
  }
};

void check(const char* op, const Tensor& x, const Tensor& target) {
  require_floating(op, "x", x);
  require_floating(op, "the target", target);
  require_shape(op, "the target", target, x.shape());
  require(target.dtype() == x.dtype() || target.dtype() == DType::f32, op,
          fmt::format("the target must be f32 or of x's dtype, {}, got {}", name(x.dtype()),
                      name(target.dtype())));
  if (target.requires_grad())
    throw Error(ErrorCode::unsupported,
                fmt::format("[{}] no gradient goes to a target, and this one requires it", op),
                "pass target.detach(), or write the loss in basic ops");
}

Tensor pointwise(const char* op, const Tensor& x_in, const Tensor& target_in,
                 kernels::PointwiseTerm term, double parameter, double scale) {
  require_activation(op, "x", x_in);
  const Tensor x = contiguous(x_in), target = contiguous(target_in);
  Tensor loss = Tensor::empty(x.device(), Shape{}, DType::f32, {Purpose::activations, op});
  const bool record = grad_needed({x});
  Tensor dx;
  if (record) dx = empty_like(x, "loss.dx");
  x.stream().submit(kernels::PointwiseLoss{.x = x.view(),
                                           .target = target.view(),
                                           .loss = loss.view(),
                                           .dx = record ? dx.view() : TensorView{},
                                           .term = term,
                                           .parameter = static_cast<float>(parameter),
                                           .scale = scale});
  if (record) keep_gradients(op, {x}, {dx}, loss);
  return loss;
}

void check_probabilities(const char* op, const Tensor& target) {
  if (!target.device().host_memory()) return;  // there the kernel gives NaN, which ends the step
  const auto t = target.to_vector<double>();
  for (std::size_t i = 0; i < t.size(); ++i)
    if (!(t[i] >= 0.0 && t[i] <= 1.0))
      throw Error(ErrorCode::data,
                  fmt::format("[{}] target {} of element {} is outside [0, 1]", op, t[i], i));
}

}  // namespace

void keep_gradients(const char* op, std::initializer_list<Tensor> inputs,
                    std::initializer_list<Tensor> gradients, Tensor& loss) {
  auto node = std::make_shared<LossNode>(op);
  node->save(gradients);
  Node::connect(node, inputs, {&loss});
}

Tensor mse_loss(const Tensor& x, const Tensor& target, double scale) {
  check("mse_loss", x, target);
  if (x.dtype() == DType::f64) return composed::mse_loss(x, target, scale);
  return pointwise("mse_loss", x, target, kernels::PointwiseTerm::mse, 0.0, scale);
}

Tensor huber_loss(const Tensor& x, const Tensor& target, double delta, double scale) {
  check("huber_loss", x, target);
  require(delta > 0.0, "huber_loss", fmt::format("delta must be positive, got {}", delta));
  if (x.dtype() == DType::f64) return composed::huber_loss(x, target, delta, scale);
  return pointwise("huber_loss", x, target, kernels::PointwiseTerm::huber, delta, scale);
}

Tensor binary_cross_entropy(const Tensor& logits, const Tensor& target, double scale,
                            double pos_weight) {
  constexpr const char* kOp = "binary_cross_entropy";
  check(kOp, logits, target);
  require(pos_weight > 0.0, kOp, fmt::format("pos_weight must be positive, got {}", pos_weight));
  check_probabilities(kOp, target);
  if (logits.dtype() == DType::f64)
    return composed::binary_cross_entropy(logits, target, scale, pos_weight);
  return pointwise(kOp, logits, target, kernels::PointwiseTerm::bce, pos_weight, scale);
}

namespace composed {

namespace {

// f of each element of x, as a constant of x's shape and dtype.
template <class F>
Tensor constant_of(const Tensor& x, const F& f) {
  auto values = x.to_vector<double>();
  for (double& v : values) v = f(v);
  return cast(Tensor::from<double>(x.device(), x.shape(), values), x.dtype());
}

Tensor error_of(const Tensor& x, const Tensor& target) {
  return sub(x, cast(target, x.dtype()));
}

Tensor absolute(const Tensor& x) {
  return mul(x, constant_of(x, [](double v) { return v < 0.0 ? -1.0 : 1.0; }));
}

}  // namespace

Tensor mse_loss(const Tensor& x, const Tensor& target, double factor) {
  const Tensor e = error_of(x, target);
  return scale(sum(mul(e, e)), factor);
}

Tensor huber_loss(const Tensor& x, const Tensor& target, double delta, double factor) {
  const Tensor e = error_of(x, target), size = absolute(e);
  const Tensor inside = constant_of(size, [&](double v) { return v <= delta ? 1.0 : 0.0; });
  const Tensor outside = constant_of(size, [&](double v) { return v <= delta ? 0.0 : delta; });
  const Tensor half = Tensor::full(x.device(), {1}, 0.5 * delta, x.dtype());
  const Tensor square = mul(inside, scale(mul(e, e), 0.5));
  return scale(sum(add(square, mul(outside, sub(size, half)))), factor);
}

// softplus(+-x) = (|x| +- x) / 2 + log(1 + e^-|x|), which never overflows.
Tensor binary_cross_entropy(const Tensor& logits, const Tensor& target_in, double factor,
                            double pos_weight) {
  const Tensor target = cast(target_in, logits.dtype()), size = absolute(logits);
  const Tensor one = Tensor::full(logits.device(), {1}, 1.0, logits.dtype());
  const Tensor tail = log(add(exp(scale(size, -1.0)), one));
  const Tensor softplus = add(scale(add(size, logits), 0.5), tail);
  const Tensor softplus_minus = add(scale(sub(size, logits), 0.5), tail);
  const Tensor negative = mul(sub(one, target), softplus);
  return scale(sum(add(negative, mul(scale(target, pos_weight), softplus_minus))), factor);
}

}  // namespace composed

}  // namespace gigatrain::ops
