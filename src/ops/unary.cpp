// Functions of one tensor, element by element.

#include <fmt/format.h>

#include <cmath>

#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

template <class Kernel>
Tensor run_unary(const Tensor& x) {
  require_floating(Kernel::kName, "x", x);
  Tensor y = empty_like(x, Kernel::kName);
  x.stream().submit(Kernel{.x = x.view(), .y = y.view()});
  return y;
}

// dx = dout f'(kept), one kernel.
template <class Derivative>
struct UnaryNode : Node {
  using Node::Node;
  void backward(Backward& g) override {
    Tensor dx = empty_like(g.dout(), Derivative::kName);
    g.stream().submit(Derivative{.a = g.dout().view(), .b = saved(0).view(), .y = dx.view()});
    g.give(0, dx);
  }
};

enum class Keep { input, output };

template <class Kernel, class Derivative>
Tensor unary(const Tensor& x, Keep keep) {
  Tensor y = run_unary<Kernel>(x);
  if (grad_needed({x})) {
    auto node = std::make_shared<UnaryNode<Derivative>>(Kernel::kName);
    node->save({keep == Keep::input ? x : y});
    Node::connect(node, {x}, {&y});
  }
  return y;
}

struct ScaleNode : Node {
  double factor;
  explicit ScaleNode(double f) : Node("scale"), factor(f) {}
  void backward(Backward& g) override { g.give(0, ops::scale(g.dout(), factor)); }
};

// dx = dout exponent x^(exponent - 1)
struct PowNode : Node {
  double exponent;
  explicit PowNode(double e) : Node("pow"), exponent(e) {}
  void backward(Backward& g) override {
    if (exponent == 0.0)  // not 0 x^-1, which is NaN at 0
      return g.give(0, Tensor::full(g.device(), g.dout().shape(), 0.0, g.dout().dtype(),
                                    {Purpose::activations, "pow.dx"}));
    g.give(0, mul(g.dout(), ops::scale(ops::pow(saved(0), exponent - 1.0), exponent)));
  }
};

}  // namespace

Tensor scale(const Tensor& x, double factor) {
  require_floating("scale", "x", x);
  Tensor y = empty_like(x, "scale");
  x.stream().submit(kernels::Scale{.x = x.view(), .y = y.view(), .factor = factor});
  if (grad_needed({x})) Node::connect(std::make_shared<ScaleNode>(factor), {x}, {&y});
  return y;
}

Tensor pow(const Tensor& x, double exponent) {
  require_floating("pow", "x", x);
  require(std::isfinite(exponent), "pow",
          fmt::format("the exponent must be finite, got {}", exponent));
  Tensor y = empty_like(x, "pow");
  x.stream().submit(kernels::Pow{.x = x.view(), .y = y.view(), .exponent = exponent});
  if (grad_needed({x})) {
    auto node = std::make_shared<PowNode>(exponent);
    node->save({x});
    Node::connect(node, {x}, {&y});
  }
  return y;
}

Tensor neg(const Tensor& x) {
  return scale(x, -1.0);
}
Tensor exp(const Tensor& x) {
  return unary<kernels::Exp, kernels::Mul>(x, Keep::output);
}
Tensor log(const Tensor& x) {
  return unary<kernels::Log, kernels::Div>(x, Keep::input);
}
Tensor tanh(const Tensor& x) {
  return unary<kernels::Tanh, kernels::TanhBackward>(x, Keep::output);
}
Tensor sqrt(const Tensor& x) {
  return unary<kernels::Sqrt, kernels::SqrtBackward>(x, Keep::output);
}
Tensor rsqrt(const Tensor& x) {
  return unary<kernels::Rsqrt, kernels::RsqrtBackward>(x, Keep::output);
}
Tensor sigmoid(const Tensor& x) {
  return unary<kernels::Sigmoid, kernels::SigmoidBackward>(x, Keep::output);
}
Tensor silu(const Tensor& x) {
  return unary<kernels::Silu, kernels::SiluBackward>(x, Keep::input);
}
Tensor relu(const Tensor& x) {
  return unary<kernels::Relu, kernels::ReluBackward>(x, Keep::output);
}
Tensor abs(const Tensor& x) {
  return unary<kernels::Abs, kernels::AbsBackward>(x, Keep::input);
}

Tensor composed::silu(const Tensor& x) {
  return mul(x, sigmoid(x));
}

}  // namespace gigatrain::ops
