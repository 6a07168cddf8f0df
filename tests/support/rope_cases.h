// The cases of the fused ops of Llama-like models: SwiGLU and the rotary embeddings.
#pragma once

#include "support/op_case.h"

namespace gigatrain::test {

inline std::vector<OpCase> gated_cases(const Sizes& s) {
  using namespace ops;
  const Input half{{s.b, s.t, s.inner}, false, 0.0, 3.0};
  const Input both{{s.b, s.t, 2 * s.inner}, false, 0.0, 3.0};
  const auto halves = [s](const Tensor& x) {
    return std::pair{slice(x, -1, 0, s.inner), slice(x, -1, s.inner, 2 * s.inner)};
  };
  return {
      {"swiglu",
       {half, half},
       [](const Tensors& in) { return Tensors{swiglu(in[0], in[1])}; },
       [](const Tensors& in) { return Tensors{composed::swiglu(in[0], in[1])}; }},
      {"swiglu of views",
       {both},
       [=](const Tensors& in) {
         const auto [gate, up] = halves(in[0]);
         return Tensors{swiglu(gate, up)};
       },
       [](const Tensors& in) { return Tensors{composed::swiglu(in[0])}; }},
      {"swiglu packed",
       {both},
       [](const Tensors& in) { return Tensors{swiglu(in[0])}; },
       [](const Tensors& in) { return Tensors{composed::swiglu(in[0])}; }},
  };
}

// Of one head or of all, alone and with the norms. In f64 the composed definition reads positions
// from the device, hence a function of it.
inline std::vector<OpCase> rope_cases(const Sizes& s) {
  using namespace ops;
  std::vector<OpCase> cases;
  const std::int64_t d = 2 * s.c / s.heads;  // 6 where c is 12
  const Input x{{s.b, s.t, s.heads, d}};
  const Input qkv{{s.b, s.t, (s.heads + 2 * s.kv_heads) * d}}, weight{{d}, true, 1.0};
  const auto with_positions = [s](RopeOptions o, const Tensors& in) {
    o.positions = random_tokens(in[0].device(), {s.b, s.t}, 4096, "positions");
    return o;
  };
  const RopeOptions plain, part{.layout = RopeLayout::interleaved,
                                .theta = 500.0,
                                .rotary_dims = d / 4 * 2,
                                .first_position = 1000};
  RopeOptions yarn{
      .scaling = {.kind = RopeScaling::Kind::yarn, .factor = 4.0, .original_positions = 64}};
  const auto add = [&](const std::string& name, const RopeOptions& o) {
    cases.push_back({"rope " + name,
                     {x},
                     [o](const Tensors& in) { return Tensors{rope(in[0], o)}; },
                     [o](const Tensors& in) { return Tensors{composed::rope(in[0], o)}; }});
  };
  add("half", plain);
  add("interleaved, part", part);
  add("yarn", yarn);
  cases.push_back({"qk_norm_rope, positions",
                   {qkv, weight, weight},
                   [=](const Tensors& in) {
                     return Tensors{qk_norm_rope(in[0], s.heads, s.kv_heads,
                                                 with_positions(yarn, in), in[1], in[2])};
                   },
                   [=](const Tensors& in) {
                     return Tensors{composed::qk_norm_rope(in[0], s.heads, s.kv_heads,
                                                           with_positions(yarn, in), in[1], in[2])};
                   }});
  cases.push_back({"qk_norm_rope, one norm, interleaved, part",
                   {qkv, weight},
                   [=](const Tensors& in) {
                     return Tensors{qk_norm_rope(in[0], s.heads, s.kv_heads, part, {}, in[1])};
                   },
                   [=](const Tensors& in) {
                     return Tensors{
                         composed::qk_norm_rope(in[0], s.heads, s.kv_heads, part, {}, in[1])};
                   }});
  cases.push_back(  // nobody else holds what is turned
      {"qk_norm_rope in place",
       {qkv},
       [=](const Tensors& in) {
         return Tensors{qk_norm_rope(scale(in[0], 1.5), s.heads, s.kv_heads)};
       },
       [=](const Tensors& in) {
         return Tensors{composed::qk_norm_rope(scale(in[0], 1.5), s.heads, s.kv_heads)};
       }});
  return cases;
}

}  // namespace gigatrain::test
