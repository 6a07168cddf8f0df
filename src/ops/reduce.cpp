// sum and mean over some dims.

#include "kernels/reduce.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

// dx repeats dy * factor over the reduced dims.
struct ReduceNode : Node {
  Shape from, kept;
  double factor;
  ReduceNode(const char* name, const Shape& from_, const Shape& kept_, double factor_)
      : Node(name), from(from_), kept(kept_), factor(factor_) {}
  void backward(Backward& g) override {
    const Tensor dy = reshape(factor == 1.0 ? g.dout() : ops::scale(g.dout(), factor), kept);
    TensorView wide = dy.view();
    wide.shape = from;
    for (int i = 0; i < from.dims(); ++i)
      if (kept[i] == 1) wide.strides[static_cast<std::size_t>(i)] = 0;
    Tensor dx = Tensor::empty(g.device(), from, dy.dtype(), {Purpose::activations, "sum.dx"});
    g.stream().submit(kernels::Copy{.x = wide, .y = dx.view()});
    g.give(0, dx);
  }
};

Tensor reduce(const char* op, const Tensor& x, const std::vector<int>& dims, bool is_mean) {
  require_floating(op, "x", x);
  Shape kept = x.shape();
  for (const int dim : dims) kept[normalize_dim(op, dim, x.shape().dims())] = 1;
  if (dims.empty())
    for (int i = 0; i < kept.dims(); ++i) kept[i] = 1;
  const double factor =
      is_mean ? static_cast<double>(kept.numel()) / static_cast<double>(x.numel()) : 1.0;
  Tensor y = Tensor::empty(x.device(), kept, x.dtype(), {Purpose::activations, op});
  x.stream().submit(kernels::Sum{.x = x.view(), .y = y.view(), .scale = factor});
  if (dims.empty()) y = y.alias(TensorView(y.view().data, y.dtype(), Shape{}));
  if (grad_needed({x}))
    Node::connect(std::make_shared<ReduceNode>(op, x.shape(), kept, factor), {x}, {&y});
  return y;
}

}  // namespace

Tensor sum(const Tensor& x, const std::vector<int>& dims) {
  return reduce("sum", x, dims, false);
}
Tensor mean(const Tensor& x, const std::vector<int>& dims) {
  return reduce("mean", x, dims, true);
}

}  // namespace gigatrain::ops
