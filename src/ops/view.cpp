// Views and copies: reshape, slice, transpose, permute, contiguous, cast, concat.

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

struct PermuteNode : Node {
  std::vector<int> back;
  explicit PermuteNode(std::vector<int> back_) : Node("permute"), back(std::move(back_)) {}
  void backward(Backward& g) override { g.give(0, contiguous(permute(g.dout(), back))); }
};

// One tensor written into its window of the result: inputs are the result so far and the tensor.
struct ConcatNode : Node {
  int dim;
  std::int64_t begin, end;
  ConcatNode(int dim_, std::int64_t begin_, std::int64_t end_)
      : Node("concat"), dim(dim_), begin(begin_), end(end_) {}
  void backward(Backward& g) override {
    if (g.wanted(0)) g.give(0, g.dout());  // the windows do not overlap
    if (g.wanted(1)) g.give(1, contiguous(slice(g.dout(), dim, begin, end)));
  }
};

// The shape of the tensors side by side along `dim`.
Shape concat_shape(const std::vector<Tensor>& tensors, int dim) {
  Shape shape = tensors[0].shape();
  shape[dim] = 0;
  for (const Tensor& t : tensors) {
    require_same_dtype("concat", tensors[0], t);
    Shape expected = tensors[0].shape();
    if (t.shape().dims() == expected.dims()) expected[dim] = t.shape()[dim];
    require(t.shape() == expected, "concat",
            fmt::format("shapes must agree but for dim {}, got {} and {}", dim,
                        tensors[0].shape().str(), t.shape().str()));
    shape[dim] += t.shape()[dim];
  }
  return shape;
}

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
          fmt::format("the target must be f32, bf16, f16 or f64, got {}", name(dtype)));
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

Tensor permute(const Tensor& x, const std::vector<int>& dims) {
  const int n = x.shape().dims();
  TensorView v = x.view();
  std::vector<int> back(static_cast<std::size_t>(n), -1);
  require(dims.size() == back.size(), "permute",
          fmt::format("all {} dims of shape {} must be named once, got {}", n, x.shape().str(),
                      dims.size()));
  for (int i = 0; i < n; ++i) {
    const int from = normalize_dim("permute", dims[static_cast<std::size_t>(i)], n);
    require(std::exchange(back[static_cast<std::size_t>(from)], i) == -1, "permute",
            fmt::format("dim {} is named twice", from));
    v.shape[i] = x.shape()[from];
    v.strides[static_cast<std::size_t>(i)] = x.view().strides[static_cast<std::size_t>(from)];
  }
  Tensor y = x.alias(v);
  if (grad_needed({x})) Node::connect(std::make_shared<PermuteNode>(back), {x}, {&y});
  return y;
}

Tensor concat(const std::vector<Tensor>& tensors, int dim) {
  require(!tensors.empty(), "concat", "there must be at least one tensor, got none");
  for (const Tensor& t : tensors) require(static_cast<bool>(t), "concat", "a tensor is undefined");
  dim = normalize_dim("concat", dim, tensors[0].shape().dims());
  Tensor y = Tensor::empty(tensors[0].device(), concat_shape(tensors, dim), tensors[0].dtype(),
                           {Purpose::activations, "concat"});
  std::int64_t begin = 0;
  for (const Tensor& t : tensors) {
    const std::int64_t end = begin + t.shape()[dim];
    t.stream().submit(kernels::Copy{.x = t.view(), .y = slice(y.detach(), dim, begin, end).view()});
    Tensor next = y.detach();
    if (grad_needed({y, t}))
      Node::connect(std::make_shared<ConcatNode>(dim, begin, end), {y, t}, {&next});
    y = next;
    begin = end;
  }
  return y;
}

}  // namespace gigatrain::ops
