// Views and copies: reshape, slice, transpose, contiguous, cast.

#include <fmt/format.h>

#include <utility>

#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

Tensor copy_to(const Tensor& x, DType dtype, const char* what) {
  Tensor y = Tensor::empty(x.device(), x.shape(), dtype, {Purpose::activations, what});
  x.stream().submit(kernels::Copy{.x = x.view(), .y = y.view()});
  return y;
}

struct ReshapeNode : Node {
  Shape from;
  explicit ReshapeNode(const Shape& from_) : Node("reshape"), from(from_) {}
  void backward(Backward& g) override { g.give(0, reshape(g.dout(), from)); }
};

// dx is zero but for the window that was cut out.
struct SliceNode : Node {
  Shape from;
  int dim;
  std::int64_t begin;
  SliceNode(const Shape& from_, int dim_, std::int64_t begin_)
      : Node("slice"), from(from_), dim(dim_), begin(begin_) {}
  void backward(Backward& g) override {
    const Tensor dx =
        Tensor::full(g.device(), from, 0.0, g.dout().dtype(), {Purpose::activations, "slice.dx"});
    const Tensor window = slice(dx, dim, begin, begin + g.dout().shape()[dim]);
    g.stream().submit(kernels::Copy{.x = g.dout().view(), .y = window.view()});
    g.give(0, dx);
  }
};

struct TransposeNode : Node {
  int dim0, dim1;
  TransposeNode(int d0, int d1) : Node("transpose"), dim0(d0), dim1(d1) {}
  void backward(Backward& g) override { g.give(0, contiguous(transpose(g.dout(), dim0, dim1))); }
};

struct CopyNode : Node {
  DType from;
  CopyNode(const char* name, DType from_) : Node(name), from(from_) {}
  void backward(Backward& g) override { g.give(0, cast(g.dout(), from)); }
};

}  // namespace

Tensor contiguous(const Tensor& x) {
  if (x.view().is_contiguous()) return x;
  Tensor y = copy_to(x, x.dtype(), "contiguous");
  if (grad_needed({x}))
    Node::connect(std::make_shared<CopyNode>("contiguous", x.dtype()), {x}, {&y});
  return y;
}

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  require_floating("cast", "x", x);
  require(is_floating(dtype), "cast",
          fmt::format("the target must be f32, bf16 or f64, got {}", name(dtype)));
  Tensor y = copy_to(x, dtype, "cast");
  if (grad_needed({x})) Node::connect(std::make_shared<CopyNode>("cast", x.dtype()), {x}, {&y});
  return y;
}

Tensor reshape(const Tensor& x, const Shape& shape) {
  require(shape.numel() == x.numel(), "reshape",
          fmt::format("shape {} has {} elements, {} has {}", x.shape().str(), x.numel(),
                      shape.str(), shape.numel()));
  const Tensor c = contiguous(x);
  Tensor y = c.alias(TensorView(c.view().data, c.dtype(), shape));
  if (grad_needed({c})) Node::connect(std::make_shared<ReshapeNode>(c.shape()), {c}, {&y});
  return y;
}

Tensor slice(const Tensor& x, int dim, std::int64_t begin, std::int64_t end) {
  dim = normalize_dim("slice", dim, x.shape().dims());
  require(
      0 <= begin && begin <= end && end <= x.shape()[dim], "slice",
      fmt::format("[{}, {}) must lie within dim {} of shape {}", begin, end, dim, x.shape().str()));
  TensorView v = x.view();
  v.shape[dim] = end - begin;
  v.data = static_cast<char*>(v.data) +
           begin * v.strides[static_cast<std::size_t>(dim)] * size_of(v.dtype);
  Tensor y = x.alias(v);
  if (grad_needed({x}))
    Node::connect(std::make_shared<SliceNode>(x.shape(), dim, begin), {x}, {&y});
  return y;
}

Tensor transpose(const Tensor& x, int dim0, int dim1) {
  dim0 = normalize_dim("transpose", dim0, x.shape().dims());
  dim1 = normalize_dim("transpose", dim1, x.shape().dims());
  TensorView v = x.view();
  std::swap(v.shape[dim0], v.shape[dim1]);
  std::swap(v.strides[static_cast<std::size_t>(dim0)], v.strides[static_cast<std::size_t>(dim1)]);
  Tensor y = x.alias(v);
  if (grad_needed({x})) Node::connect(std::make_shared<TransposeNode>(dim0, dim1), {x}, {&y});
  return y;
}

}  // namespace gigatrain::ops
