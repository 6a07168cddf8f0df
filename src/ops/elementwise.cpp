// Element by element, with broadcasting. The backward of a broadcast sums over the repeated dims.

#include <fmt/format.h>

#include <algorithm>

#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  const int dims = std::max(a.dims(), b.dims());
  Shape out;
  for (int i = 0; i < dims; ++i) {
    const int ia = i - (dims - a.dims()), ib = i - (dims - b.dims());
    const std::int64_t sa = ia < 0 ? 1 : a[ia], sb = ib < 0 ? 1 : b[ib];
    require(sa == sb || sa == 1 || sb == 1, op,
            fmt::format("shapes {} and {} do not broadcast: {} against {} in dim {}", a.str(),
                        b.str(), sa, sb, i));
    out.push_back(sa == 1 ? sb : sa);
  }
  return out;
}

TensorView broadcast_to(const TensorView& x, const Shape& shape) {
  TensorView v = x;
  v.shape = shape;
  v.strides = {};
  const int shift = shape.dims() - x.shape.dims();
  for (int i = 0; i < x.shape.dims(); ++i) {
    const auto from = static_cast<std::size_t>(i), to = static_cast<std::size_t>(i + shift);
    v.strides[to] = x.shape[i] == 1 ? 0 : x.strides[from];
  }
  return v;
}

// Sums a broadcast gradient back to the shape it came from.
Tensor reduce_to(const Tensor& gradient, const Shape& shape) {
  if (gradient.shape() == shape) return gradient;
  std::vector<int> dims;
  const int shift = gradient.shape().dims() - shape.dims();
  for (int i = 0; i < gradient.shape().dims(); ++i)
    if (i < shift || (shape[i - shift] == 1 && gradient.shape()[i] != 1)) dims.push_back(i);
  return reshape(sum(gradient, dims), shape);
}

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

template <class Kernel>
Tensor run_unary(const Tensor& x) {
  require_floating(Kernel::kName, "x", x);
  Tensor y = empty_like(x, Kernel::kName);
  x.stream().submit(Kernel{.x = x.view(), .y = y.view()});
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

struct ScaleNode : Node {
  double factor;
  explicit ScaleNode(double f) : Node("scale"), factor(f) {}
  void backward(Backward& g) override { g.give(0, ops::scale(g.dout(), factor)); }
};

// dx = dout * f'(saved): the derivative is a function of what the op saved.
struct UnaryNode : Node {
  Tensor (*gradient)(const Tensor& dout, const Tensor& kept);
  UnaryNode(const char* name, Tensor (*gradient_)(const Tensor&, const Tensor&))
      : Node(name), gradient(gradient_) {}
  void backward(Backward& g) override { g.give(0, gradient(g.dout(), saved(0))); }
};

Tensor record_unary(const char* name, const Tensor& x, Tensor y, bool keep_output,
                    Tensor (*gradient)(const Tensor&, const Tensor&)) {
  if (grad_needed({x})) {
    auto node = std::make_shared<UnaryNode>(name, gradient);
    node->save({keep_output ? y : x});
    Node::connect(node, {x}, {&y});
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
  Tensor y = run_binary<kernels::Mul>(a, b);
  if (grad_needed({a, b})) {
    auto node = std::make_shared<MulNode>();
    node->save({a, b});
    Node::connect(node, {a, b}, {&y});
  }
  return y;
}

Tensor div(const Tensor& a, const Tensor& b) {
  Tensor y = run_binary<kernels::Div>(a, b);
  if (grad_needed({a, b})) {
    auto node = std::make_shared<DivNode>();
    node->save({a, b});
    Node::connect(node, {a, b}, {&y});
  }
  return y;
}

Tensor scale(const Tensor& x, double factor) {
  require_floating("scale", "x", x);
  Tensor y = empty_like(x, "scale");
  x.stream().submit(kernels::Scale{.x = x.view(), .y = y.view(), .factor = factor});
  if (grad_needed({x})) Node::connect(std::make_shared<ScaleNode>(factor), {x}, {&y});
  return y;
}

Tensor exp(const Tensor& x) {
  return record_unary("exp", x, run_unary<kernels::Exp>(x), true,
                      [](const Tensor& dy, const Tensor& y) { return mul(dy, y); });
}

Tensor log(const Tensor& x) {
  return record_unary("log", x, run_unary<kernels::Log>(x), false,
                      [](const Tensor& dy, const Tensor& x_) { return div(dy, x_); });
}

Tensor tanh(const Tensor& x) {  // dx = dy (1 - y^2)
  return record_unary(
      "tanh", x, run_unary<kernels::Tanh>(x), true,
      [](const Tensor& dy, const Tensor& y) { return sub(dy, mul(dy, mul(y, y))); });
}

Tensor rsqrt(const Tensor& x) {  // dx = -dy y^3 / 2
  return record_unary("rsqrt", x, run_unary<kernels::Rsqrt>(x), true,
                      [](const Tensor& dy, const Tensor& y) {
                        return ops::scale(mul(dy, mul(y, mul(y, y))), -0.5);
                      });
}

}  // namespace gigatrain::ops
