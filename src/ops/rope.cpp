// Rotary position embedding, alone or with the norm of queries and keys (kernels/rope.h).

#include "kernels/rope.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <utility>

#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

// As a fraction of a turn, in units of 2^-64.
std::uint64_t turn_of(double radians) {
  const double turns = radians / (2.0 * std::numbers::pi);
  return static_cast<std::uint64_t>(std::ldexp(turns - std::floor(turns), 64));
}

kernels::RopeAngles angles_of(const char* op, const RopeOptions& o, std::int64_t b, std::int64_t t,
                              std::int64_t head_dim) {
  require(0 < head_dim && head_dim <= kernels::kMaxHeadDim, op,
          fmt::format("a head has 1 to {} elements, got {}", kernels::kMaxHeadDim, head_dim));
  if (o.positions) {
    require_shape(op, "positions", o.positions, {b, t});
    require_dtype(op, "positions", o.positions, DType::i32);
    require(o.positions.view().is_contiguous(), op, "positions must be contiguous");
  }
  const RopeFrequencies f = rope_frequencies(o, head_dim, o.first_position + t);
  kernels::RopeAngles a{.pairs = static_cast<std::int64_t>(f.radians.size()),
                        .scale = static_cast<float>(f.attention_factor),
                        .interleaved = o.layout == RopeLayout::interleaved,
                        .first_position = o.first_position};
  for (std::size_t i = 0; i < f.radians.size(); ++i) a.turns[i] = turn_of(f.radians[i]);
  if (o.positions) a.positions = o.positions.view();
  return a;
}

TensorView view_of(const Tensor& x) {
  return x ? x.view() : TensorView{};
}

// What forward and backward share; x is seen as (B, T, heads, D).
struct Plan {
  kernels::RopeAngles angles;
  std::int64_t q_heads, k_heads, head_dim;
  float eps = 0.0f;

  TensorView heads(const TensorView& x) const {
    if (x.shape.dims() == 4) return x;
    return TensorView(x.data, x.dtype, {x.shape[0], x.shape[1], x.shape[2] / head_dim, head_dim});
  }
  kernels::RopeForward forward(const Tensor& x, const Tensor& y, const Tensor& q_weight,
                               const Tensor& k_weight) const {
    return {.x = heads(x.view()),
            .y = heads(y.view()),
            .q_heads = q_heads,
            .k_heads = k_heads,
            .q_weight = view_of(q_weight),
            .k_weight = view_of(k_weight),
            .eps = eps,
            .angles = angles};
  }
  kernels::RopeBackward backward(const Tensor& dy, const Tensor& dx) const {
    return {.dy = heads(dy.view()),
            .dx = heads(dx.view()),
            .q_heads = q_heads,
            .k_heads = k_heads,
            .eps = eps,
            .angles = angles};
  }
};

// The gradient is made where dout lies, unless somebody else holds that.
Tensor gradient_like(const Tensor& dout) {
  return dout.sole_owner() ? dout.detach() : empty_like(dout, "rope.dx");
}

struct RopeNode : Node {  // saved: positions
  Plan plan;
  explicit RopeNode(const Plan& p) : Node("rope"), plan(p) {}
  void backward(Backward& b) override {
    const Tensor& dout = b.dout();
    const Tensor dy = dout.view().is_contiguous() ? Tensor{} : contiguous(dout);
    const Tensor& from = dy ? dy : dout;
    const Tensor dx = gradient_like(from);
    b.stream().submit(plan.backward(from, dx));
    b.give(0, dx);
  }
};

// saved: positions, q_weight, k_weight, qkv; inputs: qkv, q_weight, k_weight
struct QkNormRopeNode : Node {
  Plan plan;
  explicit QkNormRopeNode(const Plan& p) : Node("qk_norm_rope"), plan(p) {}
  void backward(Backward& b) override {
    const Tensor& dout = b.dout();
    const Tensor dy = dout.view().is_contiguous() ? Tensor{} : contiguous(dout);
    const Tensor& from = dy ? dy : dout;
    const Tensor dx = gradient_like(from);
    kernels::RopeBackward args = plan.backward(from, dx);
    args.x = plan.heads(saved(3).view());
    Tensor dweight[2];
    TensorView* const weights[2] = {&args.q_weight, &args.k_weight};
    TensorView* const gradients[2] = {&args.dq_weight, &args.dk_weight};
    for (int i = 0; i < 2; ++i) {
      const Tensor& weight = saved(1 + i);
      if (!weight) continue;
      *weights[i] = weight.view();
      if (!b.wanted(1 + i)) continue;
      dweight[i] = Tensor::empty(b.device(), weight.shape(), DType::f32,
                                 {Purpose::workspace, "qk_norm_rope.dw"});
      *gradients[i] = dweight[i].view();
    }
    b.stream().submit(args);
    b.give(0, dx);
    for (int i = 0; i < 2; ++i)
      if (dweight[i]) b.give(1 + i, dweight[i]);
  }
};

}  // namespace

Tensor rope(const Tensor& x_in, const RopeOptions& options) {
  require_activation("rope", "x", x_in);
  require(x_in.shape().dims() == 4, "rope",
          fmt::format("x must be (B, T, H, D), got {}", x_in.shape().str()));
  const Tensor x = x_in.view().strides[3] == 1 ? x_in : contiguous(x_in);
  const Shape& s = x.shape();
  const Plan plan{.angles = angles_of("rope", options, s[0], s[1], s[3]),
                  .q_heads = s[2],
                  .k_heads = 0,
                  .head_dim = s[3]};
  Tensor y = empty_like(x, "rope.y");
  y.stream().submit(plan.forward(x, y, {}, {}));
  if (grad_needed({x})) {
    auto node = std::make_shared<RopeNode>(plan);
    node->save({options.positions});
    Node::connect(node, {x}, {&y});
  }
  return y;
}

Tensor qk_norm_rope(Tensor qkv, std::int64_t heads, std::int64_t kv_heads,
                    const RopeOptions& options, const Tensor& q_weight, const Tensor& k_weight,
                    float eps) {
  const char* op = "qk_norm_rope";
  require_activation(op, "qkv", qkv);
  const std::int64_t all = heads + 2 * kv_heads;
  require(heads > 0 && kv_heads > 0 && qkv.shape().dims() == 3 && qkv.shape()[2] % all == 0, op,
          fmt::format("qkv must be (B, T, ({} + 2 * {}) D), got {}", heads, kv_heads,
                      qkv.shape().str()));
  const std::int64_t d = qkv.shape()[2] / all;
  for (const Tensor* w : {&q_weight, &k_weight}) {
    if (!*w) continue;
    require_shape(op, "a norm's weight", *w, {d});
    require_dtype(op, "a norm's weight", *w, DType::f32);
  }
  if (!qkv.view().is_contiguous()) qkv = contiguous(qkv);
  const Plan plan{.angles = angles_of(op, options, qkv.shape()[0], qkv.shape()[1], d),
                  .q_heads = heads,
                  .k_heads = kv_heads,
                  .head_dim = d,
                  .eps = eps};
  const bool record = grad_needed({qkv, q_weight, k_weight}), norm = q_weight || k_weight;
  const bool in_place = qkv.sole_owner() && !(record && norm);
  Tensor y = in_place ? qkv.detach() : empty_like(qkv, "qk_norm_rope.y");
  y.stream().submit(plan.forward(qkv, y, q_weight, k_weight));
  if (!record) return y;
  if (norm) {
    auto node = std::make_shared<QkNormRopeNode>(plan);
    node->save({options.positions, q_weight, k_weight, qkv});
    Node::connect(node, {qkv, q_weight, k_weight}, {&y});
  } else {
    auto node = std::make_shared<RopeNode>(plan);
    node->save({options.positions});
    Node::connect(node, {qkv}, {&y});
  }
  return y;
}

}  // namespace gigatrain::ops
