// Scaled-dot-product attention; the (Tq, Tk) matrix is never held (kernels/attention.h).

#include <fmt/format.h>

#include <cmath>

#include "gigatrain/ops/composed.h"
#include "gigatrain/ops/ops.h"
#include "gigatrain/tensor/node.h"
#include "kernels/attention.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

float scale_of(const AttentionOptions& o, std::int64_t head_dim) {
  return o.scale ? *o.scale : 1.0f / std::sqrt(static_cast<float>(head_dim));
}

// Heads [first, first + count) of a packed (B, T, heads * D) tensor, as (B, T, count, D).
TensorView heads_of(const TensorView& packed, std::int64_t first, std::int64_t count,
                    std::int64_t head_dim) {
  TensorView v;
  v.dtype = packed.dtype;
  v.data = static_cast<char*>(packed.data) + first * head_dim * size_of(packed.dtype);
  v.shape = {packed.shape[0], packed.shape[1], count, head_dim};
  v.strides = {packed.strides[0], packed.strides[1], head_dim, 1};
  return v;
}

struct Qkv {
  TensorView q, k, v;
};
Qkv unpack(const TensorView& packed, std::int64_t heads, std::int64_t kv_heads) {
  const std::int64_t d = packed.shape[2] / (heads + 2 * kv_heads);
  return {heads_of(packed, 0, heads, d), heads_of(packed, heads, kv_heads, d),
          heads_of(packed, heads + kv_heads, kv_heads, d)};
}

Tensor new_lse(const Tensor& like, std::int64_t b, std::int64_t h, std::int64_t t) {
  return Tensor::empty(like.device(), {b, h, t}, DType::f32,
                       {Purpose::activations, "attention.lse"});
}

struct AttentionNode : Node {  // saved: q, k, v, out, lse
  AttentionOptions options;
  float factor;
  AttentionNode(const AttentionOptions& o, float f) : Node("attention"), options(o), factor(f) {}
  void backward(Backward& b) override {
    const Tensor dout = contiguous(b.dout());
    Tensor dq = empty_like(saved(0), "attention.dq"), dk = empty_like(saved(1), "attention.dk"),
           dv = empty_like(saved(2), "attention.dv");
    b.stream().submit(kernels::AttentionBackward{.q = saved(0).view(),
                                                 .k = saved(1).view(),
                                                 .v = saved(2).view(),
                                                 .out = saved(3).view(),
                                                 .lse = saved(4).view(),
                                                 .dout = dout.view(),
                                                 .dq = dq.view(),
                                                 .dk = dk.view(),
                                                 .dv = dv.view(),
                                                 .scale = factor,
                                                 .causal = options.causal});
    b.give(0, dq);
    b.give(1, dk);
    b.give(2, dv);
  }
};

struct PackedAttentionNode : Node {  // saved: qkv, out, lse
  std::int64_t heads, kv_heads;
  AttentionOptions options;
  float factor;
  PackedAttentionNode(std::int64_t h, std::int64_t kv, const AttentionOptions& o, float f)
      : Node("attention"), heads(h), kv_heads(kv), options(o), factor(f) {}
  void backward(Backward& b) override {
    const Tensor dout = contiguous(b.dout());
    Tensor dqkv = empty_like(saved(0), "attention.dqkv");
    const Qkv x = unpack(saved(0).view(), heads, kv_heads),
              dx = unpack(dqkv.view(), heads, kv_heads);
    const std::int64_t d = x.q.shape[3];
    b.stream().submit(kernels::AttentionBackward{.q = x.q,
                                                 .k = x.k,
                                                 .v = x.v,
                                                 .out = heads_of(saved(1).view(), 0, heads, d),
                                                 .lse = saved(2).view(),
                                                 .dout = heads_of(dout.view(), 0, heads, d),
                                                 .dq = dx.q,
                                                 .dk = dx.k,
                                                 .dv = dx.v,
                                                 .scale = factor,
                                                 .causal = options.causal});
    b.give(0, dqkv);
  }
};

void check_heads(const char* op, std::int64_t heads, std::int64_t kv_heads) {
  require(heads > 0 && kv_heads > 0 && heads % kv_heads == 0, op,
          fmt::format("the query heads must be a multiple of the key heads, got {} and {}", heads,
                      kv_heads));
}

void check(const Tensor& q, const Tensor& k, const Tensor& v, bool causal) {
  for (const auto* x : {&q, &k, &v}) {
    require_activation("attention", "each of q, k, v", *x);
    require(x->shape().dims() == 4, "attention",
            fmt::format("q, k and v must be (B, T, H, D), got {}", x->shape().str()));
    require_same_dtype("attention", q, *x);
  }
  require(k.shape() == v.shape() && q.shape()[0] == k.shape()[0] && q.shape()[3] == k.shape()[3],
          "attention",
          fmt::format("q (B, Tq, H, D), k and v (B, Tk, Hkv, D) are expected, got {}, {} and {}",
                      q.shape().str(), k.shape().str(), v.shape().str()));
  check_heads("attention", q.shape()[2], k.shape()[2]);
  require(
      !causal || q.shape()[1] <= k.shape()[1], "attention",
      fmt::format("causal attention needs Tq <= Tk, got {} and {}", q.shape()[1], k.shape()[1]));
}

}  // namespace

Tensor attention(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in,
                 const AttentionOptions& options) {
  check(q_in, k_in, v_in, options.causal);
  const auto unit_stride = [](const Tensor& x) {
    return x.view().strides[3] == 1 ? x : contiguous(x);
  };
  const Tensor q = unit_stride(q_in), k = unit_stride(k_in), v = unit_stride(v_in);
  const float factor = scale_of(options, q.shape()[3]);
  Tensor out = empty_like(q, "attention.out");
  const bool record = grad_needed({q, k, v});
  Tensor lse;
  if (record) lse = new_lse(q, q.shape()[0], q.shape()[2], q.shape()[1]);
  q.stream().submit(kernels::AttentionForward{.q = q.view(),
                                              .k = k.view(),
                                              .v = v.view(),
                                              .out = out.view(),
                                              .lse = record ? lse.view() : TensorView{},
                                              .scale = factor,
                                              .causal = options.causal});
  if (record) {
    auto node = std::make_shared<AttentionNode>(options, factor);
    node->save({q, k, v, out, lse});
    Node::connect(node, {q, k, v}, {&out});
  }
  return out;
}

Tensor attention_packed(const Tensor& qkv_in, std::int64_t heads, std::int64_t kv_heads,
                        const AttentionOptions& options) {
  require_activation("attention_packed", "qkv", qkv_in);
  check_heads("attention_packed", heads, kv_heads);
  require(qkv_in.shape().dims() == 3 && qkv_in.shape()[2] % (heads + 2 * kv_heads) == 0,
          "attention_packed",
          fmt::format("qkv must be (B, T, ({} + 2 * {}) D), got {}", heads, kv_heads,
                      qkv_in.shape().str()));
  const Tensor qkv = contiguous(qkv_in);
  const Qkv x = unpack(qkv.view(), heads, kv_heads);
  const std::int64_t b = x.q.shape[0], t = x.q.shape[1], d = x.q.shape[3];
  const float factor = scale_of(options, d);
  Tensor out = Tensor::empty(qkv.device(), {b, t, heads * d}, qkv.dtype(),
                             {Purpose::activations, "attention.out"});
  const bool record = grad_needed({qkv});
  Tensor lse;
  if (record) lse = new_lse(qkv, b, heads, t);
  qkv.stream().submit(kernels::AttentionForward{.q = x.q,
                                                .k = x.k,
                                                .v = x.v,
                                                .out = heads_of(out.view(), 0, heads, d),
                                                .lse = record ? lse.view() : TensorView{},
                                                .scale = factor,
                                                .causal = options.causal});
  if (record) {
    auto node = std::make_shared<PackedAttentionNode>(heads, kv_heads, options, factor);
    node->save({qkv, out, lse});
    Node::connect(node, {qkv}, {&out});
  }
  return out;
}

namespace composed {

// (B, T, H, D) -> (B * H, T, D), each key head repeated for its group of query heads.
static Tensor head_batch(const Tensor& x, std::int64_t repeat) {
  const Shape& s = x.shape();
  Tensor y = transpose(x, 1, 2);  // (B, H, T, D)
  if (repeat > 1) {
    y = reshape(y, {s[0], s[2], 1, s[1], s[3]});
    const Tensor ones = Tensor::full(x.device(), {1, 1, repeat, 1, 1}, 1.0, x.dtype());
    y = mul(y, ones);
  }
  return reshape(y, {s[0] * s[2] * repeat, s[1], s[3]});
}

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options) {
  const std::int64_t b = q.shape()[0], tq = q.shape()[1], h = q.shape()[2], d = q.shape()[3];
  const std::int64_t tk = k.shape()[1], group = h / k.shape()[2];
  const Tensor qb = head_batch(q, 1), kb = head_batch(k, group), vb = head_batch(v, group);
  Tensor scores = scale(matmul(qb, transpose(kb, 1, 2)), static_cast<double>(scale_of(options, d)));
  if (options.causal) {
    std::vector<double> mask(static_cast<std::size_t>(tq * tk));
    for (std::int64_t t = 0; t < tq; ++t)
      for (std::int64_t s = 0; s < tk; ++s)
        mask[static_cast<std::size_t>(t * tk + s)] = s <= t + tk - tq ? 0.0 : -1e30;
    scores = add(scores, cast(Tensor::from<double>(q.device(), {tq, tk}, mask), q.dtype()));
  }
  const Tensor out = matmul(softmax(scores), vb);  // (B * H, Tq, D)
  return contiguous(transpose(reshape(out, {b, h, tq, d}), 1, 2));
}

Tensor attention_packed(const Tensor& qkv, std::int64_t heads, std::int64_t kv_heads,
                        const AttentionOptions& options) {
  const std::int64_t b = qkv.shape()[0], t = qkv.shape()[1];
  const std::int64_t d = qkv.shape()[2] / (heads + 2 * kv_heads);
  const Tensor all = reshape(qkv, {b, t, heads + 2 * kv_heads, d});
  const Tensor out =
      composed::attention(slice(all, 2, 0, heads), slice(all, 2, heads, heads + kv_heads),
                          slice(all, 2, heads + kv_heads, heads + 2 * kv_heads), options);
  return reshape(out, {b, t, heads * d});
}

Tensor softmax(const Tensor& x) {
  // The row maximum only keeps exp in range; it is a constant to the derivative.
  const auto values = x.to_vector<double>();
  const auto cols = static_cast<std::size_t>(x.view().cols());
  std::vector<double> peak(values.size() / cols, -INFINITY);
  for (std::size_t i = 0; i < values.size(); ++i)
    peak[i / cols] = std::max(peak[i / cols], values[i]);
  Shape shape = x.shape();
  shape[-1] = 1;
  const Tensor shifted = sub(x, cast(Tensor::from<double>(x.device(), shape, peak), x.dtype()));
  const Tensor e = exp(shifted);
  return div(e, sum(e, {-1}));
}

}  // namespace composed

}  // namespace gigatrain::ops
