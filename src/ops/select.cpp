// Comparisons, choice by a mask, and one-hot rows made of both.

#include <fmt/format.h>

#include <numeric>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"
#include "ops/broadcast.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

template <class Kernel>
Tensor compare(const char* op, const Tensor& a, const Tensor& b) {
  require(a && b, op, "an input is undefined");
  require_same_dtype(op, a, b);
  if (a.dtype() != DType::i32) require_floating(op, "a", a);
  const Shape shape = broadcast_shape(op, a.shape(), b.shape());
  Tensor y = Tensor::empty(a.device(), shape, DType::u8, {Purpose::activations, op});
  a.stream().submit(Kernel{
      .a = broadcast_to(a.view(), shape), .b = broadcast_to(b.view(), shape), .y = y.view()});
  return y;
}

// dout where the mask is `side`, else 0.
Tensor masked(const Tensor& dout, const Tensor& mask, bool side) {
  const Tensor zero = Tensor::full(dout.device(), {}, 0.0, dout.dtype());
  return side ? where(mask, dout, zero) : where(mask, zero, dout);
}

// saved: mask, whose shape may be smaller than the output's
struct WhereNode : Node {
  Shape a, b;
  WhereNode(const Shape& a_, const Shape& b_) : Node("where"), a(a_), b(b_) {}
  void backward(Backward& g) override {
    if (g.wanted(0)) g.give(0, reduce_to(masked(g.dout(), saved(0), true), a));
    if (g.wanted(1)) g.give(1, reduce_to(masked(g.dout(), saved(0), false), b));
  }
};

}  // namespace

Tensor equal(const Tensor& a, const Tensor& b) {
  return compare<kernels::Equal>("equal", a, b);
}
Tensor less(const Tensor& a, const Tensor& b) {
  return compare<kernels::Less>("less", a, b);
}
Tensor greater(const Tensor& a, const Tensor& b) {
  return compare<kernels::Less>("greater", b, a);
}

Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b) {
  require_dtype("where", "mask", mask, DType::u8);
  require_floating("where", "a", a);
  require_floating("where", "b", b);
  require_same_dtype("where", a, b);
  const Shape shape =
      broadcast_shape("where", broadcast_shape("where", a.shape(), b.shape()), mask.shape());
  Tensor y = Tensor::empty(a.device(), shape, a.dtype(), {Purpose::activations, "where"});
  a.stream().submit(kernels::Where{.mask = broadcast_to(mask.view(), shape),
                                   .a = broadcast_to(a.view(), shape),
                                   .b = broadcast_to(b.view(), shape),
                                   .y = y.view()});
  if (grad_needed({a, b})) {
    auto node = std::make_shared<WhereNode>(a.shape(), b.shape());
    node->save({mask});
    Node::connect(node, {a, b}, {&y});
  }
  return y;
}

Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype) {
  require_dtype("one_hot", "index", index, DType::i32);
  require(classes > 0 && classes <= INT32_MAX, "one_hot",
          fmt::format("classes must be in [1, 2^31), got {}", classes));
  require(
      index.shape().dims() < kMaxDims, "one_hot",
      fmt::format("the index may have {} dims at most, got {}", kMaxDims - 1, index.shape().str()));
  Shape column = index.shape();
  column.push_back(1);
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(classes));
  std::iota(numbers.begin(), numbers.end(), 0);
  Device& device = index.device();
  const Tensor all = Tensor::from<std::int32_t>(device, {classes}, numbers);
  return where(equal(reshape(index, column), all), Tensor::full(device, {}, 1.0, dtype),
               Tensor::full(device, {}, 0.0, dtype));
}

}  // namespace gigatrain::ops
