// SwiGLU, from two tensors or from the halves of one (kernels/swiglu.h).

#include "kernels/swiglu.h"

#include <fmt/format.h>

#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "ops/checks.h"
#include "tensor/recomputed.h"

namespace gigatrain::ops {

namespace {

// Half 0 or 1 of the last dim.
TensorView half_of(TensorView x, std::int64_t which) {
  const std::int64_t f = x.shape[-1] / 2;
  x.data = static_cast<char*>(x.data) + which * f * size_of(x.dtype);
  x.shape[-1] = f;
  return x;
}

struct SwigluNode : Node {  // saved: gate, up
  SwigluNode() : Node("swiglu") {}
  void backward(Backward& b) override {
    const Tensor dy = contiguous(b.dout());
    Tensor dgate = empty_like(dy, "swiglu.dgate"), dup = empty_like(dy, "swiglu.dup");
    b.stream().submit(kernels::SwigluBackward{.gate = saved(0).view(),
                                              .up = saved(1).view(),
                                              .dy = dy.view(),
                                              .dgate = dgate.view(),
                                              .dup = dup.view()});
    b.give(0, dgate);
    b.give(1, dup);
  }
};

struct PackedSwigluNode : Node {  // saved: gate_up
  PackedSwigluNode() : Node("swiglu") {}
  void backward(Backward& b) override {
    const Tensor dy = contiguous(b.dout());
    Tensor dx = empty_like(saved(0), "swiglu.dgate_up");
    b.stream().submit(kernels::SwigluBackward{.gate = half_of(saved(0).view(), 0),
                                              .up = half_of(saved(0).view(), 1),
                                              .dy = dy.view(),
                                              .dgate = half_of(dx.view(), 0),
                                              .dup = half_of(dx.view(), 1)});
    b.give(0, dx);
  }
};

Tensor dense_rows(const Tensor& x) {
  const int dims = x.shape().dims();
  const bool dense = dims > 0 && x.view().strides[static_cast<std::size_t>(dims - 1)] == 1;
  return dense ? x : contiguous(x);
}

}  // namespace

Tensor swiglu(const Tensor& gate_in, const Tensor& up_in) {
  require_activation("swiglu", "gate", gate_in);
  require_activation("swiglu", "up", up_in);
  require_same_dtype("swiglu", gate_in, up_in);
  require_shape("swiglu", "up", up_in, gate_in.shape());
  const Tensor gate = dense_rows(gate_in), up = dense_rows(up_in);
  Tensor y = empty_like(gate, "swiglu.y");
  y.stream().submit(kernels::SwigluForward{.gate = gate.view(), .up = up.view(), .y = y.view()});
  if (grad_needed({gate, up})) {
    auto node = std::make_shared<SwigluNode>();
    node->save({gate, up});
    Node::connect(node, {gate, up}, {&y});
    recompute_in_backward(y, [g = gate.detach(), u = up.detach()] { return swiglu(g, u); });
  }
  return y;
}

Tensor swiglu(const Tensor& gate_up) {
  require_activation("swiglu", "gate_up", gate_up);
  require(gate_up.shape().dims() > 0 && gate_up.shape()[-1] % 2 == 0, "swiglu",
          fmt::format("gate and up in one tensor need an even last dim, got shape {}",
                      gate_up.shape().str()));
  const Tensor x = contiguous(gate_up);
  Shape shape = x.shape();
  shape[-1] /= 2;
  Tensor y = Tensor::empty(x.device(), shape, x.dtype(), {Purpose::activations, "swiglu.y"});
  y.stream().submit(kernels::SwigluForward{
      .gate = half_of(x.view(), 0), .up = half_of(x.view(), 1), .y = y.view()});
  if (grad_needed({x})) {
    auto node = std::make_shared<PackedSwigluNode>();
    node->save({x});
    Node::connect(node, {x}, {&y});
    recompute_in_backward(y, [kept = x.detach()] { return swiglu(kept); });
  }
  return y;
}

Tensor composed::swiglu(const Tensor& gate, const Tensor& up) {  // sigmoid from tanh
  const Tensor one = Tensor::full(gate.device(), {1}, 1.0, gate.dtype());
  const Tensor sigmoid = scale(add(tanh(scale(gate, 0.5)), one), 0.5);
  return mul(mul(gate, sigmoid), up);
}

Tensor composed::swiglu(const Tensor& gate_up) {
  const std::int64_t f = gate_up.shape()[-1] / 2;
  return composed::swiglu(slice(gate_up, -1, 0, f), slice(gate_up, -1, f, 2 * f));
}

}  // namespace gigatrain::ops
