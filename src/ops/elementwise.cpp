// Arithmetic on two tensors, with broadcasting. The backward of a broadcast sums over the repeated
// dims.

#include "gigatrain/ops/elementwise.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"
#include "ops/broadcast.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

template <class Kernel>
Tensor run_binary(const Tensor& a, const Tensor& b) {
  require_floating(Kernel::kName, "a", a);
  require_floating(Kernel::kName, "b", b);
  require_same_dtype(Kernel::kName, a, b);
  const Shape shape = broadcast_shape(Kernel::kName, a.shape(), b.shape());
  Tensor y = Tensor::empty(a.device(), shape, a.dtype(), {Purpose::activations, Kernel::kName});
  a.stream().submit(Kernel{
      .a = broadcast_to(a.view(), shape), .b = broadcast_to(b.view(), shape), .y = y.view()});
  return y;
}

struct AddNode : Node {
  Shape a, b;
  double sign;
  AddNode(const char* name, const Shape& a_, const Shape& b_, double sign_)
      : Node(name), a(a_), b(b_), sign(sign_) {}
  void backward(Backward& g) override {
    if (g.wanted(0)) g.give(0, reduce_to(g.dout(), a));
    if (g.wanted(1)) {
      const Tensor db = reduce_to(g.dout(), b);
      g.give(1, sign == 1.0 ? db : ops::scale(db, sign));
    }
  }
};

struct MulNode : Node {
  MulNode() : Node("mul") {}
  void backward(Backward& g) override {
    if (g.wanted(0)) g.give(0, reduce_to(mul(g.dout(), saved(1)), saved(0).shape()));
    if (g.wanted(1)) g.give(1, reduce_to(mul(g.dout(), saved(0)), saved(1).shape()));
  }
};

struct DivNode : Node {
  DivNode() : Node("div") {}
  void backward(Backward& g) override {
    const Tensor da = div(g.dout(), saved(1));
    if (g.wanted(0)) g.give(0, reduce_to(da, saved(0).shape()));
    if (g.wanted(1)) {
      const Tensor quotient = div(saved(0), saved(1));
      g.give(1, reduce_to(ops::scale(mul(da, quotient), -1.0), saved(1).shape()));
    }
  }
};

// Elements that are equal share the gradient.
struct MaximumNode : Node {
  bool is_minimum;
  MaximumNode(const char* name, bool is_minimum_) : Node(name), is_minimum(is_minimum_) {}
  void backward(Backward& g) override {
    for (const int i : {0, 1}) {
      if (!g.wanted(i)) continue;
      const Tensor &x = saved(i), &other = saved(1 - i);
      const Tensor share = is_minimum ? run_binary<kernels::MaximumShare>(other, x)
                                      : run_binary<kernels::MaximumShare>(x, other);
      g.give(i, reduce_to(mul(g.dout(), share), x.shape()));
    }
  }
};

Tensor record(const std::shared_ptr<Node>& node, const Tensor& a, const Tensor& b, Tensor y) {
  if (grad_needed({a, b})) {
    node->save({a, b});
    Node::connect(node, {a, b}, {&y});
  }
  return y;
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  Tensor y = run_binary<kernels::Add>(a, b);
  if (grad_needed({a, b}))
    Node::connect(std::make_shared<AddNode>("add", a.shape(), b.shape(), 1.0), {a, b}, {&y});
  return y;
}

Tensor sub(const Tensor& a, const Tensor& b) {
  Tensor y = run_binary<kernels::Sub>(a, b);
  if (grad_needed({a, b}))
    Node::connect(std::make_shared<AddNode>("sub", a.shape(), b.shape(), -1.0), {a, b}, {&y});
  return y;
}

Tensor mul(const Tensor& a, const Tensor& b) {
  return record(std::make_shared<MulNode>(), a, b, run_binary<kernels::Mul>(a, b));
}

Tensor div(const Tensor& a, const Tensor& b) {
  return record(std::make_shared<DivNode>(), a, b, run_binary<kernels::Div>(a, b));
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  Tensor y = run_binary<kernels::Maximum>(a, b);
  return record(std::make_shared<MaximumNode>("maximum", false), a, b, y);
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  Tensor y = run_binary<kernels::Minimum>(a, b);
  return record(std::make_shared<MaximumNode>("minimum", true), a, b, y);
}

}  // namespace gigatrain::ops
