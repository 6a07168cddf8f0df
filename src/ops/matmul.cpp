// Matrix product, single or batched: dA = dC B^T, dB = A^T dC.

#include <fmt/format.h>

#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/gemm.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

struct MatmulNode : Node {
  MatmulNode() : Node("matmul") {}
  void backward(Backward& g) override {
    const Tensor dc = contiguous(g.dout());
    if (g.wanted(0)) {
      Tensor da = empty_like(saved(0), "matmul.da");
      g.stream().submit(
          kernels::Gemm{.a = dc.view(), .b = saved(1).view(), .c = da.view(), .trans_b = true});
      g.give(0, da);
    }
    if (g.wanted(1)) {
      Tensor db = empty_like(saved(1), "matmul.db");
      g.stream().submit(
          kernels::Gemm{.a = saved(0).view(), .b = dc.view(), .c = db.view(), .trans_a = true});
      g.give(1, db);
    }
  }
};

}  // namespace

Tensor matmul(const Tensor& a_in, const Tensor& b_in) {
  require_floating("matmul", "a", a_in);
  require_floating("matmul", "b", b_in);
  require_same_dtype("matmul", a_in, b_in);
  const Shape &sa = a_in.shape(), &sb = b_in.shape();
  const bool ok = sa.dims() == sb.dims() && (sa.dims() == 2 || sa.dims() == 3) &&
                  sa[-1] == sb[-2] && (sa.dims() == 2 || sa[0] == sb[0]);
  require(ok, "matmul",
          fmt::format("expected (M, K) x (K, N) or (B, M, K) x (B, K, N), got {} x {}", sa.str(),
                      sb.str()));
  const Tensor a = contiguous(a_in), b = contiguous(b_in);
  Shape shape = sa;
  shape[-1] = sb[-1];
  Tensor c = Tensor::empty(a.device(), shape, a.dtype(), {Purpose::activations, "matmul"});
  a.stream().submit(kernels::Gemm{.a = a.view(), .b = b.view(), .c = c.view()});
  if (grad_needed({a, b})) {
    auto node = std::make_shared<MatmulNode>();
    node->save({a, b});
    Node::connect(node, {a, b}, {&c});
  }
  return c;
}

}  // namespace gigatrain::ops
