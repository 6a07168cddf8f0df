// Scaled-dot-product attention; the (Tq, Tk) matrix is never held (kernels/attention.h).

#include <fmt/format.h>

#include <cmath>

#include "gigatrain/base/error.h"
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

// (B, H, Tq, Tk), with a stride of 0 where the mask repeats.
TensorView broadcast_mask(const Tensor& mask, const Shape& scores) {
  if (!mask) return {};
  TensorView v = mask.view();
  const int shift = scores.dims() - v.shape.dims();
  v.shape = scores, v.strides = {};
  for (int i = shift; i < scores.dims(); ++i)
    if (mask.shape()[i - shift] != 1)
      v.strides[static_cast<std::size_t>(i)] =
          mask.view().strides[static_cast<std::size_t>(i - shift)];
  return v;
}

// What the kernels are told beside the tensors. Where sequences of different lengths were given,
// their rows: views then are one row of B T positions. The node saves what `mask` and `segments`
// look at.
struct Plan {
  float scale;
  bool causal;
  std::vector<std::int64_t> offsets{};
  TensorView mask, segments;

  // scores: (B, H, Tq, Tk)
  Plan(const AttentionOptions& o, std::int64_t head_dim, const Shape& scores)
      : scale(scale_of(o, head_dim)), causal(o.causal), mask(broadcast_mask(o.mask, scores)) {
    if (o.segments) segments = o.segments.view();
    if (!o.lengths.empty()) offsets.push_back(0);
    for (const std::int64_t length : o.lengths) offsets.push_back(offsets.back() + length);
  }
  // (B, T, heads, D) -> (1, B T, heads, D), whose rows are evenly spaced.
  TensorView rows(TensorView x) const {
    if (offsets.empty()) return x;
    x.shape = {1, x.shape[0] * x.shape[1], x.shape[2], x.shape[3]};
    x.strides[0] = x.shape[1] * x.strides[1];
    return x;
  }
  Tensor new_lse(const Tensor& like, std::int64_t b, std::int64_t h, std::int64_t t) const {
    const Shape shape = offsets.empty() ? Shape{b, h, t} : Shape{b * t, h};
    return Tensor::empty(like.device(), shape, DType::f32, {Purpose::activations, "attention.lse"});
  }

  kernels::AttentionForward forward(const Qkv& x, const TensorView& out, const Tensor& lse) const {
    return {.q = rows(x.q),
            .k = rows(x.k),
            .v = rows(x.v),
            .out = rows(out),
            .lse = lse ? lse.view() : TensorView{},
            .scale = scale,
            .causal = causal,
            .offsets = offsets.empty() ? nullptr : offsets.data(),
            .sequences = sequences(),
            .mask = mask,
            .segments = segments};
  }
  kernels::AttentionBackward backward(const Qkv& x, const TensorView& out, const Tensor& lse,
                                      const TensorView& dout, const Qkv& dx) const {
    return {.q = rows(x.q),
            .k = rows(x.k),
            .v = rows(x.v),
            .out = rows(out),
            .lse = lse.view(),
            .dout = rows(dout),
            .dq = rows(dx.q),
            .dk = rows(dx.k),
            .dv = rows(dx.v),
            .scale = scale,
            .causal = causal,
            .offsets = offsets.empty() ? nullptr : offsets.data(),
            .sequences = sequences(),
            .mask = mask,
            .segments = segments};
  }
  std::int64_t sequences() const {
    return offsets.empty() ? 0 : static_cast<std::int64_t>(offsets.size()) - 1;
  }
};

struct AttentionNode : Node {  // saved: q, k, v, out, lse, mask, segments
  Plan plan;
  explicit AttentionNode(const Plan& p) : Node("attention"), plan(p) {}
  void backward(Backward& b) override {
    const Tensor dout = contiguous(b.dout());
    Tensor dq = empty_like(saved(0), "attention.dq"), dk = empty_like(saved(1), "attention.dk"),
           dv = empty_like(saved(2), "attention.dv");
    b.stream().submit(plan.backward({saved(0).view(), saved(1).view(), saved(2).view()},
                                    saved(3).view(), saved(4), dout.view(),
                                    {dq.view(), dk.view(), dv.view()}));
    b.give(0, dq);
    b.give(1, dk);
    b.give(2, dv);
  }
};

struct PackedAttentionNode : Node {  // saved: qkv, out, lse, mask, segments
  std::int64_t heads, kv_heads;
  Plan plan;
  PackedAttentionNode(std::int64_t h, std::int64_t kv, const Plan& p)
      : Node("attention"), heads(h), kv_heads(kv), plan(p) {}
  void backward(Backward& b) override {
    const Tensor dout = contiguous(b.dout());
    Tensor dqkv = empty_like(saved(0), "attention.dqkv");
    const Qkv x = unpack(saved(0).view(), heads, kv_heads),
              dx = unpack(dqkv.view(), heads, kv_heads);
    const std::int64_t d = x.q.shape[3];
    b.stream().submit(plan.backward(x, heads_of(saved(1).view(), 0, heads, d), saved(2),
                                    heads_of(dout.view(), 0, heads, d), dx));
    b.give(0, dqkv);
  }
};

void check_heads(const char* op, std::int64_t heads, std::int64_t kv_heads) {
  require(heads > 0 && kv_heads > 0 && heads % kv_heads == 0, op,
          fmt::format("the query heads must be a multiple of the key heads, got {} and {}", heads,
                      kv_heads));
}

void check_lengths(const char* op, const std::vector<std::int64_t>& lengths, std::int64_t rows) {
  if (lengths.empty()) return;
  std::int64_t sum = 0;
  for (const std::int64_t length : lengths) {
    require(length >= 0, op, fmt::format("a sequence cannot have length {}", length));
    sum += length;
  }
  require(sum == rows, op,
          fmt::format("the lengths must sum to the B T positions, got {} and {}", sum, rows));
}

Shape scores_of(const Tensor& q, const Tensor& k) {
  return {q.shape()[0], q.shape()[2], q.shape()[1], k.shape()[1]};
}

void check_mask(const char* op, const Tensor& mask, const Shape& scores) {
  if (!mask) return;
  const DType dtype = mask.dtype();
  require(dtype == DType::u8 || dtype == DType::f32 || dtype == DType::bf16, op,
          fmt::format("a mask must be u8 (1: attend), f32 or bf16 (added), got {}", name(dtype)));
  const int shift = scores.dims() - mask.shape().dims();
  bool fits = shift >= 0;
  for (int i = 0; fits && i < mask.shape().dims(); ++i)
    fits = mask.shape()[i] == 1 || mask.shape()[i] == scores[i + shift];
  require(fits, op,
          fmt::format("the mask must broadcast to (B, H, Tq, Tk) = {}, got {}", scores.str(),
                      mask.shape().str()));
  if (mask.requires_grad())
    throw Error(ErrorCode::unsupported,
                fmt::format("[{}] no gradient goes to a mask, and this one requires it", op),
                "pass mask.detach(), or use the composed definition (ops/composed.h)");
}

// The mask and the segments of one call; scores: (B, H, Tq, Tk).
void check_masks(const char* op, const AttentionOptions& o, const Shape& scores) {
  require(
      o.lengths.empty() || !(o.mask || o.segments), op,
      "lengths take no mask and no segments: pass segments alone, with an id for each sequence");
  check_mask(op, o.mask, scores);
  if (!o.segments) return;
  require_dtype(op, "segments", o.segments, DType::i32);
  require(scores[2] == scores[3], op,
          fmt::format("segments need Tq equal to Tk, got {} and {}", scores[2], scores[3]));
  require_shape(op, "segments", o.segments, {scores[0], scores[3]});
  require(o.segments.view().is_contiguous(), op, "segments must be contiguous, got a strided view");
}

void check(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
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
  require(!o.causal || q.shape()[1] <= k.shape()[1], "attention",
          fmt::format("causal attention needs Tq <= Tk, got {} and {}; pass causal = false, and a "
                      "mask if need be",
                      q.shape()[1], k.shape()[1]));
  require(o.lengths.empty() || q.shape()[1] == k.shape()[1], "attention",
          fmt::format("sequences of given lengths need Tq equal to Tk, got {} and {}", q.shape()[1],
                      k.shape()[1]));
  check_lengths("attention", o.lengths, q.shape()[0] * q.shape()[1]);
  check_masks("attention", o, scores_of(q, k));
}

}  // namespace

Tensor attention(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in,
                 const AttentionOptions& options) {
  check(q_in, k_in, v_in, options);
  const auto unit_stride = [&](const Tensor& x) {
    return x.view().strides[3] == 1 && options.lengths.empty() ? x : contiguous(x);
  };
  const Tensor q = unit_stride(q_in), k = unit_stride(k_in), v = unit_stride(v_in);
  const Plan plan(options, q.shape()[3], scores_of(q, k));
  Tensor out = empty_like(q, "attention.out");
  const bool record = grad_needed({q, k, v});
  Tensor lse;
  if (record) lse = plan.new_lse(q, q.shape()[0], q.shape()[2], q.shape()[1]);
  q.stream().submit(plan.forward({q.view(), k.view(), v.view()}, out.view(), lse));
  if (record) {
    auto node = std::make_shared<AttentionNode>(plan);
    node->save({q, k, v, out, lse, options.mask, options.segments});
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
  check_lengths("attention_packed", options.lengths, qkv_in.shape()[0] * qkv_in.shape()[1]);
  const Shape scores{qkv_in.shape()[0], heads, qkv_in.shape()[1], qkv_in.shape()[1]};
  check_masks("attention_packed", options, scores);
  const Tensor qkv = contiguous(qkv_in);
  const Qkv x = unpack(qkv.view(), heads, kv_heads);
  const std::int64_t b = x.q.shape[0], t = x.q.shape[1], d = x.q.shape[3];
  const Plan plan(options, d, scores);
  Tensor out = Tensor::empty(qkv.device(), {b, t, heads * d}, qkv.dtype(),
                             {Purpose::activations, "attention.out"});
  const bool record = grad_needed({qkv});
  Tensor lse;
  if (record) lse = plan.new_lse(qkv, b, heads, t);
  qkv.stream().submit(plan.forward(x, heads_of(out.view(), 0, heads, d), lse));
  if (record) {
    auto node = std::make_shared<PackedAttentionNode>(heads, kv_heads, plan);
    node->save({qkv, out, lse, options.mask, options.segments});
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

// What is added to the scores (N, Tq, Tk), -1e30 where query t does not see key s, and what rows
// are multiplied by at the end, 0 where a query sees no key. N is B H, or 1 where all are alike.
struct Masking {
  Tensor bias, rows;
};

// mask[..., t, s] of (b, h), in row-major order of what it broadcasts to.
static double mask_at(const Shape& shape, const std::vector<double>& values,
                      const std::int64_t (&at)[4]) {
  std::int64_t index = 0;
  for (int i = 0; i < shape.dims(); ++i)
    index = index * shape[i] + (shape[i] == 1 ? 0 : at[4 - shape.dims() + i]);
  return values[static_cast<std::size_t>(index)];
}

static std::vector<std::int64_t> sequence_ids(const AttentionOptions& options) {
  if (options.segments) return options.segments.to_vector<std::int64_t>();
  std::vector<std::int64_t> ids;  // of each position
  for (std::size_t i = 0; i < options.lengths.size(); ++i)
    ids.insert(ids.end(), static_cast<std::size_t>(options.lengths[i]),
               static_cast<std::int64_t>(i));
  return ids;
}

static Masking masking_of(Device& device, const Shape& scores, const AttentionOptions& options) {
  const bool alike = !options.mask && !options.segments;
  const std::int64_t nb = alike ? 1 : scores[0], nh = alike ? 1 : scores[1];
  const std::int64_t tq = scores[2], tk = scores[3];
  const std::vector<std::int64_t> ids = sequence_ids(options);
  const auto values = options.mask ? options.mask.to_vector<double>() : std::vector<double>{};
  const auto bias = [&](const std::int64_t(&at)[4]) {
    const std::int64_t t = at[2], s = at[3], first = options.segments ? at[0] * tk : 0;
    const bool same = ids.empty() || ids[static_cast<std::size_t>(first + t)] ==
                                         ids[static_cast<std::size_t>(first + s)];
    if (!same || (options.causal && s > t + tk - tq)) return -1e30;
    if (!options.mask) return 0.0;
    const double value = mask_at(options.mask.shape(), values, at);
    if (options.mask.dtype() == DType::u8) return value != 0.0 ? 0.0 : -1e30;
    return std::max(value, -1e30);
  };
  std::vector<double> all, rows;
  for (std::int64_t b = 0; b < nb; ++b)
    for (std::int64_t h = 0; h < nh; ++h)
      for (std::int64_t t = 0; t < tq; ++t) {
        bool any = false;
        for (std::int64_t s = 0; s < tk; ++s) {
          all.push_back(bias({b, h, t, s}));
          any = any || all.back() > -1e30;
        }
        rows.push_back(any ? 1.0 : 0.0);
      }
  return {Tensor::from<double>(device, {nb * nh, tq, tk}, all),
          Tensor::from<double>(device, {nb * nh, tq, 1}, rows)};
}

// Sequences of given lengths: one row of B T positions, and a mask between sequences.
Tensor attention(const Tensor& q_in, const Tensor& k_in, const Tensor& v_in,
                 const AttentionOptions& options) {
  const auto row = [&](const Tensor& x) {
    const Shape& s = x.shape();
    return options.lengths.empty() ? x : reshape(x, {1, s[0] * s[1], s[2], s[3]});
  };
  const Tensor q = row(q_in), k = row(k_in), v = row(v_in);
  const std::int64_t b = q.shape()[0], tq = q.shape()[1], h = q.shape()[2], d = q.shape()[3];
  const std::int64_t tk = k.shape()[1], group = h / k.shape()[2];
  const Tensor qb = head_batch(q, 1), kb = head_batch(k, group), vb = head_batch(v, group);
  const Tensor products = matmul(qb, transpose(kb, 1, 2));
  const Masking m = masking_of(q.device(), {b, h, tq, tk}, options);
  const Tensor scores =
      add(scale(products, static_cast<double>(scale_of(options, d))), cast(m.bias, q.dtype()));
  const Tensor out = mul(matmul(softmax(scores), vb), cast(m.rows, q.dtype()));  // (B * H, Tq, D)
  return reshape(contiguous(transpose(reshape(out, {b, h, tq, d}), 1, 2)), q_in.shape());
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

}  // namespace composed

}  // namespace gigatrain::ops
