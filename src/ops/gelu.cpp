// GELU, tanh form: gelu(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), arXiv:1606.08415.

#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/activation.h"
#include "ops/checks.h"
#include "tensor/recomputed.h"

namespace gigatrain::ops {

namespace {

struct GeluNode : Node {
  GeluNode() : Node("gelu") {}
  void backward(Backward& b) override {
    const Tensor dy = contiguous(b.dout());
    Tensor dx = empty_like(dy, "gelu.dx");
    b.stream().submit(
        kernels::GeluBackward{.x = saved(0).view(), .dy = dy.view(), .dx = dx.view()});
    b.give(0, dx);
  }
};

}  // namespace

Tensor gelu(const Tensor& x_in) {
  require_floating("gelu", "x", x_in);
  const Tensor x = contiguous(x_in);
  Tensor y = empty_like(x, "gelu.y");
  x.stream().submit(kernels::GeluForward{.x = x.view(), .y = y.view()});
  if (grad_needed({x})) {
    auto node = std::make_shared<GeluNode>();
    node->save({x});
    Node::connect(node, {x}, {&y});
    recompute_in_backward(y, [kept = x.detach()] { return gelu(kept); });
  }
  return y;
}

Tensor composed::gelu(const Tensor& x) {
  constexpr double kSqrt2OverPi = 0.79788456080286535588;
  const Tensor cube = mul(x, mul(x, x));
  const Tensor t = tanh(scale(add(x, scale(cube, 0.044715)), kSqrt2OverPi));
  return scale(add(x, mul(x, t)), 0.5);
}

}  // namespace gigatrain::ops
