// The rotary embedding's definition in basic ops: y = x C + (x P) S, where P swaps the elements of
// each pair, and C, S (B, T, 1, D) are cosines and signed sines, computed here in f64.

#include <cmath>

#include "gigatrain/ops/composed.h"
#include "ops/checks.h"

namespace gigatrain::ops {

namespace {

struct Pair {
  std::int64_t first, second;
};
Pair pair_of(const RopeOptions& o, std::int64_t i, std::int64_t pairs) {
  return o.layout == RopeLayout::half ? Pair{i, i + pairs} : Pair{2 * i, 2 * i + 1};
}

Tensor swap_matrix(const Tensor& like, const RopeOptions& o, std::int64_t d, std::int64_t pairs) {
  std::vector<double> p(static_cast<std::size_t>(d * d));
  for (std::int64_t i = 0; i < pairs; ++i) {
    const Pair e = pair_of(o, i, pairs);
    p[static_cast<std::size_t>(e.first * d + e.second)] = 1.0;
    p[static_cast<std::size_t>(e.second * d + e.first)] = 1.0;
  }
  return cast(Tensor::from<double>(like.device(), {d, d}, p), like.dtype());
}

struct Rotation {
  Tensor cosine, sine;
};
Rotation rotation_of(const Tensor& x, const RopeOptions& o) {
  const Shape& s = x.shape();
  const std::int64_t rows = s[0] * s[1], d = s[3];
  const RopeFrequencies f = rope_frequencies(o, d, o.first_position + s[1]);
  const auto given = o.positions ? o.positions.to_vector<double>() : std::vector<double>();
  std::vector<double> c(static_cast<std::size_t>(rows * d), 1.0), sn(c.size(), 0.0);
  const auto pairs = static_cast<std::int64_t>(f.radians.size());
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t i = 0; i < pairs; ++i) {
      const double position = given.empty() ? static_cast<double>(o.first_position + row % s[1])
                                            : given[static_cast<std::size_t>(row)];
      const double angle = position * f.radians[static_cast<std::size_t>(i)];
      const Pair e = pair_of(o, i, pairs);
      const auto a = static_cast<std::size_t>(row * d + e.first),
                 b = static_cast<std::size_t>(row * d + e.second);
      c[a] = c[b] = f.attention_factor * std::cos(angle);
      sn[b] = f.attention_factor * std::sin(angle);
      sn[a] = -sn[b];
    }
  const Shape shape{s[0], s[1], 1, d};
  return {cast(Tensor::from<double>(x.device(), shape, c), x.dtype()),
          cast(Tensor::from<double>(x.device(), shape, sn), x.dtype())};
}

// (1, 1, heads, 1): 1 for the heads [begin, end).
Tensor head_mask(const Tensor& like, std::int64_t begin, std::int64_t end) {
  std::vector<double> mask(static_cast<std::size_t>(like.shape()[2]));
  for (std::int64_t h = begin; h < end; ++h) mask[static_cast<std::size_t>(h)] = 1.0;
  return cast(Tensor::from<double>(like.device(), {1, 1, like.shape()[2], 1}, mask), like.dtype());
}

}  // namespace

Tensor composed::rope(const Tensor& x, const RopeOptions& o) {
  const Shape& s = x.shape();
  const std::int64_t d = s[3], pairs = (o.rotary_dims == 0 ? d : o.rotary_dims) / 2;
  const Rotation r = rotation_of(x, o);
  const Tensor rows = reshape(x, {s[0] * s[1] * s[2], d});
  const Tensor swapped = reshape(matmul(rows, swap_matrix(x, o, d, pairs)), s);
  return add(mul(x, r.cosine), mul(swapped, r.sine));
}

Tensor composed::qk_norm_rope(Tensor qkv, std::int64_t heads, std::int64_t kv_heads,
                              const RopeOptions& o, const Tensor& q_weight, const Tensor& k_weight,
                              float eps) {
  const Shape& s = qkv.shape();
  const std::int64_t all = heads + 2 * kv_heads;
  const Tensor x = reshape(qkv, {s[0], s[1], all, s[2] / all});
  const auto normed = [&](const Tensor& weight) {
    return weight ? composed::rms_norm(x, weight, eps) : x;
  };
  const Tensor q = mul(composed::rope(normed(q_weight), o), head_mask(x, 0, heads));
  const Tensor k = mul(composed::rope(normed(k_weight), o), head_mask(x, heads, heads + kv_heads));
  const Tensor v = mul(x, head_mask(x, heads + kv_heads, all));
  return reshape(add(add(q, k), v), s);
}

}  // namespace gigatrain::ops
