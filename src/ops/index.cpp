// Elements picked by an index, and the largest of each row.

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "gigatrain/base/error.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/elementwise.h"
#include "kernels/index.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

// A contiguous view as (outer, size of `dim`, inner).
TensorView lines_of(const TensorView& x, int dim) {
  std::int64_t outer = 1, inner = 1;
  for (int i = 0; i < x.shape.dims(); ++i) (i < dim ? outer : inner) *= i == dim ? 1 : x.shape[i];
  return TensorView(x.data, x.dtype, {outer, x.shape[dim], inner});
}

// Throws Error(data) on an index outside [0, n), where the host can read it.
void check_range(const char* op, const Tensor& index, std::int64_t n) {
  if (!index.device().host_memory()) return;
  const std::int32_t* p = index.view().as<std::int32_t>();
  for (std::int64_t i = 0; i < index.numel(); ++i)
    if (p[i] < 0 || p[i] >= n)
      throw Error(ErrorCode::data,
                  fmt::format("[{}] index {} at element {} is outside [0, {})", op, p[i], i, n));
}

// saved: index. Its elements' gradients go back along `dim`, where x had `size` of them.
struct PickNode : Node {
  int dim;
  std::int64_t size;
  PickNode(const char* name, int dim_, std::int64_t size_) : Node(name), dim(dim_), size(size_) {}

  void backward(Backward& b) override {
    const Tensor dy = contiguous(b.dout());
    const auto to = b.target(0);
    const DType dtype = dy.dtype() == DType::f64 ? DType::f64 : DType::f32;
    Tensor sums;  // the kernel sums in f32: straight into a leaf, or through a buffer
    if (to.view.dtype != dtype)
      sums = Tensor::empty(b.device(), to.view.shape, dtype, {Purpose::workspace, "gather.dx"});
    b.stream().submit(kernels::ScatterAdd{.index = lines_of(saved(0).view(), dim),
                                          .dy = lines_of(dy.view(), dim),
                                          .dx = lines_of(sums ? sums.view() : to.view, dim),
                                          .accumulate = to.accumulate});
    if (sums) b.stream().submit(kernels::Copy{.x = sums.view(), .y = to.view});
  }
};

void record_pick(const char* op, const Tensor& x, int dim, const Tensor& index, Tensor& y) {
  if (!grad_needed({x})) return;
  auto node = std::make_shared<PickNode>(op, dim, x.shape()[dim]);
  node->save({index});
  Node::connect(node, {x}, {&y});
}

// x with the dims that are to be reduced last, as (kept, reduced).
Tensor reduced_last(const Tensor& x, const Shape& kept) {
  std::vector<int> order(static_cast<std::size_t>(x.shape().dims()));
  std::iota(order.begin(), order.end(), 0);
  const auto stays = [&](int d) { return kept[d] != 1 || x.shape()[d] == 1; };
  std::stable_partition(order.begin(), order.end(), stays);
  const std::int64_t rows = kept.numel();
  return reshape(permute(x, order), {rows, rows ? x.numel() / rows : 0});
}

// saved: x, y. Elements that share the maximum share its gradient.
struct MaxNode : Node {
  std::vector<int> dims;
  explicit MaxNode(std::vector<int> dims_) : Node("max"), dims(std::move(dims_)) {}
  void backward(Backward& g) override {
    const Tensor &x = saved(0), &y = saved(1);
    const auto number = [&](double v) { return Tensor::full(g.device(), {}, v, x.dtype()); };
    const Tensor hit = equal(x, y);
    const Tensor hits = sum(where(hit, number(1.0), number(0.0)), dims);
    const Tensor each = div(reshape(g.dout(), y.shape()), reshape(hits, y.shape()));
    g.give(0, where(hit, each, number(0.0)));
  }
};

}  // namespace

Tensor max(const Tensor& x, const std::vector<int>& dims) {
  require_floating("max", "x", x);
  Shape kept = x.shape();
  for (const int dim : dims) kept[normalize_dim("max", dim, x.shape().dims())] = 1;
  if (dims.empty())
    for (int i = 0; i < kept.dims(); ++i) kept[i] = 1;
  require(x.numel() > 0 || kept.numel() == 0, "max",
          fmt::format("shape {} has no element to take the maximum of", x.shape().str()));
  const Tensor rows = reduced_last(x.detach(), kept);
  Tensor y = Tensor::empty(x.device(), kept, x.dtype(), {Purpose::activations, "max"});
  x.stream().submit(kernels::TopK{
      .x = rows.view(), .values = TensorView(y.view().data, x.dtype(), {kept.numel(), 1})});
  const Tensor whole = y;
  if (dims.empty()) y = y.alias(TensorView(y.view().data, y.dtype(), Shape{}));
  if (grad_needed({x})) {
    auto node = std::make_shared<MaxNode>(dims);
    node->save({x, whole});
    Node::connect(node, {x}, {&y});
  }
  return y;
}

TopK top_k(const Tensor& x_in, std::int64_t k) {
  require_floating("top_k", "x", x_in);
  require(x_in.shape().dims() > 0, "top_k", "x must have at least one dim, got a scalar");
  require(k >= 0 && k <= x_in.shape()[-1], "top_k",
          fmt::format("k must be in [0, {}], the last dim of {}, got {}", x_in.shape()[-1],
                      x_in.shape().str(), k));
  const Tensor x = contiguous(x_in);
  Shape shape = x.shape();
  shape[-1] = k;
  TopK top{Tensor::empty(x.device(), shape, x.dtype(), {Purpose::activations, "top_k"}),
           Tensor::empty(x.device(), shape, DType::i32, {Purpose::activations, "top_k.indices"})};
  const Shape rows{x.view().rows(), k};
  x.stream().submit(
      kernels::TopK{.x = TensorView(x.view().data, x.dtype(), {x.view().rows(), x.view().cols()}),
                    .values = TensorView(top.values.view().data, x.dtype(), rows),
                    .indices = TensorView(top.indices.view().data, DType::i32, rows)});
  record_pick("top_k", x, x.shape().dims() - 1, top.indices, top.values);
  return top;
}

Tensor argmax(const Tensor& x) {
  require_floating("argmax", "x", x);
  require(x.shape().dims() > 0 && x.shape()[-1] > 0, "argmax",
          fmt::format("the last dim must not be empty, got {}", x.shape().str()));
  Shape shape;
  for (int i = 0; i + 1 < x.shape().dims(); ++i) shape.push_back(x.shape()[i]);
  return reshape(top_k(x.detach(), 1).indices, shape);
}

Tensor gather(const Tensor& x_in, int dim, const Tensor& index_in) {
  require_floating("gather", "x", x_in);
  require_dtype("gather", "index", index_in, DType::i32);
  dim = normalize_dim("gather", dim, x_in.shape().dims());
  Shape expected = x_in.shape();
  if (index_in.shape().dims() == expected.dims()) expected[dim] = index_in.shape()[dim];
  require(index_in.shape() == expected, "gather",
          fmt::format("the index must have x's shape {} but for dim {}, got {}", x_in.shape().str(),
                      dim, index_in.shape().str()));
  const Tensor x = contiguous(x_in), index = contiguous(index_in);
  check_range("gather", index, x.shape()[dim]);
  Tensor y = Tensor::empty(x.device(), index.shape(), x.dtype(), {Purpose::activations, "gather"});
  x.stream().submit(kernels::Gather{.x = lines_of(x.view(), dim),
                                    .index = lines_of(index.view(), dim),
                                    .y = lines_of(y.view(), dim)});
  record_pick("gather", x, dim, index, y);
  return y;
}

// By the embedding's kernels, whose gradient sorts the indices; f64, which they lack, by gather's.
Tensor take(const Tensor& x, const Tensor& index_in) {
  require_floating("take", "x", x);
  require_dtype("take", "index", index_in, DType::i32);
  require(x.shape().dims() > 0, "take", "x must have at least one dim, got a scalar");
  const Tensor index = contiguous(index_in);
  check_range("take", index, x.shape()[0]);
  Shape shape = index.shape();
  for (int i = 1; i < x.shape().dims(); ++i) shape.push_back(x.shape()[i]);
  const std::int64_t n = index.numel(), v = x.shape()[0], columns = v ? x.numel() / v : 0;
  const Tensor rows = reshape(x, {v, columns});
  if (x.dtype() != DType::f64) return reshape(embedding(reshape(index, {1, n}), rows), shape);
  TensorView wide(index.view().data, DType::i32, {n, columns});  // each index for a whole row
  wide.strides = {1, 0};
  return reshape(gather(rows, 0, contiguous(index.alias(wide))), shape);
}

}  // namespace gigatrain::ops
