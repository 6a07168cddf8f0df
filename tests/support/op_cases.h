// One list of cases for every differentiable op: tests check its value against the composed
// definition and its gradient against central differences; the benchmark times the same cases at
// the size of a real model.
#pragma once

#include "support/conv_cases.h"
#include "support/elementwise_cases.h"
#include "support/loss_cases.h"
#include "support/mask_cases.h"
#include "support/op_case.h"
#include "support/rope_cases.h"

namespace gigatrain::test {

inline std::vector<OpCase> basic_cases(const Sizes& s) {
  using namespace ops;
  const Shape x{s.b, s.t, s.c}, row{s.c}, col{s.b, s.t, 1};
  const Input plain{x}, positive{x, false, 2.0};
  const auto binary = [](Tensor (*f)(const Tensor&, const Tensor&)) {
    return [f](const Tensors& in) { return Tensors{f(in[0], in[1])}; };
  };
  return {
      {"add", {plain, plain}, binary(add), {}},
      {"add broadcast", {plain, {row}}, binary(add), {}},
      {"sub broadcast", {{col}, plain}, binary(sub), {}},
      {"mul", {plain, plain}, binary(mul), {}},
      {"mul broadcast", {{row}, plain}, binary(mul), {}},
      {"div", {plain, positive}, binary(div), {}},
      {"div broadcast", {plain, {col, false, 2.0}}, binary(div), {}},
      {"scale", {plain}, [](const Tensors& in) { return Tensors{scale(in[0], -1.75)}; }, {}},
      {"sum", {plain}, [](const Tensors& in) { return Tensors{sum(in[0])}; }, {}},
      {"sum of dims",
       {plain},
       [](const Tensors& in) {
         return Tensors{sum(in[0], {0, -1})};
       },
       {}},
      {"mean of rows", {plain}, [](const Tensors& in) { return Tensors{mean(in[0], {-1})}; }, {}},
      {"reshape",
       {plain},
       [s](const Tensors& in) {
         return Tensors{reshape(in[0], {s.b * s.t, s.c})};
       },
       {}},
      {"slice",
       {plain},
       [s](const Tensors& in) { return Tensors{slice(in[0], 1, 1, s.t - 1)}; },
       {}},
      {"transpose",
       {plain},
       [](const Tensors& in) { return Tensors{contiguous(transpose(in[0], 0, 2))}; },
       {}},
      {"cast",
       {plain},
       [](const Tensors& in) { return Tensors{cast(cast(in[0], DType::f64), in[0].dtype())}; },
       {}},
      {"matmul",
       {{{s.t, s.c}}, {{s.c, s.inner}}},
       binary(matmul),
       {},
       2.0 * static_cast<double>(s.t * s.c * s.inner)},
      {"matmul batched",
       {{{s.b, s.t, s.c}}, {{s.b, s.c, s.inner}}},
       binary(matmul),
       {},
       2.0 * static_cast<double>(s.b * s.t * s.c * s.inner)},
  };
}

inline std::vector<OpCase> linear_cases(const Sizes& s) {
  using namespace ops;
  std::vector<OpCase> cases;
  const double flops = 2.0 * static_cast<double>(s.b * s.t * s.c * s.inner);
  for (const auto layout : {WeightLayout::in_out, WeightLayout::out_in})
    for (const bool gelu : {false, true}) {
      const LinearOptions o{.layout = layout, .gelu = gelu};
      const bool in_out = layout == WeightLayout::in_out;
      cases.push_back(
          {std::string("linear ") + (in_out ? "in_out" : "out_in") + (gelu ? " gelu" : ""),
           {{{s.b, s.t, s.c}},
            {in_out ? Shape{s.c, s.inner} : Shape{s.inner, s.c}},
            {{s.inner}, true}},
           [o](const Tensors& in) { return Tensors{linear(in[0], in[1], in[2], o)}; },
           [o](const Tensors& in) { return Tensors{composed::linear(in[0], in[1], in[2], o)}; },
           flops});
    }
  cases.push_back({"linear no bias",
                   {{{s.b, s.t, s.c}}, {{s.inner, s.c}}},
                   [](const Tensors& in) { return Tensors{linear(in[0], in[1])}; },
                   [](const Tensors& in) { return Tensors{composed::linear(in[0], in[1])}; },
                   flops});
  return cases;
}

inline std::vector<OpCase> norm_cases(const Sizes& s) {
  using namespace ops;
  const Input x{{s.b, s.t, s.c}}, weight{{s.c}, true, 1.0}, bias{{s.c}, true};
  const auto both = [](const ResidualNorm& r) { return Tensors{r.sum, r.y}; };
  const DropoutArgs drop = test_dropout(s);
  return {
      {"gelu",
       {{{s.b, s.t, s.c}, false, 0.0, 3.0}},
       [](const Tensors& in) { return Tensors{gelu(in[0])}; },
       [](const Tensors& in) { return Tensors{composed::gelu(in[0])}; }},
      {"layer_norm",
       {x, weight, bias},
       [](const Tensors& in) { return Tensors{layer_norm(in[0], in[1], in[2])}; },
       [](const Tensors& in) { return Tensors{composed::layer_norm(in[0], in[1], in[2])}; }},
      {"layer_norm no bias",
       {x, weight},
       [](const Tensors& in) { return Tensors{layer_norm(in[0], in[1])}; },
       [](const Tensors& in) { return Tensors{composed::layer_norm(in[0], in[1])}; }},
      {"residual_norm",
       {x, x, weight, bias},
       [=](const Tensors& in) { return both(residual_norm(in[0], in[1], in[2], in[3])); },
       [=](const Tensors& in) {
         return both(composed::residual_norm(in[0], in[1], in[2], in[3]));
       }},
      {"residual_norm dropout",
       {x, x, weight, bias},
       [=](const Tensors& in) {
         return both(residual_norm(in[0], in[1], in[2], in[3], 1e-5f, drop));
       },
       [=](const Tensors& in) {
         return both(composed::residual_norm(in[0], in[1], in[2], in[3], 1e-5f, drop));
       }},
      {"rms_norm",
       {x, weight},
       [](const Tensors& in) { return Tensors{rms_norm(in[0], in[1])}; },
       [](const Tensors& in) { return Tensors{composed::rms_norm(in[0], in[1])}; }},
      {"residual_rms_norm dropout",
       {x, x, weight},
       [=](const Tensors& in) { return both(residual_rms_norm(in[0], in[1], in[2], 1e-5f, drop)); },
       [=](const Tensors& in) {
         return both(composed::residual_rms_norm(in[0], in[1], in[2], 1e-5f, drop));
       }},
      {"dropout",
       {x},
       [=](const Tensors& in) { return Tensors{dropout(in[0], drop)}; },
       [=](const Tensors& in) { return Tensors{composed::dropout(in[0], drop)}; }},
      {"residual_dropout",
       {x, x},
       [=](const Tensors& in) { return Tensors{residual_dropout(in[0], in[1], drop)}; },
       [=](const Tensors& in) { return Tensors{composed::residual_dropout(in[0], in[1], drop)}; }},
  };
}

inline std::vector<OpCase> token_cases(const Sizes& s) {
  using namespace ops;
  const auto tokens = [s](const Tensors& in) {
    return random_tokens(in[0].device(), {s.b, s.t}, s.vocab, "tokens");
  };
  const auto targets = [s](const Tensors& in) {
    auto ids = random_ids(s.b * s.t, s.vocab, "targets");
    ids[1] = -1;  // one is ignored
    return Tensor::from<std::int32_t>(in[0].device(), {s.b * s.t}, ids);
  };
  const DropoutArgs drop = test_dropout(s);
  const Input table{{s.vocab, s.c}}, positions{{s.t + 3, s.c}};
  return {
      {"embedding",
       {table},
       [=](const Tensors& in) { return Tensors{embedding(tokens(in), in[0])}; },
       [=](const Tensors& in) { return Tensors{composed::embedding(tokens(in), in[0])}; }},
      {"embedding positions dropout",
       {table, positions},
       [=](const Tensors& in) { return Tensors{embedding(tokens(in), in[0], in[1], 2, drop)}; },
       [=](const Tensors& in) {
         return Tensors{composed::embedding(tokens(in), in[0], in[1], 2, drop)};
       }},
      {"linear_cross_entropy",
       {{{s.b, s.t, s.c}}, table},
       [=](const Tensors& in) {
         return Tensors{linear_cross_entropy(in[0], in[1], targets(in), 0.25)};
       },
       [=](const Tensors& in) {
         return Tensors{composed::linear_cross_entropy(in[0], in[1], targets(in), 0.25)};
       },
       6.0 * static_cast<double>(s.b * s.t * s.c * s.vocab)},
  };
}

inline std::vector<OpCase> sequence_cases(const Sizes& s) {
  using namespace ops;
  std::vector<OpCase> cases;
  const std::int64_t d = s.c / s.heads;
  double flops = 0.0;  // causal
  for (const std::int64_t n : uneven_lengths(s.b * s.t))
    flops += 2.0 * static_cast<double>(n * n * s.c);
  const Input q{{s.b, s.t, s.heads, d}}, kv{{s.b, s.t, s.kv_heads, d}};
  const Input qkv{{s.b, s.t, (s.heads + 2 * s.kv_heads) * d}, false, 0.0, 2.0};
  for (const bool causal : {true, false}) {
    const AttentionOptions o{.causal = causal, .scale = 0.7f, .lengths = uneven_lengths(s.b * s.t)};
    const std::string name = std::string(", lengths") + (causal ? ", causal" : "");
    cases.push_back({"attention packed" + name,
                     {qkv},
                     [=](const Tensors& in) {
                       return Tensors{attention_packed(in[0], s.heads, s.kv_heads, o)};
                     },
                     [=](const Tensors& in) {
                       return Tensors{composed::attention_packed(in[0], s.heads, s.kv_heads, o)};
                     },
                     causal ? flops : 2 * flops});
    cases.push_back(
        {"attention" + name,
         {q, kv, kv},
         [o](const Tensors& in) { return Tensors{attention(in[0], in[1], in[2], o)}; },
         [o](const Tensors& in) { return Tensors{composed::attention(in[0], in[1], in[2], o)}; },
         causal ? flops : 2 * flops});
  }
  return cases;
}

inline std::vector<OpCase> attention_cases(const Sizes& s) {
  using namespace ops;
  std::vector<OpCase> cases;
  const std::int64_t d = s.c / s.heads;
  const double flops = 2.0 * static_cast<double>(s.b * s.t * s.t * s.c);  // causal
  for (const std::int64_t kv : {s.heads, s.kv_heads}) {
    cases.push_back(
        {"attention packed, " + std::to_string(kv) + " key heads",
         {{{s.b, s.t, (s.heads + 2 * kv) * d}, false, 0.0, 2.0}},
         [=](const Tensors& in) { return Tensors{attention_packed(in[0], s.heads, kv)}; },
         [=](const Tensors& in) { return Tensors{composed::attention_packed(in[0], s.heads, kv)}; },
         flops});
    if (s.kv_heads == s.heads) break;
  }
  for (const bool causal : {true, false}) {
    const AttentionOptions o{.causal = causal, .scale = 0.7f};
    const Input q{{s.b, s.t - 2, s.heads, d}}, kv{{s.b, s.t, s.kv_heads, d}};
    cases.push_back(
        {std::string("attention, Tq < Tk") + (causal ? ", causal" : ""),
         {q, kv, kv},
         [o](const Tensors& in) { return Tensors{attention(in[0], in[1], in[2], o)}; },
         [o](const Tensors& in) { return Tensors{composed::attention(in[0], in[1], in[2], o)}; },
         causal ? flops : 2 * flops});
  }
  return cases;
}

// One line a family.
inline std::vector<OpCase> op_cases(const Sizes& s) {
  std::vector<OpCase> all;
  const auto add = [&](const std::vector<OpCase>& cases) {
    all.insert(all.end(), cases.begin(), cases.end());
  };
  add(basic_cases(s));
  add(unary_cases(s));
  add(choice_cases(s));
  add(softmax_cases(s));
  add(pick_cases(s));
  add(linear_cases(s));
  add(norm_cases(s));
  add(token_cases(s));
  add(loss_cases(s));
  add(attention_cases(s));
  add(sequence_cases(s));
  add(mask_cases(s));
  add(gated_cases(s));
  add(rope_cases(s));
  add(conv_cases(s));
  return all;
}

inline Tensors make_inputs(Device& device, const OpCase& c, DType dtype) {
  Tensors inputs;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const Input& in = c.inputs[i];
    auto values = random_values(in.shape.numel(), c.name + std::to_string(i));
    for (double& v : values)  // representable in bf16, so that every dtype sees the same numbers
      v = static_cast<double>(
          static_cast<float>(bf16(static_cast<float>(v * in.factor + in.offset))));
    const DType own = in.vector_f32 && size_of(dtype) == 2 ? DType::f32 : dtype;
    inputs.push_back(tensor_of(device, in.shape, values, own));
    inputs.back().require_grad();
  }
  return inputs;
}

}  // namespace gigatrain::test
