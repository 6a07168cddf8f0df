// Softmax and its logarithm over the last dim. f64 goes by the composed definition.

#include "kernels/softmax.h"
#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

struct SoftmaxNode : Node {
  bool log;
  SoftmaxNode(const char* name, bool log_) : Node(name), log(log_) {}
  void backward(Backward& b) override {
    const Tensor dy = contiguous(b.dout());
    Tensor dx = empty_like(dy, "softmax.dx");
    b.stream().submit(kernels::SoftmaxBackward{
        .y = saved(0).view(), .dy = dy.view(), .dx = dx.view(), .log = log});
    b.give(0, dx);
  }
};

Tensor run(const char* op, const Tensor& x_in, bool log) {
  require_activation(op, "x", x_in);
  const Tensor x = contiguous(x_in);
  Tensor y = empty_like(x, op);
  x.stream().submit(kernels::SoftmaxForward{.x = x.view(), .y = y.view(), .log = log});
  if (grad_needed({x})) {
    auto node = std::make_shared<SoftmaxNode>(op, log);
    node->save({y});
    Node::connect(node, {x}, {&y});
  }
  return y;
}

bool is_f64(const Tensor& x) {
  return x && x.dtype() == DType::f64;
}

// x minus the largest of its row, which is a constant to the derivative.
Tensor shifted(const Tensor& x) {
  return sub(x, max(x.detach(), {-1}));
}

}  // namespace

Tensor softmax(const Tensor& x) {
  return is_f64(x) ? composed::softmax(x) : run("softmax", x, false);
}
Tensor log_softmax(const Tensor& x) {
  return is_f64(x) ? composed::log_softmax(x) : run("log_softmax", x, true);
}

Tensor composed::softmax(const Tensor& x) {
  const Tensor e = exp(shifted(x));
  return div(e, sum(e, {-1}));
}
Tensor composed::log_softmax(const Tensor& x) {
  const Tensor s = shifted(x);
  return sub(s, log(sum(exp(s), {-1})));
}

}  // namespace gigatrain::ops
