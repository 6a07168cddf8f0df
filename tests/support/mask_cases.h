// Cases of attention under masks, with segments, and across sequences of different lengths.
#pragma once

#include <cmath>

#include "support/op_case.h"

namespace gigatrain::test {

// A keep-mask in which the first query of each (b, h) sees nothing, and most others something.
inline Tensor keep_mask(Device& device, const Shape& shape) {
  const auto draws = random_values(shape.numel(), "keep");
  std::vector<std::uint8_t> keep;
  const auto row = static_cast<std::size_t>(shape[-1]),
             head = row * static_cast<std::size_t>(shape[-2]);
  for (std::size_t i = 0; i < draws.size(); ++i) keep.push_back(i % head >= row && draws[i] > -0.3);
  return Tensor::from<std::uint8_t>(device, shape, keep);
}

// An additive mask with some keys hidden by -inf.
inline Tensor bias_mask(Device& device, const Shape& shape, DType dtype) {
  auto bias = random_values(shape.numel(), "bias");
  for (double& x : bias)
    x = x < -0.7 ? -INFINITY : static_cast<double>(static_cast<float>(bf16(static_cast<float>(x))));
  return tensor_of(device, shape, bias, dtype);
}

// Documents of some lengths, one of which comes twice.
inline Tensor segment_ids(Device& device, std::int64_t b, std::int64_t t) {
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < b * t; ++i)
    ids.push_back(static_cast<std::int32_t>(i % t * 3 / t == 1 ? 1 : 2 + i / t));
  return Tensor::from<std::int32_t>(device, {b, t}, ids);
}

inline std::vector<OpCase> mask_cases(const Sizes& s) {
  using namespace ops;
  std::vector<OpCase> cases;
  const std::int64_t d = s.c / s.heads, short_t = s.t - 2;
  const auto add = [&](const std::string& name, std::int64_t tq, std::int64_t tk,
                       const std::function<AttentionOptions(Device&)>& options) {
    const Input q{{s.b, tq, s.heads, d}}, kv{{s.b, tk, s.kv_heads, d}};
    cases.push_back({"attention, " + name,
                     {q, kv, kv},
                     [=](const Tensors& in) {
                       return Tensors{attention(in[0], in[1], in[2], options(in[0].device()))};
                     },
                     [=](const Tensors& in) {
                       return Tensors{
                           composed::attention(in[0], in[1], in[2], options(in[0].device()))};
                     },
                     4.0 * static_cast<double>(s.b * tq * tk * s.c)});
  };
  add("Tq > Tk", s.t, short_t, [](Device&) { return AttentionOptions{.causal = false}; });
  add("keep-mask", s.t, short_t, [=](Device& device) {
    return AttentionOptions{.causal = false, .mask = keep_mask(device, {s.b, 1, s.t, short_t})};
  });
  add("bias, causal", short_t, s.t, [=](Device& device) {
    return AttentionOptions{.scale = 0.7f,
                            .mask = bias_mask(device, {s.heads, short_t, s.t}, DType::f32)};
  });
  add("bias of keys in bf16", short_t, s.t, [=](Device& device) {
    return AttentionOptions{.causal = false,
                            .mask = bias_mask(device, {s.b, 1, 1, s.t}, DType::bf16)};
  });
  for (const bool causal : {true, false})
    add(std::string("segments") + (causal ? ", causal" : ""), s.t, s.t, [=](Device& device) {
      return AttentionOptions{.causal = causal, .segments = segment_ids(device, s.b, s.t)};
    });
  const auto packed = [=](Device& device) {
    return AttentionOptions{.mask = keep_mask(device, {s.t, s.t}),
                            .segments = segment_ids(device, s.b, s.t)};
  };
  cases.push_back(
      {"attention packed, segments and mask, causal",
       {{{s.b, s.t, (s.heads + 2 * s.kv_heads) * d}, false, 0.0, 2.0}},
       [=](const Tensors& in) {
         return Tensors{attention_packed(in[0], s.heads, s.kv_heads, packed(in[0].device()))};
       },
       [=](const Tensors& in) {
         return Tensors{
             composed::attention_packed(in[0], s.heads, s.kv_heads, packed(in[0].device()))};
       }});
  return cases;
}

}  // namespace gigatrain::test
